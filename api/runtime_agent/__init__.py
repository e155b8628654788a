"""7005: what the control host asks a runtime node for, because it is too big for a workflow."""

from api.runtime_agent.app import create_app

__all__ = ["create_app"]
