"""Every id of the platform, one function each. The id is the lock and what an operator searches for."""

from __future__ import annotations

CONTROL_QUEUE = "control"
RUNNER_QUEUE = "runner"


def deploy_workflow(app_id: int) -> str:
    return f"deploy-{app_id}"


def deployment_workflow(deployment_id: int) -> str:
    return f"deployment-{deployment_id}"


def delete_app_workflow(app_id: int) -> str:
    return f"delete-app-{app_id}"


def workspace_workflow(user_id: int) -> str:
    return f"workspace-{user_id}"


def node_workflow(node_id: str) -> str:
    return f"node-{node_id}"


def node_queue(node_id: str) -> str:
    """A node's task queue is its stable name: containers outlive workers, and so does the queue."""
    return node_id


def app_container(app_id: int, deployment_id: int) -> str:
    return f"app-{app_id}-{deployment_id}"


def app_repository(user_id: int, app_id: int) -> str:
    """Name of the app's Git repository and, under the registry's namespace, of its images."""
    return f"u{user_id}-app{app_id}"


def app_database(app_id: int) -> str:
    return f"db_{app_id}"
