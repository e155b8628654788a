"""The names of an app's things, one function each: the name is what is searched for."""

from __future__ import annotations

import re

_REPOSITORY = re.compile(r"u([0-9]{1,18})-app([0-9]{1,18})")


def app_container(app_id: int, release_id: int) -> str:
    """Name of a release's container; an implementation adds ``Settings.name_prefix``."""
    return f"app-{app_id}-{release_id}"


def app_repository(user_id: int, app_id: int) -> str:
    """Name of the app's Git repository and, under the registry's namespace, of its images."""
    return f"u{user_id}-app{app_id}"


def app_of_repository(repository: str) -> int | None:
    """The app that a repository's name belongs to; None when it is of another shape."""
    match = _REPOSITORY.fullmatch(repository)
    return int(match.group(2)) if match else None


def user_of_repository(repository: str) -> int | None:
    """Whose app it is that a repository's name belongs to; None when it is of another shape."""
    match = _REPOSITORY.fullmatch(repository)
    return int(match.group(1)) if match else None


def app_database(app_id: int) -> str:
    """Name of the app's database, of its schema and of the role that owns it."""
    return f"db_{app_id}"


DEV_PORT = 3000
"""Where the app that is being developed listens inside its workspace's container."""

CODE_PORT = 13337
"""Where VS Code listens there, once its user has asked for it."""


def workspace_container(user_id: int) -> str:
    """Name of a user's workspace container; an implementation adds ``Settings.name_prefix``."""
    return f"ws-u-{user_id}"


def import_container(app_id: int) -> str:
    """Name of the throw-away container that fetches an app's first source."""
    return f"import-{app_id}"


_WORKFLOW_IDS = {
    "import-": "app_id",
    "deploy-": "app_id",
    "deployment-": "deployment_id",
    "delete-app-": "app_id",
    "delete-user-": "user_id",
    "workspace-": "user_id",
}
_NODE = "node-"


def ids_in(workflow_id: str) -> dict[str, int | str]:
    """The platform's ids that a workflow's id names; nothing for one of another shape."""
    if workflow_id.startswith(_NODE):
        return {"node_id": workflow_id.removeprefix(_NODE)}
    name, _, number = workflow_id.rpartition("-")
    field = _WORKFLOW_IDS.get(f"{name}-")
    return {field: int(number)} if field and number.isdecimal() else {}
