"""Every id of the platform, one function each. The id is the lock and what operators search for."""

from __future__ import annotations

from ops.names import app_container, app_database, app_repository, workspace_container

__all__ = [
    "CONTROL_QUEUE",
    "RUNNER_QUEUE",
    "app_container",
    "app_database",
    "app_repository",
    "delete_app_workflow",
    "delete_user_workflow",
    "deploy_workflow",
    "deployment_workflow",
    "import_workflow",
    "node_queue",
    "node_workflow",
    "runs_queue",
    "workspace_container",
    "workspace_workflow",
]

CONTROL_QUEUE = "control"
RUNNER_QUEUE = "runner"


def deploy_workflow(app_id: int) -> str:
    return f"deploy-{app_id}"


def deployment_workflow(deployment_id: int) -> str:
    return f"deployment-{deployment_id}"


def delete_app_workflow(app_id: int) -> str:
    return f"delete-app-{app_id}"


def delete_user_workflow(user_id: int) -> str:
    return f"delete-user-{user_id}"


def import_workflow(app_id: int) -> str:
    return f"import-{app_id}"


def workspace_workflow(user_id: int) -> str:
    return f"workspace-{user_id}"


def node_workflow(node_id: str) -> str:
    return f"node-{node_id}"


def runs_queue(node_id: str) -> str:
    """Where runs of a workspace node are followed: they last for hours, and have slots of their own."""
    return f"{node_id}-runs"


def node_queue(node_id: str) -> str:
    """A node's task queue is its stable name: containers outlive workers, and so does the queue."""
    return node_id
