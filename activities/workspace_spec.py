"""What a workspace's container is, as a value; executed in ``activities/workspace.py``."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from activities.container_spec import UNPRIVILEGED, ContainerSpec, Labels
from activities.contracts.workspace import EnsureWorkspaceInput
from ops.names import workspace_container
from ops.settings import Node, Settings

SPEC_LABEL = "studio.spec"
MONGO_LABEL = "studio.mongo"

WORKSPACE = "/workspace"
MONGO_SERVER = "/opt/studio/mongo-server"
CODE_SERVER = "/opt/studio/code-server"
MONGO_URI = "mongodb://127.0.0.1:27017/dev"
#: With the container's main process it ends; when it ends by itself, it is started again.
MONGO_SCRIPT = f"""
mkdir -p {WORKSPACE}/.studio/mongo
while :; do
    {MONGO_SERVER} -listen 127.0.0.1:27017 -sqlite-folder {WORKSPACE}/.studio/mongo \\
        > {WORKSPACE}/.studio/mongo.log 2>&1
    sleep 1
done &
exec sleep infinity
"""


class WorkspaceSpec(ContainerSpec):
    """All that ``docker create`` is told of a workspace's container."""

    command: list[str]
    binds: list[str]

    def host_config(self) -> dict[str, Any]:
        return super().host_config() | {"binds": self.binds}

    @property
    def key(self) -> str:
        """Changes with anything that only a new container can have."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:16]

    def all_labels(self) -> dict[str, str]:
        return self.labels | {SPEC_LABEL: self.key}


def workspace_spec(
    settings: Settings,
    node: Node,
    given: EnsureWorkspaceInput,
    *,
    image_id: str,
    disk: Path,
    agent: Path,
    mongo_server: Path,
    code_server: Path | None,
) -> WorkspaceSpec:
    """The container of one user; ``disk`` and ``agent`` are the user's own folders on the host.

    ``code_server`` is None where it is not installed.
    """
    if node.bridge is None or node.role != "workspace":
        raise ValueError(f"{node.node_id} holds no workspaces")
    if not 0 <= given.slot < settings.workspace_slots:
        raise ValueError(f"there is no slot {given.slot}")
    binds = [
        f"{disk}:{WORKSPACE}",
        f"{agent}:/run/studio:ro",
        f"{settings.container_etc}:/etc/studio:ro",
    ]
    if code_server is not None:
        binds.append(f"{code_server}:{CODE_SERVER}:ro")
    environment = {}
    command = ["sleep", "infinity"]
    if given.dev_mongo:
        binds.append(f"{mongo_server}:{MONGO_SERVER}:ro")
        environment["MONGODB_URI"] = SecretStr(MONGO_URI)
        command = ["sh", "-c", MONGO_SCRIPT]
    return WorkspaceSpec(
        name=settings.name_prefix + workspace_container(given.user_id),
        image=image_id,
        user=UNPRIVILEGED,
        environment=environment,
        labels={
            Labels.PLATFORM: settings.platform,
            Labels.NODE: node.node_id,
            Labels.KIND: "workspace",
            Labels.USER: str(given.user_id),
            MONGO_LABEL: "on" if given.dev_mongo else "off",
        },
        network=node.bridge,
        address=str(node.slot_address(given.slot)),
        memory_bytes=settings.workspace_memory_mb * 1024 * 1024,
        nano_cpus=int(settings.workspace_cpus * 1_000_000_000),
        pids=settings.workspace_pids,
        command=command,
        binds=binds,
    )


def must_be_replaced(labels: dict[str, str], running: bool, spec: WorkspaceSpec) -> bool:
    """Whether a container that is there has to give way to a new one.

    What runs in it would end, so a running one only does for what its user asked for.
    """
    if not running:
        return labels.get(SPEC_LABEL) != spec.key
    return labels.get(MONGO_LABEL) != spec.labels[MONGO_LABEL]


def git_identity(email: str) -> str:
    """The first ``~/.gitconfig``: the name and address that commits get until the user sets others."""
    name = email.partition("@")[0] or email
    return f"[user]\n\tname = {_quoted(name)}\n\temail = {_quoted(email)}\n"


def _quoted(value: str) -> str:
    """A value of Git's configuration: quotes and backslashes escaped, control characters left out."""
    text = "".join(character for character in value if character.isprintable())
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
