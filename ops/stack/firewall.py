"""What containers may reach, and who may reach them: rules as pure text, and applying them at any
time.

Own chains only, each replaced as a whole (``iptables-restore --noflush`` swaps a chain in one
step), so that applying twice changes nothing and ``ops/down`` can take them away.

    INPUT        → STUDIO-{platform}-IN    from containers and the build engine to this host
    OUTPUT       → STUDIO-{platform}-OUT   from this host to workspaces
    DOCKER-USER  → STUDIO-{platform}-FWD   from them to anywhere else
    POSTROUTING  → STUDIO-{platform}-NAT   the build engine's way out

Docker puts ``DOCKER-USER`` before its own rules and never changes what is in it. The build engine
lives in a network namespace with a second set of the same kind (``STUDIO-BUILD-…``): there, what
dockerd itself asks for is OUTPUT and what a ``RUN`` step asks for is forwarded.
"""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import psutil
from pydantic import BaseModel, ConfigDict

from ops.settings import Settings
from ops.stack.programs import server_user
from ops.stack.shell import attempt, run

#: Never reachable for user code: private, shared, link-local (metadata), multicast, reserved.
PRIVATE = (
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "224.0.0.0/4",
    "240.0.0.0/4",
)

ESTABLISHED = "-m conntrack --ctstate ESTABLISHED,RELATED"

#: All build steps of the machine come from the build engine's one address: together they may have as
#: many connections as this many containers.
BUILDS_AT_ONCE = 4

OTHERS_THAN_TCP = 8


class Topology(BaseModel):
    """All that the rules are made from."""

    model_config = ConfigDict(frozen=True)

    platform: str
    app_bridges: tuple[str, ...]
    workspace_bridges: tuple[str, ...] = ()
    gateway_user: str
    service_address: IPv4Address
    mongo_port: int
    registry_port: int
    control_port: int
    packages_port: int
    git_port: int
    build_interface: str
    build_subnet: IPv4Network
    resolvers: tuple[IPv4Address, ...]
    host_addresses: tuple[IPv4Address, ...] = ()
    #: Private places that an installation opens to user code (a package mirror of its own).
    reachable: tuple[IPv4Network, ...] = ()
    #: How many connections one container may have open: to this host, and to other places.
    connections_of_one: int

    @property
    def input_chain(self) -> str:
        return f"STUDIO-{self.platform}-IN"

    @property
    def output_chain(self) -> str:
        return f"STUDIO-{self.platform}-OUT"

    @property
    def forward_chain(self) -> str:
        return f"STUDIO-{self.platform}-FWD"

    @property
    def nat_chain(self) -> str:
        return f"STUDIO-{self.platform}-NAT"

    @property
    def bridges(self) -> tuple[str, ...]:
        """Docker's bridges that user code is on."""
        return (*self.app_bridges, *self.workspace_bridges)

    @property
    def local_resolvers(self) -> tuple[IPv4Address, ...]:
        return tuple(address for address in self.resolvers if address in self.host_addresses)


def build_interface(settings: Settings) -> str:
    """The host's end of the build engine's veth pair."""
    return f"{settings.platform}-bld"


def topology(settings: Settings) -> Topology:
    return Topology(
        platform=settings.platform,
        app_bridges=_bridges(settings, "runtime"),
        workspace_bridges=_bridges(settings, "workspace"),
        gateway_user=server_user(settings),
        service_address=settings.service_address,
        mongo_port=settings.ports.mongo,
        registry_port=settings.ports.registry,
        control_port=settings.ports.deploy_control,
        packages_port=settings.ports.verdaccio,
        git_port=settings.ports.gitea_ssh,
        build_interface=build_interface(settings),
        build_subnet=IPv4Network(f"{settings.build_gateway}/24", strict=False),
        resolvers=resolvers(),
        host_addresses=host_addresses(),
        reachable=tuple(IPv4Network(name) for name in settings.reachable_networks.split()),
        connections_of_one=settings.connections_of_one,
    )


def _bridges(settings: Settings, role: str) -> tuple[str, ...]:
    return tuple(node.bridge for node in settings.nodes if node.bridge and node.role == role)


def resolvers() -> tuple[IPv4Address, ...]:
    """The name servers that containers get, found the way Docker finds them."""
    for path in (Path("/etc/resolv.conf"), Path("/run/systemd/resolve/resolv.conf")):
        found = parse_resolvers(path.read_text()) if path.is_file() else ()
        if found:
            return found
    return (IPv4Address("8.8.8.8"), IPv4Address("8.8.4.4"))


