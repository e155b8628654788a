"""Hosts come and go: what is seen of it, and what is put right by itself."""

from __future__ import annotations

import asyncio

import docker

from activities.contracts.nodes import WATCH
from ops.temporal import connect
from tests.support import apps
from tests.support.nodes import status, until
from tests.support.platform import Platform
from tests.support.prober import connects
from tests.support.user import User, ok
from workflows import ids

RUNTIME = "runtime-102"


async def test_a_killed_worker_that_is_back_at_once_is_never_down(platform: Platform) -> None:
    client = await connect(platform.settings)
    seen: set[str] = set()
    pid = platform.kill(RUNTIME)

    async def back() -> bool:
        seen.add(await status(client, RUNTIME))
        return platform.pid(RUNTIME) not in (0, pid)

    await until(back, 20, "the supervisor brings it back")
    for _ in range(30):
        seen.add(await status(client, RUNTIME))
        await asyncio.sleep(0.2)
    assert seen == {"UP"}


async def test_a_stopped_worker_is_down_at_once_and_up_when_it_returns(platform: Platform) -> None:
    client = await connect(platform.settings)
    await asyncio.to_thread(platform.stop, RUNTIME)
    try:

        async def down() -> bool:
            return await status(client, RUNTIME) == "DOWN"

        await until(down, 4, "a graceful stop is DOWN at once")
    finally:
        await asyncio.to_thread(platform.start, RUNTIME)

    async def up() -> bool:
        return await status(client, RUNTIME) == "UP"

    await until(up, 8, "it is UP when its worker is back")


async def test_a_host_that_is_gone_is_down_within_20_s_and_up_within_5_of_its_return(
    platform: Platform,
) -> None:
    client = await connect(platform.settings)
    await asyncio.to_thread(platform.kill_for_good, RUNTIME)
    try:

        async def down() -> bool:
            return await status(client, RUNTIME) == "DOWN"

        await until(down, 20, "a host that says nothing more is DOWN")
    finally:
        await asyncio.to_thread(platform.start, RUNTIME)
    agent = platform.settings.node(RUNTIME).agent_port
    assert agent is not None

    async def back() -> bool:
        return await connects(("127.0.0.1", agent))

    await until(back, 20, "its worker answers again")

    async def up() -> bool:
        return await status(client, RUNTIME) == "UP"

    await until(up, 5, "it is UP when its worker is back")


async def test_a_node_whose_workflow_was_terminated_is_known_again(platform: Platform) -> None:
    """Terminate in the Temporal UI: its status is looked at again, and is not what it was last."""
    client = await connect(platform.settings)
    handle = client.get_workflow_handle(ids.node_workflow(RUNTIME))
    ended = (await handle.describe()).run_id
    await handle.terminate("by hand")

    async def known() -> bool:
        found = await handle.describe()
        at_work = {one.activity_type.name for one in found.raw_description.pending_activities}
        return found.run_id != ended and WATCH.name in at_work

    await until(known, 20, "its workflow runs again, and watches it")
    assert await status(client, RUNTIME) == "UP"
    await asyncio.to_thread(platform.stop, RUNTIME)
    try:

        async def down() -> bool:
            return await status(client, RUNTIME) == "DOWN"

        await until(down, 4, "it is looked at again")
    finally:
        await asyncio.to_thread(platform.start, RUNTIME)


async def test_a_missing_container_and_a_lost_route_are_repaired(
    platform: Platform, user: User
) -> None:
    app = await user.app(apps.hello("still here"))
    deployment = await app.deployed()
    assert deployment["status"] == "SUCCEEDED", deployment
    settings = platform.settings
    name = settings.name_prefix + ids.app_container(app.id, deployment["id"])
    route = settings.node_home(RUNTIME) / "routes" / f"app-{app.id}.yml"
    engine = docker.DockerClient(base_url=f"unix://{settings.docker_socket}")
    try:
        engine.containers.get(name).remove(force=True)
        route.unlink()
    finally:
        engine.close()

    async def answers() -> bool:
        answer = await app.get()
        return answer.status_code == 200 and answer.text == "still here"

    await until(answers, 40, "the app is repaired")
    assert (await app.get()).headers["X-Studio-Release"] == str(deployment["id"])
    listed = ok(await app.api.get(f"/api/apps/{app.id}/deployments"))
    assert any(entry["kind"] == "repair" for entry in listed)


async def test_what_belongs_to_nothing_is_removed(platform: Platform) -> None:
    settings = platform.settings
    node = settings.node(RUNTIME)
    route = settings.node_home(RUNTIME) / "routes" / "app-987654.yml"
    engine = docker.DockerClient(base_url=f"unix://{settings.docker_socket}")
    try:
        image = engine.images.list(f"{settings.registry}/base/node")[0]
        stray = engine.containers.create(
            image,
            ["sleep", "600"],
            name=f"{settings.name_prefix}app-987654-1",
            labels={
                "studio.platform": settings.platform,
                "studio.node": node.node_id,
                "studio.kind": "app",
                "studio.app": "987654",
                "studio.release": "1",
                "studio.user": "1",
            },
        )
        stray.start()
        route.write_text("http: {}\n")

        async def gone() -> bool:
            left = engine.containers.list(all=True, filters={"id": str(stray.id)})
            return not left and not route.exists()

        await until(gone, 40, "the stray container and route are removed")
    finally:
        engine.close()


async def test_a_terminated_deployment_is_cleaned_up(platform: Platform, user: User) -> None:
    app = await user.app(apps.hello("good"))
    good = await app.deployed()
    await app.push(apps.slow_start(60, "never"))
    deployment_id = await app.deploy()
    await app.at_stage(deployment_id, "health")
    client = await connect(platform.settings)
    handle = client.get_workflow_handle(ids.deployment_workflow(deployment_id))
    await handle.terminate("an operator, by force")
    ended = await app.ended(deployment_id, seconds=30)
    assert ended["status"] == "FAILED"
    assert "operator" in ended["error"]["what"]
    engine = docker.DockerClient(base_url=f"unix://{platform.settings.docker_socket}")
    try:

        async def only_the_good_one() -> bool:
            label = [f"studio.platform={platform.settings.platform}", f"studio.app={app.id}"]
            found = engine.containers.list(all=True, filters={"label": label})
            return [c.labels["studio.release"] for c in found] == [str(good["id"])]

        await until(only_the_good_one, 60, "only the good release's container is left")
    finally:
        engine.close()
    assert (await app.get()).text == "good"


async def test_a_row_that_nobody_heard_of_is_taken_up(platform: Platform, user: User) -> None:
    """The API was killed between writing the row and asking the workflow: control does not answer."""
    app = await user.app(apps.hello())
    await asyncio.to_thread(platform.stop, "control")
    try:
        deployment_id = await app.deploy()
    finally:
        await asyncio.to_thread(platform.start, "control")
    ended = await app.ended(deployment_id, seconds=90)
    assert ended["status"] == "SUCCEEDED", ended
