"""The firewall's rules, judged by what they do to packets."""

from __future__ import annotations

import os
import subprocess
from ipaddress import IPv4Address, IPv4Network

import pytest

from ops.names import CODE_PORT, DEV_PORT
from ops.settings import Settings
from ops.stack import firewall, workspace_files
from ops.stack.firewall import Topology

RESOLVER = IPv4Address("10.255.255.53")
PUBLIC = "203.0.113.80"


def topology(**changes: object) -> Topology:
    values = {
        "platform": "studio",
        "app_bridges": ("studio-rt1", "studio-rt2"),
        "service_address": IPv4Address("172.28.255.1"),
        "mongo_port": 27017,
        "registry_port": 5000,
        "control_port": 7002,
        "packages_port": 4873,
        "git_port": 2222,
        "workspace_bridges": ("studio-ws1", "studio-ws2"),
        "gateway_user": "studio-srv",
        "build_interface": "studio-bld",
        "build_subnet": IPv4Network("172.28.254.0/24"),
        "resolvers": (RESOLVER,),
        "host_addresses": (IPv4Address("192.0.2.2"),),
        "connections_of_one": 2000,
    }
    return Topology.model_validate({**values, **changes})


def verdict(
    rules: list[str],
    *,
    source: str = "",
    target: str = "",
    to: str = PUBLIC,
    port: int = 443,
    protocol: str = "tcp",
    established: bool = False,
    user: str = "",
    connections: int = 1,
) -> str:
    """What a chain says of a packet: a small reading of the options that our rules use.

    ``connections`` are those of its source, with the one that it opens.
    """
    for rule in rules:
        words = rule.split()
        matches = True
        negated = False
        while words:
            option = words.pop(0)
            if option == "!":
                negated = True
                continue
            if option == "--connlimit-saddr":
                continue
            value = words.pop(0)
            if option == "-i":
                hit = value == source
            elif option == "-o":
                hit = value == target
            elif option == "-d":
                hit = IPv4Address(to) in IPv4Network(value)
            elif option == "-p":
                hit = value == protocol
            elif option == "--dport":
                hit = int(value) == port
            elif option == "--uid-owner":
                hit = value == user
            elif option == "--ctstate":
                hit = established != (value == "NEW")
            elif option == "--connlimit-above":
                hit = connections > int(value)
            elif option == "--connlimit-mask":
                hit = value == "32"
            elif option == "-m":
                hit = True
            elif option == "-j":
                if matches:
                    return value
                break
            else:
                pytest.fail(f"an option that this test does not know: {option}")
            matches = matches and (hit != negated)
            negated = False
    return "none"


@pytest.mark.parametrize("bridge", ["studio-rt1", "studio-rt2"])
def test_an_app_reaches_the_mongo_server_of_the_host_and_nothing_else(bridge: str) -> None:
    rules = firewall.input_rules(topology())
    assert verdict(rules, source=bridge, to="172.28.255.1", port=27017) == "ACCEPT"
    for port in (22, 2222, 3000, 3306, 4873, 5000, 7001, 7002, 8000):
        assert verdict(rules, source=bridge, to="172.28.255.1", port=port) == "DROP"
    assert verdict(rules, source=bridge, to="192.0.2.2", port=27017) == "DROP"
    assert verdict(rules, source=bridge, to=str(RESOLVER), port=53) == "DROP"
    assert verdict(rules, source=bridge, established=True) == "ACCEPT"


@pytest.mark.parametrize("bridge", ["studio-ws1", "studio-ws2"])
def test_a_workspace_reaches_packages_and_git_of_the_host_and_nothing_else(bridge: str) -> None:
    rules = firewall.input_rules(topology())
    for port in (4873, 2222):
        assert verdict(rules, source=bridge, to="172.28.255.1", port=port) == "ACCEPT"
        for elsewhere in ("127.0.0.1", "192.0.2.2", "172.28.64.1"):
            assert verdict(rules, source=bridge, to=elsewhere, port=port) == "DROP"
        assert verdict(rules, source=bridge, to="172.28.255.1", port=port, protocol="udp") == "DROP"
    for port in (22, 3000, 3306, 5000, 7001, 7002, 7005, 7233, 8000, 8080, 8087, 27017):
        assert verdict(rules, source=bridge, to="172.28.255.1", port=port) == "DROP"


def test_every_bridge_of_user_code_is_shut() -> None:
    """No node's bridge is forgotten: without rules it would reach all of the host."""
    settings = Settings(workspaces=2, runtimes=2)
    t = firewall.topology(settings)
    bridges = {node.bridge for node in settings.nodes if node.bridge}
    assert len(bridges) == 4
    for bridge in bridges:
        assert f"-i {bridge} -j DROP" in firewall.input_rules(t)
        assert f"-o {bridge} -j DROP" in firewall.forward_rules(t)


