"""The throw-away container that fetches a stranger's repository, as a value, and what it answers.

It holds nothing of anybody's: an empty folder in memory, and the socket of an agent that may push to
its user's repositories. What it reaches is what workspaces reach: public addresses.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from activities.container_spec import UNPRIVILEGED, ContainerSpec, Labels
from activities.contracts.imports import ImportInput
from ops.error_codes import ErrorCode
from ops.errors import Invalid, NodeUnavailable, StudioError
from ops.gitea import workspace_url
from ops.logtext import plain
from ops.names import import_container
from ops.settings import Node, Settings

FOLDER = "/import"
MEMORY_BYTES = 1024 * 1024 * 1024
PIDS = 128
FIRST_ADDRESS = 2048
"""Beyond every workspace's own."""
PLACES = 2
KIND = "import"
CA_FILE = "/etc/import-ca.pem"

TIMED_OUT = 124
"""What ``timeout`` answers with."""

FETCH, TOO_SLOW, TOO_LARGE, EMPTY, PUSH = 10, 11, 12, 13, 14

_REFUSALS = (
    (re.compile(r"could not read Username|Authentication failed"), ErrorCode.IMPORT_NOT_PUBLIC),
    (re.compile(r"repository '.*' not found"), ErrorCode.IMPORT_MISSING),
    (
        re.compile(r"Failed to connect|Couldn't connect|Connection (refused|timed out|reset)"),
        ErrorCode.IMPORT_UNREACHABLE,
    ),
)
"""What Git says last, in the one language that the container has."""

#: url, where its name leads, the app's repository, seconds, CA file (or ""). Nothing of the fetched
#: repository is checked out, so that nothing of it is ever run; submodules are not looked at.
SCRIPT = f"""
url=$1 leads=$2 target=$3 seconds=$4 ca=$5
cd {FOLDER} || exit {FETCH}
export HOME={FOLDER} GIT_TERMINAL_PROMPT=0 LC_ALL=C.UTF-8
git init --quiet --bare --template= r.git || exit {FETCH}
remote() {{
    GIT_ALLOW_PROTOCOL=https timeout -k 2 "$seconds" git -C r.git \\
        -c http.followRedirects=false -c "http.curloptResolve=$leads" ${{ca:+-c "http.sslCAInfo=$ca"}} \\
        "$@"
}}
for from in "$url" "$url.git"; do
    remote fetch --quiet --no-tags "$from" +HEAD:refs/heads/main
    code=$?
    [ $code = 0 ] && break
    [ $code = 124 ] && exit {TOO_SLOW}
    [ "$(df --output=avail -k . | tail -n 1)" -lt 2048 ] && exit {TOO_LARGE}
    remote ls-remote --quiet --exit-code "$from" > /dev/null 2>&1
    [ $? = 2 ] && exit {EMPTY}
    case $url in *.git) break ;; esac
done
[ $code = 0 ] || exit {FETCH}
GIT_ALLOW_PROTOCOL=ssh timeout -k 2 "$seconds" git -C r.git push --quiet "$target" main:main || exit {PUSH}
git -C r.git rev-parse main
"""


class ImportSpec(ContainerSpec):
    command: list[str]
    binds: list[str]
    tmpfs: dict[str, str]

    def host_config(self) -> dict[str, Any]:
        more = {"binds": self.binds, "tmpfs": self.tmpfs, "read_only": True}
        return super().host_config() | more


