"""One trace a deployment: from the API's request, over every process, to each activity."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowHistory

from ops.temporal import connect
from tests.support import apps
from tests.support.platform import Platform
from tests.support.traces import Span, Trace, Traces
from tests.support.user import User, ok

API_SPAN = "POST /api/apps/{app_id}/deployments"
WAY = [
    "RunActivity:{activity}",
    "StartActivity:{activity}",
    "StartChildWorkflow:Deployment",
    "StartUpdateWithStartWorkflow:Deploy",
    "deployment {id}",
]


@pytest.fixture
def traces(platform: Platform) -> Traces:
    return Traces(platform.settings)


async def test_one_trace_from_the_request_to_each_activity(
    platform: Platform, user: User, traces: Traces
) -> None:
    app = await user.app(apps.hello())
    deployment = await app.deployed()
    assert deployment["status"] == "SUCCEEDED", deployment
    trace = await traces.whole(deployment["id"])

    assert [span.name for span in trace.roots()] == [API_SPAN]
    services = {span.service.removeprefix(f"{traces.platform}-") for span in trace.spans}
    assert services == {"entry", "control", "runner-101", "runtime-102"}
    history = await history_of(platform, deployment["id"])
    run, asked = activities_run(trace), activities_in(history)
    assert run.keys() == asked.keys()
    assert run >= asked  # one that was tried again has a span for each try
    for span in trace.spans:
        if span.name.startswith("RunActivity:"):
            activity = span.name.partition(":")[2]
            way = [name.format(activity=activity, id=deployment["id"]) for name in WAY]
            assert [span.name, *trace.above(span)] == [*way, API_SPAN]
    for span in trace.spans:
        assert ids_of(span) == (str(deployment["id"]), str(app.id), str(user.id)), span


async def test_what_a_node_fetches_is_in_the_trace(user: User, traces: Traces) -> None:
    app = await user.app(apps.hello())
    trace = await traces.whole((await app.deployed())["id"])
    environment = trace.one("GET /deployments/{deployment_id}/environment")
    assert trace.above(environment)[0] == "RunActivity:start_container"


async def test_each_of_two_deployments_in_a_queue_has_its_own_trace(
    user: User, traces: Traces
) -> None:
    app = await user.app(apps.slow_build(2))
    first = await app.deploy()
    second = await app.deploy(on_busy="queue")
    assert (await app.ended(second))["status"] == "SUCCEEDED"
    one, other = await traces.whole(first), await traces.whole(second)
    assert one.spans[0].trace_id != other.spans[0].trace_id
    for trace, deployment_id in ((one, first), (other, second)):
        assert trace.one(f"deployment {deployment_id}")
        assert [span.name for span in trace.roots()] == [API_SPAN]
        assert trace.above(trace.one("RunActivity:start_container"))[-1] == API_SPAN


async def test_a_failure_shows_in_the_trace(user: User, traces: Traces) -> None:
    app = await user.app(apps.failing_build())
    deployment = await app.deployed()
    assert deployment["status"] == "FAILED"
    build = (await traces.whole(deployment["id"])).one("RunActivity:build")
    assert build.status == "ERROR"


async def test_a_deployment_that_the_sweep_took_up_is_in_the_trace_of_its_request(
    platform: Platform, user: User, traces: Traces
) -> None:
    app = await user.app(apps.hello())
    platform.stop("temporal")
    try:
        deployment_id = await app.deploy()
    finally:
        platform.start("temporal")
    assert (await app.ended(deployment_id))["status"] == "SUCCEEDED"
    trace = await traces.whole(deployment_id)
    assert [span.name for span in trace.roots()] == [API_SPAN]
    submitted = [span for span in trace.spans if span.name == f"deployment {deployment_id}"]
    assert {span.service for span in submitted} == {
        f"{traces.platform}-entry",
        f"{traces.platform}-control",
    }


async def test_a_killed_control_goes_on_in_the_same_trace(
    platform: Platform, user: User, traces: Traces
) -> None:
    app = await user.app(apps.slow_build(5))
    deployment_id = await app.deploy()
    await app.at_stage(deployment_id, "build")
    before = platform.kill("control")
    assert (await app.ended(deployment_id))["status"] == "SUCCEEDED"
    trace = await traces.whole(deployment_id)
    assert [span.name for span in trace.roots()] == [API_SPAN]
    control = {s.process for s in trace.spans if s.service == f"{traces.platform}-control"}
    assert before in control
    assert len(control) == 2


async def test_nobody_chooses_the_trace_of_a_request(
    platform: Platform, user: User, traces: Traces
) -> None:
    claimed = "c0ffee" * 5 + "00"
    app = await user.app(apps.hello())
    headers = {
        "traceparent": f"00-{claimed}-00f067aa0ba902b7-00",
        "baggage": "deployment_id=1,user_id=1",
    }
    made = ok(await app.api.post(f"/api/apps/{app.id}/deployments", json={}, headers=headers), 202)
    await app.ended(made["id"])
    trace = await traces.whole(made["id"])
    assert trace.spans[0].trace_id != f"0x{claimed}"
    assert {span.attributes["user_id"] for span in trace.spans} == {str(user.id)}


def ids_of(span: Span) -> tuple[str | None, ...]:
    return tuple(span.attributes.get(name) for name in ("deployment_id", "app_id", "user_id"))


# --- what a workflow's history says of its activities --------------------------------------------


async def history_of(platform: Platform, deployment_id: int) -> WorkflowHistory:
    client: Client = await connect(platform.settings)
    return await client.get_workflow_handle(f"deployment-{deployment_id}").fetch_history()


def activities_in(history: WorkflowHistory) -> Counter[str]:
    """Every activity of a workflow, the local ones among them."""
    names: list[str] = []
    for event in history.events:
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
            names.append(event.activity_task_scheduled_event_attributes.activity_type.name)
        marker = event.marker_recorded_event_attributes
        if marker.marker_name == "core_local_activity":
            details = marker.details
            data = json.loads(details["data"].payloads[0].data)
            names.append(data["activity_type"])
    return Counter(names)


def activities_run(trace: Trace) -> Counter[str]:
    def name(span: Span) -> str:
        return span.name.partition(":")[2]

    return Counter(name(span) for span in trace.spans if span.name.startswith("RunActivity:"))