def test_the_build_engine_reaches_registry_and_deploy_control_of_the_host() -> None:
    rules = firewall.input_rules(topology())
    for port in (5000, 7002, 4873):
        assert verdict(rules, source="studio-bld", to="172.28.255.1", port=port) == "ACCEPT"
    for port in (22, 3000, 3306, 8000, 27017):
        assert verdict(rules, source="studio-bld", to="172.28.255.1", port=port) == "DROP"


def test_other_traffic_to_the_host_is_none_of_our_business() -> None:
    assert verdict(firewall.input_rules(topology()), source="eth0", port=22) == "none"


def test_a_name_server_on_the_host_itself_is_reachable() -> None:
    rules = firewall.input_rules(topology(resolvers=(IPv4Address("192.0.2.2"),)))
    assert verdict(rules, source="studio-rt1", to="192.0.2.2", port=53, protocol="udp") == "ACCEPT"
    assert verdict(rules, source="studio-rt1", to="192.0.2.2", port=54, protocol="udp") == "DROP"


@pytest.mark.parametrize(
    "private",
    ["10.0.0.7", "100.64.1.1", "169.254.169.254", "172.17.0.2", "192.168.1.1", "224.0.0.1"],
)
def test_user_code_reaches_no_private_address(private: str) -> None:
    rules = firewall.forward_rules(topology())
    for source in ("studio-rt1", "studio-ws1", "studio-bld"):
        assert verdict(rules, source=source, target="eth0", to=private) == "DROP"
    inside = firewall.build_namespace_rules(topology())
    assert (
        verdict(inside["STUDIO-BUILD-FWD"], source="docker0", target="eth0", to=private) == "DROP"
    )
    assert verdict(inside["STUDIO-BUILD-OUT"], target="eth0", to=private) == "DROP"


def test_user_code_reaches_public_addresses_and_the_name_server() -> None:
    rules = firewall.forward_rules(topology())
    assert verdict(rules, source="studio-rt1", target="eth0") == "none"
    assert verdict(rules, source="studio-ws1", target="eth0") == "none"
    assert verdict(rules, source="studio-bld", target="eth0") == "ACCEPT"
    for source, good in (("studio-rt1", "RETURN"), ("studio-bld", "ACCEPT")):
        name = verdict(
            rules, source=source, target="eth0", to=str(RESOLVER), port=53, protocol="udp"
        )
        assert name == good
        assert verdict(rules, source=source, target="eth0", to=str(RESOLVER), port=80) == "DROP"


@pytest.mark.parametrize(
    ("source", "limit"),
    [("studio-rt1", 2000), ("studio-rt2", 2000), ("studio-ws1", 2000), ("studio-bld", 8000)],
)
def test_nobody_takes_all_connections(source: str, limit: int) -> None:
    """Of the host and of the servers that user code reaches: what is open goes on, nothing new."""
    t = topology()
    port = {"studio-rt": t.mongo_port, "studio-ws": t.git_port}.get(source[:-1], t.registry_port)
    incoming, forwarded = firewall.input_rules(t), firewall.forward_rules(t)
    service = str(t.service_address)
    assert verdict(incoming, source=source, to=service, port=port, connections=limit) == "ACCEPT"
    assert verdict(forwarded, source=source, target="eth0", connections=limit) != "DROP"
    for to, number in ((PUBLIC, 443), (str(RESOLVER), 53)):
        found = verdict(
            forwarded, source=source, target="eth0", to=to, port=number, connections=limit + 1
        )
        assert found == "DROP"
    assert verdict(incoming, source=source, to=service, port=port, connections=limit + 1) == "DROP"
    for rules in (incoming, forwarded):
        assert verdict(rules, source=source, established=True, connections=limit + 1) != "DROP"
    assert verdict(forwarded, source="eth0", target="eth1", connections=10**6) == "none"


def test_no_step_of_a_build_takes_the_connections_of_all_builds() -> None:
    forward = firewall.build_namespace_rules(topology())["STUDIO-BUILD-FWD"]
    for connections, found in ((2000, "none"), (2001, "DROP")):
        asked = verdict(forward, source="docker0", target="eth0", connections=connections)
        assert asked == found


def test_nobody_but_the_host_opens_connections_to_user_code() -> None:
    rules = firewall.forward_rules(topology())
    for target in ("studio-rt1", "studio-rt2", "studio-ws1", "studio-bld"):
        for source in ("eth0", "docker0", "studio-rt1", "studio-ws1", "studio-ws2", "studio-bld"):
            assert verdict(rules, source=source, target=target, to="172.28.0.9") == "DROP"
        assert verdict(rules, source="eth0", target=target, established=True) != "DROP"


