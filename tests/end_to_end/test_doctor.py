"""What is stopped is what the doctor finds red, and nothing but what needs it is left out."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from ops.admin_api import AdminApi
from ops.troubles import HOPS
from tests.support import apps
from tests.support.platform import ROOT, Platform
from tests.support.user import App, User

NAMED = {"workspace", "run", "workspace-container", "preview"}
"""Red or skipped here in any case: the user whose app this is never opened a workspace."""


@pytest.fixture(scope="module")
def admin(platform: Platform) -> Iterator[httpx.Client]:
    signed_in = AdminApi(platform.settings)
    # Past nginx, which is stopped here too.
    signed_in.api.base_url = httpx.URL(f"http://127.0.0.1:{platform.settings.ports.entry}")
    yield signed_in.api
    signed_in.api.close()


@pytest_asyncio.fixture(scope="module")
async def shop(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[App]:
    async with User.registered(platform.settings, tmp_path_factory.mktemp("home")) as user:
        app = await user.app(apps.hello())
        assert (await app.deployed())["status"] == "SUCCEEDED"
        yield app


def looked(admin: httpx.Client, app: App) -> dict[str, str]:
    """Status by hop, of those that are not green."""
    answer = admin.get("/api/admin/doctor", params={"app_id": app.id}, timeout=60)
    assert answer.status_code == 200, answer.text
    hops: list[dict[str, Any]] = answer.json()["hops"]
    return {
        hop["key"]: f"{hop['status']}: {hop['reason']}"
        for hop in hops
        if hop["status"] != "ok" and hop["key"] not in NAMED
    }


def behind(red: set[str]) -> set[str]:
    """What needs one of these, over any number of steps."""
    found = {key for key, hop in HOPS.items() if red & set(hop.needs)} - red - NAMED
    return found | behind(red | found) if found else found


@asynccontextmanager
async def stopped(platform: Platform, *programs: str) -> AsyncIterator[None]:
    await asyncio.gather(*(asyncio.to_thread(platform.stop, name) for name in programs))
    try:
        yield
    finally:
        for name in programs:
            await asyncio.to_thread(platform.start, name)


async def until_green(admin: httpx.Client, app: App) -> None:
    seen: dict[str, str] = {}
    try:
        async with asyncio.timeout(60):
            while seen := await asyncio.to_thread(looked, admin, app):
                await asyncio.sleep(0.5)
    except TimeoutError:
        raise AssertionError(f"not green again: {seen}") from None


STRIKES = {
    "servers beside the way": {
        "nginx": "nginx",
        "gitea": "gitea",
        "registry": "registry",
        "verdaccio": "verdaccio",
        "traefik-runtime-102": "traefik",
        "nginx-workspace-87": "workspace-nginx",
        "mongo": "mongo",
        "build-engine": "build-engine",
    },
    "workers of the hosts": {
        "workspace-87": "workspace-agent",
        "runner-101": "runner-node",
        "runtime-102": "runtime-agent",
    },
    "control": {"control": "control"},
    "Temporal": {"temporal": "temporal"},
}


@pytest.mark.parametrize("strike", STRIKES)
async def test_the_red_hops_are_those_that_are_stopped(
    platform: Platform, admin: httpx.Client, shop: App, strike: str
) -> None:
    await until_green(admin, shop)
    red = set(STRIKES[strike].values())
    seen: dict[str, str] = {}
    async with stopped(platform, *STRIKES[strike]):
        try:
            # A host's figures are as old as its last heartbeat.
            async with asyncio.timeout(20):
                while {key for key, told in seen.items() if told.startswith("failed")} != red:
                    seen = await asyncio.to_thread(looked, admin, shop)
        except TimeoutError:
            raise AssertionError(f"red should be {red}: {seen}") from None
    assert set(seen) == red | behind(red)
    await until_green(admin, shop)


async def test_the_command_line_sees_what_the_studio_cannot(
    platform: Platform, tmp_path: Path
) -> None:
    environment = os.environ | {
        "XDG_CONFIG_HOME": str(tmp_path),
        "STUDIO_URL": platform.settings.studio_url,
        "STUDIO_TOKEN": AdminApi(platform.settings).api.headers["Authorization"].split()[1],
    }

    def ask() -> tuple[int, list[str]]:
        done = subprocess.run(
            [ROOT / "ops" / "studio", "doctor", "deployment-pending", "--json"],
            env=environment,
            capture_output=True,
            check=False,
        )
        hops = json.loads(done.stdout)["hops"]
        return done.returncode, [hop["key"] for hop in hops if hop["status"] == "failed"]

    assert await asyncio.to_thread(ask) == (0, [])
    async with stopped(platform, "mariadb"):
        assert await asyncio.to_thread(ask) == (1, ["mariadb"])
