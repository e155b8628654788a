"""The names of an app's things, one function each: the name is what is searched for."""

from __future__ import annotations


def app_container(app_id: int, release_id: int) -> str:
    """Name of a release's container; an implementation adds ``Settings.name_prefix``."""
    return f"app-{app_id}-{release_id}"


def app_repository(user_id: int, app_id: int) -> str:
    """Name of the app's Git repository and, under the registry's namespace, of its images."""
    return f"u{user_id}-app{app_id}"


def app_database(app_id: int) -> str:
    """Name of the app's database, of its schema and of the role that owns it."""
    return f"db_{app_id}"


_WORKFLOW_IDS = {
    "deploy-": "app_id",
    "deployment-": "deployment_id",
    "delete-app-": "app_id",
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