def parse_resolvers(text: str) -> tuple[IPv4Address, ...]:
    """IPv4 name servers that are not loopback (a container's loopback is its own)."""
    found = []
    for line in text.splitlines():
        words = line.split()
        if len(words) >= 2 and words[0] == "nameserver":
            try:
                address = IPv4Address(words[1])
            except ValueError:
                continue
            if not address.is_loopback:
                found.append(address)
    return tuple(found)


def host_addresses() -> tuple[IPv4Address, ...]:
    return tuple(
        IPv4Address(address.address)
        for addresses in psutil.net_if_addrs().values()
        for address in addresses
        if address.family == socket.AF_INET
    )


def input_rules(t: Topology) -> list[str]:
    """From containers to this host: the named ports, answers, and nothing else."""
    rules = []
    service = f"-d {t.service_address} -p tcp"
    for interface, ports in [
        *((bridge, (t.mongo_port,)) for bridge in t.app_bridges),
        *((bridge, (t.packages_port, t.git_port)) for bridge in t.workspace_bridges),
        (t.build_interface, (t.registry_port, t.control_port, t.packages_port)),
    ]:
        rules.append(f"-i {interface} {ESTABLISHED} -j ACCEPT")
        rules += _limits(interface, _connections(t, interface))
        rules += [f"-i {interface} {service} --dport {port} -j ACCEPT" for port in ports]
        rules += _resolver_rules(interface, t.local_resolvers, "ACCEPT")
        rules.append(f"-i {interface} -j DROP")
    return rules


def output_rules(t: Topology) -> list[str]:
    """From this host to workspaces: the gateway and the platform's own processes (root) only.

    What listens there (VS Code, a dev server, a debugger) asks nobody who they are. Everybody on
    this host would get to it, and so would any web page in a browser here, by a name of its own
    that leads to the container's address.
    """
    rules = []
    for bridge in t.workspace_bridges:
        rules.append(f"-o {bridge} {ESTABLISHED} -j RETURN")
        rules += [
            f"-o {bridge} -m owner --uid-owner {user} -j RETURN"
            for user in ("root", t.gateway_user)
        ]
        rules.append(f"-o {bridge} -j DROP")
    return rules


def forward_rules(t: Topology) -> list[str]:
    """From containers to other places: name servers and public addresses, not to each other.

    What a bridge is allowed goes back to Docker's own rules (RETURN); the build engine's
    link is not Docker's, so it is accepted here. Only this host opens connections to either.
    """
    rules = []
    for interface, verdict in [
        *((bridge, "RETURN") for bridge in t.bridges),
        (t.build_interface, "ACCEPT"),
    ]:
        rules.append(f"-i {interface} {ESTABLISHED} -j {verdict}")
        rules.append(f"-o {interface} {ESTABLISHED} -j {verdict}")
        rules.append(f"-o {interface} -j DROP")
        rules += _limits(interface, _connections(t, interface))
        rules += _resolver_rules(interface, t.resolvers, verdict)
        rules += [f"-i {interface} -d {network} -j {verdict}" for network in t.reachable]
        rules += [f"-i {interface} -d {network} -j DROP" for network in PRIVATE]
        if verdict == "ACCEPT":
            rules.append(f"-i {interface} -j ACCEPT")
    return rules


def nat_rules(t: Topology) -> list[str]:
    return [f"-s {t.build_subnet} ! -o {t.build_interface} -j MASQUERADE"]


def _connections(t: Topology, interface: str) -> int:
    """How many one address behind this interface may have open."""
    return t.connections_of_one * (BUILDS_AT_ONCE if interface == t.build_interface else 1)


def _limits(interface: str, connections: int) -> list[str]:
    """Nothing new from an address that has as many open.

    Else one container could fill the host's table of connections, or a server's of open files, and
    nobody else would get through. Without TCP nothing is ever closed: each question to a resolver
    stays in the table for half a minute, so a busy app has many more of those.
    """

    def limit(protocol: str, most: int) -> str:
        count = f"--connlimit-above {most} --connlimit-mask 32 --connlimit-saddr"
        return f"-i {interface} {protocol} -m conntrack --ctstate NEW -m connlimit {count} -j DROP"

    return [limit("-p tcp", connections), limit("! -p tcp", OTHERS_THAN_TCP * connections)]


def _resolver_rules(
    interface: str, addresses: tuple[IPv4Address, ...], verdict: str, direction: str = "-i"
) -> list[str]:
    return [
        f"{direction} {interface} -d {address} -p {protocol} --dport 53 -j {verdict}"
        for address in addresses
        for protocol in ("udp", "tcp")
    ]


