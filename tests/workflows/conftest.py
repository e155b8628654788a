"""A real Temporal server for the workflow tests, with a namespace of its own for each test."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest_asyncio
from google.protobuf.duration_pb2 import Duration
from rich.console import Console
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.api.workflowservice.v1 import RegisterNamespaceRequest
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment

from ops.settings import load_settings
from ops.stack.steps import Steps
from ops.stack.tools import TOOLS, ensure_tool
from tests.workflows.user_world import UserWorld
from tests.workflows.workspace_world import WorkspaceWorld
from tests.workflows.world import World
from workers.control_workflows import WORKFLOWS
from workflows.policies import APP_ID, DEPLOYMENT_ID, NODE_ID, STAGE, USER_ID

ATTRIBUTES = {
    key.name: IndexedValueType.ValueType(key.indexed_value_type)
    for key in (APP_ID, USER_ID, DEPLOYMENT_ID, NODE_ID, STAGE)
}


def temporal_binary() -> Path:
    """The server that the platform runs too; built here when no platform has been."""
    tool = next(tool for tool in TOOLS if tool.name == "temporal")
    with Steps(Console()).step("Tool temporal") as step:
        return ensure_tool(load_settings(), tool, step).binary


@pytest_asyncio.fixture(scope="session")
async def server() -> AsyncIterator[Client]:
    async with await WorkflowEnvironment.start_local(
        dev_server_existing_path=str(temporal_binary())
    ) as environment:
        yield environment.client


@pytest_asyncio.fixture
async def client(server: Client) -> Client:
    """Of a namespace of its own: what another test has left there is not seen."""
    namespace = f"test-{uuid.uuid4().hex}"
    await server.workflow_service.register_namespace(
        RegisterNamespaceRequest(
            namespace=namespace,
            workflow_execution_retention_period=Duration(seconds=24 * 3600),
        )
    )
    await server.operator_service.add_search_attributes(
        AddSearchAttributesRequest(namespace=namespace, search_attributes=ATTRIBUTES)
    )
    return await Client.connect(
        server.service_client.config.target_host,
        namespace=namespace,
        data_converter=pydantic_data_converter,
    )


@pytest_asyncio.fixture
async def world(client: Client) -> AsyncIterator[World]:
    """Workers run until the test ends."""
    world = World(client)
    async with AsyncExitStack() as stack:
        for worker in world.workers(WORKFLOWS):
            await stack.enter_async_context(worker)
        yield world
        world.hangs.clear()


@pytest_asyncio.fixture
async def client_with_two(client: Client) -> AsyncIterator[World]:
    """The same with two runners."""
    world = World(client, runners=["runner-101", "runner-101-2"])
    async with AsyncExitStack() as stack:
        for worker in world.workers(WORKFLOWS):
            await stack.enter_async_context(worker)
        yield world


@pytest_asyncio.fixture
async def workspace(client: Client) -> AsyncIterator[WorkspaceWorld]:
    """One workspace node and its user; the node's worker can be stopped and started."""
    world = WorkspaceWorld(client)
    async with world.control(WORKFLOWS):
        await world.node_starts()
        yield world
        world.hangs.clear()
        for run_id in world.running:
            world.end(run_id, 0)
        await world.node_stops()


@pytest_asyncio.fixture
async def deletion(client: Client) -> AsyncIterator[UserWorld]:
    """One user with two apps and a workspace."""
    world = UserWorld(client)
    async with world.control(WORKFLOWS):
        yield world
        world.hangs.clear()
