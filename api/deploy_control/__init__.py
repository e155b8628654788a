"""Deploy control's HTTP service (7002): logs, secrets and registry tokens, for nodes and the entry.

What is too big, too chatty or too secret for a workflow history goes over it.
"""

from api.deploy_control.app import create_app

__all__ = ["create_app"]
