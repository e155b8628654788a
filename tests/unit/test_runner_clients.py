"""What a runner asks of 7002 and of the registry, against answers of every kind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.base_layers import base_reference, mount
from activities.contracts.runner import HoldInput
from activities.engine import Login
from activities.runner import Runner
from ops.errors import Forbidden, NodeDrains, PlatformError
from ops.nodeclient import NodeClient
from ops.settings import Settings
from workflows.policies import HOLD


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    settings = Settings(home=tmp_path)
    settings.secrets.mkdir()
    (settings.secrets / "node-runner-101").write_text("node-token\n")
    return settings


def client(settings: Settings, answer: httpx.Response | Exception) -> NodeClient:
    def handle(request: httpx.Request) -> httpx.Response:
        assert request.headers["Authorization"] == "Bearer node-token"
        if isinstance(answer, Exception):
            raise answer
        return answer

    return NodeClient(settings, "runner-101", httpx.MockTransport(handle))


async def test_build_secrets_are_redacted(settings: Settings) -> None:
    body = {
        "git_url": "u",
        "git_token": "git-secret",
        "registry_user": "deployment-1",
        "registry_password": "pull-secret",
        "push_user": "push-1",
        "push_password": "push-secret",
        "build_env": {"KEY": "env-secret"},
    }
    secrets = await client(settings, httpx.Response(200, json=body)).build_secrets(1)
    assert secrets.build_env["KEY"].get_secret_value() == "env-secret"
    assert "-secret" not in repr(secrets)


async def test_environment(settings: Settings) -> None:
    answer = httpx.Response(200, json={"env": {"PORT": "3000"}})
    found = await client(settings, answer).environment(1)
    assert found == {"PORT": SecretStr("3000")}


async def test_a_runner_that_drains_takes_no_build(settings: Settings) -> None:
    control = client(settings, httpx.Response(200, json={"draining": True}))
    nobody: Any = None
    runner = Runner(settings, "runner-101", nobody, control)
    with pytest.raises(ApplicationError) as refused:
        await ActivityEnvironment().run(runner.hold, HoldInput(deployment_id=1, hold_id=1))
    assert refused.value.type == NodeDrains.__name__
    assert not refused.value.non_retryable
    assert NodeDrains.__name__ not in (HOLD.retry.non_retryable_error_types or [])
    assert runner.held == 0


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (
            httpx.Response(403, json={"type": "urn:fun-ai-studio:Forbidden", "detail": "ended"}),
            Forbidden,
        ),
        (httpx.Response(500, text="oops"), PlatformError),
        (httpx.Response(502, json=["odd"]), PlatformError),
        (httpx.ConnectError("refused"), PlatformError),
        (httpx.ReadTimeout("slow"), PlatformError),
    ],
)
async def test_errors_of_7002(
    settings: Settings, answer: httpx.Response | Exception, kind: type[Exception]
) -> None:
    with pytest.raises(kind):
        await client(settings, answer).build_secrets(1)


def test_where_the_registry_has_a_base_image(settings: Settings) -> None:
    registry = settings.registry
    names = ["node:24", f"{registry}/base/node:24", f"{registry}/base/node@sha256:1"]
    assert base_reference(settings, names) == ("base/node", "sha256:1")
    assert base_reference(settings, ["node:24", f"{registry}/apps/u1-app1@sha256:1"]) is None


class Registry:
    """A registry that remembers what it was asked; ``mounts`` says whether it mounts."""

    def __init__(self, *, has: frozenset[str] = frozenset(), mounts: bool = True) -> None:
        self.has = has
        self.mounts = mounts
        self.asked: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        self.asked.append(f"{request.method} {path} {request.url.query.decode()}".strip())
        if path == "/registry/token":
            return httpx.Response(200, json={"token": "t"})
        if "/manifests/" in path:
            return httpx.Response(200, json={"layers": [{"digest": "a"}, {"digest": "b"}]})
        if request.method == "HEAD":
            return httpx.Response(200 if path.rpartition("/")[2] in self.has else 404)
        if request.method == "POST" and self.mounts:
            return httpx.Response(201)
        return httpx.Response(202, headers={"Location": "/v2/apps/x/blobs/uploads/1"})


async def mounted(settings: Settings, registry: Registry) -> list[str]:
    login = Login("deployment-1", SecretStr("p"))
    await mount(
        settings, login, "apps/x", [("base/node", "sha256:1")], httpx.MockTransport(registry)
    )
    return [line for line in registry.asked if not line.startswith(("GET", "HEAD"))]


async def test_layers_of_a_base_image_are_mounted(settings: Settings) -> None:
    assert await mounted(settings, Registry()) == [
        "POST /v2/apps/x/blobs/uploads/ mount=a&from=base%2Fnode",
        "POST /v2/apps/x/blobs/uploads/ mount=b&from=base%2Fnode",
    ]


async def test_layers_that_are_there_are_left_alone(settings: Settings) -> None:
    assert await mounted(settings, Registry(has=frozenset({"b"}))) == []


async def test_an_upload_that_was_opened_instead_is_given_up(settings: Settings) -> None:
    asked = await mounted(settings, Registry(mounts=False))
    assert asked.count("DELETE /v2/apps/x/blobs/uploads/1") == 2


async def test_a_registry_that_is_away_does_no_harm(settings: Settings) -> None:
    def away(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    await mount(
        settings,
        Login("u", SecretStr("p")),
        "apps/x",
        [("base/node", "sha256:1")],
        httpx.MockTransport(away),
    )