@pytest.mark.parametrize("bridge", ["studio-ws1", "studio-ws2"])
def test_of_this_host_only_the_gateway_and_the_platform_open_connections_to_workspaces(
    bridge: str,
) -> None:
    """Nothing that listens in one asks who comes, and a web page can lead a browser to it."""
    rules = firewall.output_rules(topology())
    for port in (CODE_PORT, DEV_PORT, 9229):
        for user in ("somebody", "studio-git", ""):
            assert verdict(rules, target=bridge, user=user, port=port) == "DROP"
        for user in ("studio-srv", "root"):
            assert verdict(rules, target=bridge, user=user, port=port) == "RETURN"
    # The answers to what a container asked for belong to a socket of anybody's, or to none.
    assert verdict(rules, target=bridge, established=True) == "RETURN"
    for elsewhere in ("lo", "eth0", "studio-rt1"):
        assert verdict(rules, target=elsewhere, user="somebody") == "none"


def test_the_gateway_runs_as_the_user_that_is_let_through() -> None:
    settings = Settings(platform="other")
    t = firewall.topology(settings)
    gateway = workspace_files.gateway_config(settings, settings.node("workspace-87"))
    assert f"\nuser {t.gateway_user};" in gateway
    assert ("filter", "OUTPUT", t.output_chain) in firewall.host_jumps(t)


def test_run_steps_reach_packages_but_neither_the_registry_nor_each_other() -> None:
    chains = firewall.build_namespace_rules(topology())
    service = "172.28.255.1"
    out, forward = chains["STUDIO-BUILD-OUT"], chains["STUDIO-BUILD-FWD"]
    assert verdict(out, target="eth0", to=service, port=5000) == "RETURN"
    assert verdict(out, target="eth0", to=service, port=8000) == "DROP"
    assert verdict(forward, source="docker0", target="eth0", to=service, port=4873) == "RETURN"
    assert verdict(out, target="eth0", to=service, port=4873) == "DROP"
    assert verdict(forward, source="docker0", target="eth0", to=service, port=5000) == "DROP"
    assert verdict(forward, source="docker0", target="eth0", to=service, port=2222) == "DROP"
    assert verdict(forward, source="docker0", target="docker0", to="172.17.0.3") == "DROP"
    assert verdict(forward, source="docker0", target="eth0") == "none"


def test_an_installation_may_open_a_private_network() -> None:
    mirror = topology(reachable=(IPv4Network("10.1.0.0/16"),))
    rules = firewall.forward_rules(mirror)
    assert verdict(rules, source="studio-rt1", target="eth0", to="10.1.2.3") == "RETURN"
    assert verdict(rules, source="studio-bld", target="eth0", to="10.1.2.3") == "ACCEPT"
    assert verdict(rules, source="studio-bld", target="eth0", to="10.2.0.1") == "DROP"
    inside = firewall.build_namespace_rules(mirror)["STUDIO-BUILD-FWD"]
    assert verdict(inside, source="docker0", target="eth0", to="10.1.2.3") == "RETURN"


def test_names_fit_and_platforms_do_not_share_chains() -> None:
    longest = Settings(platform="abcdefghij", runtimes=4, workspaces=4)
    t = firewall.topology(longest)
    for name in (t.input_chain, t.output_chain, t.forward_chain, t.nat_chain):
        assert len(name) <= 28
    for name in (*t.bridges, t.build_interface, longest.service_interface):
        assert len(name) <= 15
    one = {jump[2] for jump in firewall.host_jumps(topology())}
    other = {jump[2] for jump in firewall.host_jumps(topology(platform="studiotest"))}
    assert not one & other


def test_the_text_declares_each_chain_before_it_fills_it() -> None:
    lines = firewall.host_text(topology()).splitlines()
    declared: set[str] = set()
    for line in lines:
        if line.startswith(":"):
            declared.add(line.split()[0][1:])
        elif line.startswith("-A"):
            assert line.split()[1] in declared
    assert lines.count("COMMIT") == 2


@pytest.mark.skipif(os.geteuid() != 0, reason="asks the kernel, in a namespace of its own")
def test_the_kernel_takes_the_rules() -> None:
    # Its user is made by ops/up.
    t = topology(gateway_user="root")
    inside = firewall.restore_text("filter", firewall.build_namespace_rules(t))
    for text in (firewall.host_text(t), inside):
        asked = ["unshare", "--net", "iptables-restore", "--test", "--noflush"]
        done = subprocess.run(asked, input=text, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("nameserver 10.0.0.1\nsearch example.com\nnameserver 1.1.1.1", ["10.0.0.1", "1.1.1.1"]),
        ("nameserver 127.0.0.53\noptions edns0", []),
        ("nameserver fe80::1%eth0\nnameserver 2001:db8::1", []),
        ("# nameserver 9.9.9.9\nnameserver", []),
    ],
)
def test_resolvers_are_read_as_docker_reads_them(text: str, found: list[str]) -> None:
    assert [str(address) for address in firewall.parse_resolvers(text)] == found
