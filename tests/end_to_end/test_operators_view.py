"""What an operator finds at Temporal: deployments by id and attribute, and words for each step."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client
from temporalio.converter import DefaultPayloadConverter

from ops.temporal import connect
from tests.support import apps
from tests.support.platform import Platform
from tests.support.user import App, User
from workflows import ids
from workflows.policies import APP_ID, DEPLOYMENT_ID, NODE_ID, STAGE, USER_ID

Deployed = tuple[App, int]


@pytest_asyncio.fixture(scope="module")
async def deployed(
    platform: Platform, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Deployed]:
    """An app and its only deployment, which all of these tests look at."""
    async with User.registered(platform.settings, tmp_path_factory.mktemp("home")) as user:
        app = await user.app(apps.hello())
        deployment = await app.deployed()
        assert deployment["status"] == "SUCCEEDED", deployment
        yield app, deployment["id"]


async def test_a_deployment_is_found_by_its_id_and_attributes(
    platform: Platform, deployed: Deployed
) -> None:
    app, deployment_id = deployed
    client = await connect(platform.settings)
    found = await client.get_workflow_handle(ids.deployment_workflow(deployment_id)).describe()
    attributes = found.typed_search_attributes
    assert attributes[APP_ID] == app.id
    assert attributes[USER_ID] == app.user.id
    assert attributes[DEPLOYMENT_ID] == deployment_id
    assert attributes[NODE_ID] == "runtime-102"
    assert attributes[STAGE] == "retire"
    assert await found.static_summary() == f"deployment {deployment_id} of app {app.id}"

    parent = await client.get_workflow_handle(ids.deploy_workflow(app.id)).describe()
    assert parent.typed_search_attributes[APP_ID] == app.id
    assert parent.typed_search_attributes[USER_ID] == app.user.id
    assert await parent.static_summary() == f"deployments of app {app.id}, one at a time"


async def test_the_list_can_be_asked_for_one_app(platform: Platform, deployed: Deployed) -> None:
    app, deployment_id = deployed
    client = await connect(platform.settings)
    query = f"AppId = {app.id} AND WorkflowType = 'Deployment' AND NodeId = 'runtime-102'"
    assert [w.id async for w in client.list_workflows(query)] == [
        ids.deployment_workflow(deployment_id)
    ]


async def test_the_current_details_are_the_timeline(platform: Platform, deployed: Deployed) -> None:
    _, deployment_id = deployed
    client = await connect(platform.settings)
    details = await current_details(client, ids.deployment_workflow(deployment_id))
    assert details.startswith("**SUCCEEDED**")
    for stage in ("place on control", "build on runner-101", "retire on runtime-102"):
        assert f"- ✓ {stage}" in details
    node = await current_details(client, ids.node_workflow("runner-101"))
    assert node.startswith("**UP** at ")


async def test_every_step_has_words(platform: Platform, deployed: Deployed) -> None:
    _, deployment_id = deployed
    client = await connect(platform.settings)
    workflow = client.get_workflow_handle(ids.deployment_workflow(deployment_id))
    history = await workflow.fetch_history()
    steps = [
        event
        for event in history.events
        if event.event_type
        in (
            EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED,
            EventType.EVENT_TYPE_MARKER_RECORDED,
        )
        # The SDK's own, of which version of a workflow this is.
        and event.marker_recorded_event_attributes.marker_name != "core_patch"
    ]
    words = [summary_of(event.user_metadata.summary) for event in steps]
    assert len(words) > 20
    assert all(words), words
    assert "build …" in " ".join(words)
    assert words[-1] == "SUCCEEDED"


async def test_the_history_names_who_did_a_step(platform: Platform, deployed: Deployed) -> None:
    _, deployment_id = deployed
    client = await connect(platform.settings)
    workflow = client.get_workflow_handle(ids.deployment_workflow(deployment_id))
    history = await workflow.fetch_history()
    who = {
        event.activity_task_started_event_attributes.identity.partition(" ")[0]
        for event in history.events
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED
    }
    assert who == {"control", "runner-101", "runtime-102"}


async def current_details(client: Client, workflow_id: str) -> str:
    metadata = await client.get_workflow_handle(workflow_id).query("__temporal_workflow_metadata")
    return str(metadata.current_details)


def summary_of(payload: object) -> str:
    return str(DefaultPayloadConverter().from_payloads([payload])[0])  # type: ignore[list-item]