def build_namespace_rules(t: Topology) -> dict[str, list[str]]:
    """Inside the build engine's namespace, by chain. Its only way out is ``eth0``."""
    own = [
        f"-o eth0 -d {t.service_address} -p tcp --dport {port} -j RETURN"
        for port in (t.registry_port, t.control_port)
    ]
    private = [f"-o eth0 -d {network} -j DROP" for network in PRIVATE]
    packages = f"-o eth0 -d {t.service_address} -p tcp --dport {t.packages_port} -j RETURN"
    names = _resolver_rules("eth0", t.resolvers, "RETURN", "-o")
    names += [f"-o eth0 -d {network} -j RETURN" for network in t.reachable]
    return {
        "STUDIO-BUILD-IN": [f"{ESTABLISHED} -j RETURN", "-i lo -j RETURN", "-j DROP"],
        # dockerd itself, which also fetches what `ADD https://…` names.
        "STUDIO-BUILD-OUT": [f"-o eth0 {ESTABLISHED} -j RETURN", *own, *names, *private],
        # RUN steps: forwarded. `! -o eth0` is another step's container.
        "STUDIO-BUILD-FWD": [
            f"{ESTABLISHED} -j RETURN",
            "! -o eth0 -j DROP",
            # Here each step has its own address still.
            *_limits("docker0", t.connections_of_one),
            packages,
            *names,
            *private,
        ],
    }


def restore_text(table: str, chains: dict[str, list[str]]) -> str:
    """Input of ``iptables-restore --noflush``: a chain that is declared is emptied first."""
    lines = [f"*{table}", *(f":{chain} - [0:0]" for chain in chains)]
    lines += [f"-A {chain} {rule}" for chain, rules in chains.items() for rule in rules]
    return "\n".join([*lines, "COMMIT", ""])


def host_text(t: Topology) -> str:
    return restore_text(
        "filter",
        {
            t.input_chain: input_rules(t),
            t.output_chain: output_rules(t),
            t.forward_chain: forward_rules(t),
        },
    ) + restore_text("nat", {t.nat_chain: nat_rules(t)})


def host_jumps(t: Topology) -> list[tuple[str, str, str]]:
    """(table, from, to); the jumps stand first in the chain they leave from."""
    return [
        ("filter", "INPUT", t.input_chain),
        ("filter", "OUTPUT", t.output_chain),
        ("filter", "DOCKER-USER", t.forward_chain),
        ("nat", "POSTROUTING", t.nat_chain),
    ]


BUILD_JUMPS = [
    ("filter", "INPUT", "STUDIO-BUILD-IN"),
    ("filter", "OUTPUT", "STUDIO-BUILD-OUT"),
    ("filter", "DOCKER-USER", "STUDIO-BUILD-FWD"),
]


def apply(settings: Settings) -> None:
    """Puts all rules in place; safe at any time, also before and after Docker starts."""
    t = topology(settings)
    _ensure_docker_user(())
    run(["iptables-restore", "--wait", "--noflush"], stdin=host_text(t))
    for jump in host_jumps(t):
        _ensure_jump((), jump)
    inside = ("nsenter", f"--net=/run/netns/{settings.build_netns}")
    _ensure_docker_user(inside)
    text = restore_text("filter", build_namespace_rules(t))
    run([*inside, "iptables-restore", "--wait", "--noflush"], stdin=text)
    for jump in BUILD_JUMPS:
        _ensure_jump(inside, jump)


def remove(settings: Settings) -> None:
    """Takes our chains away (the namespace's go with the namespace)."""
    for table, source, target in host_jumps(topology(settings)):
        while attempt(["iptables", "-w", "-t", table, "-D", source, "-j", target]).returncode == 0:
            pass
        for action in ("-F", "-X"):
            attempt(["iptables", "-w", "-t", table, action, target])


def _ensure_docker_user(prefix: tuple[str, ...]) -> None:
    """Docker makes this chain and puts it first; before its first start we do the same."""
    iptables = [*prefix, "iptables", "-w"]
    if attempt([*iptables, "-S", "DOCKER-USER"]).returncode != 0:
        attempt([*iptables, "-N", "DOCKER-USER"])
    if attempt([*iptables, "-C", "FORWARD", "-j", "DOCKER-USER"]).returncode != 0:
        run([*iptables, "-I", "FORWARD", "-j", "DOCKER-USER"])


def _ensure_jump(prefix: tuple[str, ...], jump: tuple[str, str, str]) -> None:
    table, source, target = jump
    iptables = [*prefix, "iptables", "-w", "-t", table]
    if attempt([*iptables, "-C", source, "-j", target]).returncode != 0:
        run([*iptables, "-I", source, "1", "-j", target])