def import_spec(
    settings: Settings,
    node: Node,
    given: ImportInput,
    *,
    image_id: str,
    agent: Path,
    place: int,
    address: IPv4Address,
) -> ImportSpec:
    """``place`` is one of ``PLACES``; ``address`` is what the URL's host was found to be."""
    if node.bridge is None or node.subnet is None or node.role != "workspace":
        raise ValueError(f"{node.node_id} holds no workspaces")
    parts = urlsplit(given.git_url)
    binds = [f"{agent}:/run/studio:ro", f"{settings.container_etc}:/etc/studio:ro"]
    if settings.import_ca is not None:
        binds.append(f"{settings.import_ca}:{CA_FILE}:ro")
    return ImportSpec(
        name=settings.name_prefix + import_container(given.app_id),
        image=image_id,
        user=UNPRIVILEGED,
        environment={},
        labels={
            Labels.PLATFORM: settings.platform,
            Labels.NODE: node.node_id,
            Labels.KIND: KIND,
            Labels.APP: str(given.app_id),
            Labels.USER: str(given.user_id),
        },
        network=node.bridge,
        address=str(node.subnet.network_address + FIRST_ADDRESS + place),
        memory_bytes=MEMORY_BYTES,
        nano_cpus=1_000_000_000,
        pids=PIDS,
        command=[
            *("timeout", "--kill-after=2", f"{whole_seconds(settings):g}"),
            *("sh", "-c", SCRIPT, "import", given.git_url),
            f"{parts.hostname}:{parts.port or 443}:{address}",
            workspace_url(settings, given.repository),
            f"{settings.import_seconds:g}",
            CA_FILE if settings.import_ca is not None else "",
        ],
        binds=binds,
        tmpfs={FOLDER: f"size={settings.import_mb}m,uid=1000,gid=1000,mode=700"},
    )


def whole_seconds(settings: Settings) -> float:
    """For all that the container does: the fetch, a second look at the server, and the push."""
    return 2 * settings.import_seconds


def public_address(addresses: list[str], host: str) -> IPv4Address:
    """Where the host is. Raises Invalid unless every address that its name has is a public one."""
    found = [ip_address(address) for address in addresses]
    if not found:
        raise Invalid(
            f"there is no host {host}",
            code=ErrorCode.IMPORT_NO_HOST,
            values={"host": host},
            field="git_url",
            hint="look at the address again",
        )
    if not all(address.is_global and not address.is_multicast for address in found):
        raise Invalid(
            f"{host} is not on the public internet",
            code=ErrorCode.IMPORT_INSIDE,
            values={"host": host},
            field="git_url",
            hint="push to the app instead",
        )
    for address in found:
        if isinstance(address, IPv4Address):
            return address
    raise Invalid(
        f"{host} has no IPv4 address",
        code=ErrorCode.IMPORT_NO_IPV4,
        values={"host": host},
        field="git_url",
    )


def explained(settings: Settings, code: int, said: list[str]) -> StudioError:
    """What a container that did not end well is told as; ``said`` is its last lines."""
    by_hand = "push it to the app yourself"
    if code in (TOO_SLOW, TIMED_OUT):
        return Invalid(
            f"the repository could not be fetched within {settings.import_seconds:g} s",
            code=ErrorCode.IMPORT_TOO_SLOW,
            values={"seconds": settings.import_seconds},
            field="git_url",
            hint=by_hand,
        )
    if code == TOO_LARGE:
        return Invalid(
            f"the repository is larger than {settings.import_mb} MB",
            code=ErrorCode.IMPORT_TOO_LARGE,
            values={"limit": settings.import_mb},
            field="git_url",
            hint=by_hand,
        )
    if code == EMPTY:
        return Invalid("the repository is empty", code=ErrorCode.IMPORT_EMPTY, field="git_url")
    if code == FETCH:
        return _not_fetched(plain(" ".join(said[-1:]))[:300])
    if code == PUSH:
        return NodeUnavailable(
            "the app's own repository did not take it", code=ErrorCode.IMPORT_NOT_TAKEN
        )
    return NodeUnavailable("the container that fetched it was ended", code=ErrorCode.IMPORT_ENDED)


def _not_fetched(line: str) -> Invalid:
    """The server that was asked has a say in the line."""
    known = (code for pattern, code in _REFUSALS if pattern.search(line))
    other = ErrorCode.IMPORT_REFUSED if line else ErrorCode.IMPORT_NOT_PUBLIC
    return Invalid(
        "the repository could not be fetched",
        code=next(known, other),
        values={"why": line},
        field="git_url",
        hint=line or "is it public?",
    )
