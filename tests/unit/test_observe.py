"""What the worker's interceptor says of activities."""

from __future__ import annotations

from temporalio.exceptions import ApplicationErrorCategory

from activities.contracts.base import DeploymentRef
from activities.contracts.nodes import NodeInfo, NodeRole
from ops.errors import BuildFailed, NodeUnavailable, PlatformError, to_application_error
from workers.observe import ids_of


def test_ids_are_those_that_the_input_names() -> None:
    assert ids_of(DeploymentRef(deployment_id=7, app_id=3)) == {"deployment_id": 7, "app_id": 3}
    info = NodeInfo(node_id="runner-101", role=NodeRole.RUNNER, boot_id="b")
    assert ids_of(info) == {"node_id": "runner-101"}
    assert ids_of("text") == {}


def test_only_a_fault_of_the_platform_counts_as_a_failure() -> None:
    for error in (BuildFailed("it broke"), NodeUnavailable("away")):
        assert to_application_error(error).category is ApplicationErrorCategory.BENIGN
    fault = to_application_error(PlatformError("the registry answered 500"))
    assert fault.category is ApplicationErrorCategory.UNSPECIFIED
