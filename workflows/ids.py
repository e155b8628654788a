"""Every id of the platform, one function each. The id is the lock and what operators search for."""

from __future__ import annotations

from ops.names import app_container, app_database, app_repository

__all__ = [
    "CONTROL_QUEUE",
    "RUNNER_QUEUE",
    "app_container",
    "app_database",
    "app_repository",
    "delete_app_workflow",
    "deploy_workflow",
    "deployment_workflow",
    "node_queue",
    "node_workflow",
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


def workspace_workflow(user_id: int) -> str:
    return f"workspace-{user_id}"


def node_workflow(node_id: str) -> str:
    return f"node-{node_id}"


def node_queue(node_id: str) -> str:
    """A node's task queue is its stable name: containers outlive workers, and so does the queue."""
    return node_id
