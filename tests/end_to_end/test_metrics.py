"""Prometheus scrapes every process, and its figures follow what happens."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.support import apps
from tests.support.platform import Platform
from tests.support.prometheus import Prometheus, Sample
from tests.support.user import User

JOBS = {
    "prometheus",
    "host",
    "entry",
    "control",
    "node",
    "traefik",
    "temporal",
    "registry",
    "gitea",
}


@pytest.fixture
def prometheus(platform: Platform) -> Prometheus:
    return Prometheus(platform.settings)


def total(samples: list[Sample]) -> float:
    return sum(value for _, value in samples)


def unknown(target: dict[str, Any]) -> bool:
    return bool(target["health"] == "unknown")


def fresh(series: str) -> str:
    """Not what a process that has been restarted since said of it."""
    return f"last_over_time({series}[25s])"


async def test_every_target_is_up(platform: Platform, prometheus: Prometheus) -> None:
    await prometheus.until("up == 0", lambda down: not down)
    # Temporal's server is asked once a minute: on a platform that is new, not yet.
    async with asyncio.timeout(75):
        targets = await prometheus.targets()
        while any(unknown(target) for target in targets):
            await asyncio.sleep(1)
            targets = await prometheus.targets()
    assert {target["labels"]["job"] for target in targets} == JOBS
    assert [t["scrapeUrl"] for t in targets if t["health"] != "up"] == []
    nodes = {t["labels"]["node"] for t in targets if t["labels"]["job"] == "node"}
    assert nodes == {node.node_id for node in platform.settings.nodes}


async def test_temporals_own_figures_come_from_every_process(prometheus: Prometheus) -> None:
    found = await prometheus.query("count by (job, node) (temporal_request)")
    seen = {(labels["job"], labels.get("node", "")) for labels, _ in found}
    assert {
        ("entry", ""),
        ("control", ""),
        ("node", "workspace-87"),
        ("node", "runner-101"),
        ("node", "runtime-102"),
    } <= seen


async def test_deployments_and_their_stages_are_counted(user: User, prometheus: Prometheus) -> None:
    succeeded = fresh('studio_deployments_total{kind="deploy",status="SUCCEEDED"}')
    failed = fresh('studio_deployments_total{kind="deploy",status="FAILED"}')
    built = fresh('studio_stage_seconds_count{stage="build",status="SUCCEEDED"}')
    live = fresh('studio_live_seconds_count{kind="deploy"}')
    # These are there from the start, so that even the first deployment is an increase.
    for name in (succeeded, failed):
        await prometheus.until(name, bool)
    before = {
        name: total(await prometheus.query(name)) for name in (succeeded, failed, built, live)
    }

    app = await user.app(apps.hello())
    assert (await app.deployed())["status"] == "SUCCEEDED"
    await app.push(apps.failing_build())
    assert (await app.deployed())["status"] == "FAILED"
    for name, old in before.items():
        await prometheus.until(name, lambda now, old=old: total(now) >= old + 1)  # type: ignore[misc]


async def test_a_held_build_slot_shows(user: User, prometheus: Prometheus) -> None:
    busy = 'studio_build_slots_busy{node_id="runner-101"}'
    assert total(await prometheus.until('studio_build_slots{node_id="runner-101"}', bool)) >= 1
    app = await user.app(apps.slow_build(25))
    deployment_id = await app.deploy()
    await prometheus.until(busy, lambda now: total(now) >= 1)
    await app.api.post(f"/api/deployments/{deployment_id}/cancel")
    await app.ended(deployment_id)
    await prometheus.until(busy, lambda now: total(now) == 0)


async def test_a_node_that_is_stopped_is_not_up(platform: Platform, prometheus: Prometheus) -> None:
    up = 'studio_node_up{node_id="workspace-87",role="workspace"}'
    await prometheus.until(up, lambda now: total(now) == 1)
    platform.stop("workspace-87")
    try:
        await asyncio.gather(
            prometheus.until(up, lambda now: len(now) == 1 and total(now) == 0, 45),
            prometheus.until('up{node="workspace-87"}', lambda now: total(now) == 0, 45),
        )
    finally:
        platform.start("workspace-87")
    await prometheus.until(up, lambda now: total(now) == 1, 45)


async def test_requests_are_counted_by_route_and_not_by_path(
    user: User, prometheus: Prometheus
) -> None:
    await user.api.get("/api/apps/999999999")
    route = 'studio_http_requests_total{route="/api/apps/{app_id}",method="GET",status="404"}'
    await prometheus.until(route, bool)
    assert not await prometheus.query('studio_http_requests_total{route=~".*999999999.*"}')


async def test_no_alert_has_an_error(prometheus: Prometheus) -> None:
    rules = await prometheus.rules()
    assert len(rules) >= 8
    assert [rule for rule in rules if rule["health"] == "err"] == []
