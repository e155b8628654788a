"""The map of troubles: what people see, and which hops of that path are looked at, in order.

Only data: what each hop is checked by is in ``api/entry/doctor.py``. A hop whose ``needs`` are not
all well is skipped, since nothing could be said of it. The studio's page says titles and next steps
in its languages, by a hop's key: ``api/studio/src/messages/*/doctor.ts``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Symptom(StrEnum):
    EDITOR = "editor-does-not-open"
    PREVIEW = "preview-blank"
    PENDING = "deployment-pending"
    FAILED = "deployment-failed"
    UNREACHABLE = "app-not-reachable"
    DATA = "data-missing"
    ANYTHING = "anything"


LOOK_AT_LOG = "look at $STUDIO_HOME/logs/{program}.log, then run ops/up"


@dataclass(frozen=True)
class Hop:
    """``host`` is the number of DESIGN's table.

    When it is red, the ``log`` of a program tells more, or ``advice`` says what to do; not both.
    """

    title: str
    host: str
    needs: tuple[str, ...]
    advice: str = ""
    log: str = ""

    @property
    def next_step(self) -> str:
        return LOOK_AT_LOG.format(program=self.log) if self.log else self.advice


HOPS: Mapping[str, Hop] = {
    "nginx": Hop("nginx of the entry", "91", (), log="nginx"),
    "api": Hop("API", "91", (), log="api"),
    "mariadb": Hop("MariaDB, the records", "91", (), log="mariadb"),
    "temporal": Hop("Temporal server", "100", (), log="temporal"),
    "control": Hop("deploy control's service", "100", (), log="control"),
    "control-queue": Hop(
        "control worker polls its queue", "100", ("temporal", "control"), log="control"
    ),
    "gitea": Hop("Gitea", "103", (), log="gitea"),
    "registry": Hop("image registry", "103", (), log="registry"),
    "verdaccio": Hop("package cache", "87", (), log="verdaccio"),
    # --- workspaces ---
    "workspace-agent": Hop("worker and agent of the workspace host", "87", (), log="workspace-87"),
    "workspace-docker": Hop(
        "Docker engine of the workspace host", "87", ("workspace-agent",), log="docker"
    ),
    "workspace-node": Hop(
        "heartbeat of the workspace host",
        "87",
        ("mariadb", "control-queue", "workspace-agent", "workspace-docker"),
        "see `studio nodes`; its workflow at Temporal tells why",
    ),
    "workspace-queue": Hop(
        "workspace worker polls its queue",
        "87",
        ("temporal", "workspace-agent"),
        log="workspace-87",
    ),
    "workspace-nginx": Hop("nginx of the workspace host", "87", (), log="nginx-workspace-87"),
    "workspace": Hop(
        "the user's workspace", "87", ("mariadb",), "open the app's page in the studio once more"
    ),
    "workspace-container": Hop(
        "the workspace's container",
        "87",
        ("workspace-docker", "workspace"),
        "close the workspace and open it again",
    ),
    "run": Hop("the dev server's run", "87", ("workspace",), "start it: `studio run dev`"),
    "preview": Hop(
        "the dev server listens",
        "87",
        ("workspace-container", "run"),
        "it has to listen on 0.0.0.0 and the port PORT; see its log",
    ),
    # --- building ---
    "runner-node": Hop(
        "heartbeat of a runner", "101", ("mariadb", "control-queue"), log="runner-101"
    ),
    "build-engine": Hop("build engine", "101", ("runner-node",), log="build-engine"),
    "runner-queue": Hop(
        "runner polls the queue of builds", "101", ("temporal", "runner-node"), log="runner-101"
    ),
    "runner-slot": Hop(
        "a build slot is free", "101", ("runner-node",), "wait, or add a runner: ops/up --runners 2"
    ),
    # --- running ---
    "runtime-agent": Hop(
        "worker and agent of the app host", "102", ("control",), log="runtime-102"
    ),
    "runtime-docker": Hop("Docker engine of the app host", "102", ("runtime-agent",), log="docker"),
    "runtime-node": Hop(
        "heartbeat of the app host",
        "102",
        ("mariadb", "control-queue", "runtime-agent", "runtime-docker"),
        "see `studio nodes`; its workflow at Temporal tells why",
    ),
    "runtime-queue": Hop(
        "app host's worker polls its queue",
        "102",
        ("temporal", "runtime-agent"),
        log="runtime-102",
    ),
    "traefik": Hop("Traefik, the gateway of the app host", "102", (), log="traefik-runtime-102"),
    "app": Hop("the app's record", "91", ("mariadb",), "deploy the app, or start it"),
    "route": Hop(
        "the app's route file",
        "102",
        ("app", "runtime-agent"),
        "it is repaired within 10 s; else redeploy",
    ),
    "container": Hop(
        "the app's container", "102", ("app", "runtime-docker"), "see `studio logs`; then redeploy"
    ),
    "address": Hop(
        "the app answers at its container's address",
        "102",
        ("container", "route"),
        "see `studio logs`: it does not listen on PORT, or hangs",
    ),
    "public": Hop(
        "the app answers at its public URL",
        "91",
        ("nginx", "api", "mariadb", "traefik", "address"),
        "the hop before answers, so the route's name or nginx is at fault: run ops/up",
    ),
    "last-deployment": Hop(
        "the app's last deployment",
        "100",
        ("mariadb",),
        "see what it says, fix it, and deploy again",
    ),
    # --- data ---
    "postgresql": Hop("PostgreSQL, under the app data", "mongo", ("control",), log="postgresql"),
    "mongo": Hop("MongoDB server", "mongo", ("control", "postgresql"), log="mongo"),
    "database": Hop(
        "the app's own database",
        "mongo",
        ("app", "mongo"),
        "deploy the app once: that makes its database; data of the workspace is another one",
    ),
}

_FRONT = ("nginx", "api", "mariadb")
_CONTROL = ("temporal", "control", "control-queue")
_WORKSPACE = ("workspace-agent", "workspace-docker", "workspace-node", "workspace-queue")
_RUNNER = ("runner-node", "build-engine", "runner-queue", "runner-slot")
_RUNTIME = ("runtime-agent", "runtime-docker", "runtime-node", "runtime-queue")

PATHS: Mapping[Symptom, tuple[str, ...]] = {
    Symptom.EDITOR: (*_FRONT, *_CONTROL, *_WORKSPACE, "gitea", "workspace", "workspace-container"),
    Symptom.PREVIEW: (
        *_FRONT,
        *_CONTROL,
        *_WORKSPACE,
        "workspace-nginx",
        "verdaccio",
        "workspace",
        "workspace-container",
        "run",
        "preview",
    ),
    Symptom.PENDING: (*_FRONT, *_CONTROL, *_RUNNER, *_RUNTIME, "last-deployment"),
    Symptom.FAILED: (
        *_FRONT,
        *_CONTROL,
        *_RUNNER,
        "gitea",
        "verdaccio",
        "registry",
        *_RUNTIME,
        "postgresql",
        "mongo",
        "traefik",
        "last-deployment",
    ),
    Symptom.UNREACHABLE: (
        *_FRONT,
        "app",
        "control",
        "runtime-agent",
        "runtime-docker",
        "traefik",
        "route",
        "container",
        "address",
        "public",
    ),
    Symptom.DATA: (*_FRONT, "app", "control", "postgresql", "mongo", "database"),
    Symptom.ANYTHING: tuple(HOPS),
}
