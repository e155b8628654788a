"""The workflows that the control worker runs; a Replayer is given the same."""

from workflows.delete_app import DeleteApp
from workflows.deploy import Deploy
from workflows.deployment import Deployment
from workflows.node_heartbeat import NodeHeartbeat

WORKFLOWS = [Deploy, Deployment, DeleteApp, NodeHeartbeat]
