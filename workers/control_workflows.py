"""The workflows that the control worker runs; a Replayer is given the same."""

from workflows.delete_app import DeleteApp
from workflows.delete_user import DeleteUser
from workflows.deploy import Deploy
from workflows.deployment import Deployment
from workflows.import_app import ImportApp
from workflows.node_heartbeat import NodeHeartbeat
from workflows.open_workspace import OpenWorkspace

WORKFLOWS = [Deploy, Deployment, DeleteApp, DeleteUser, ImportApp, NodeHeartbeat, OpenWorkspace]
