"""Verify asks the public URL until the answer is marked with the new release."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest
from temporalio.exceptions import ApplicationError

from activities.contracts.servers import VerifyInput
from activities.verify import Verify, public_request
from ops.settings import Settings

GIVEN = VerifyInput(app_id=3, slug="shop", release_id=9, health_path="/up?x=1", seconds=0.2)


class SlowToSwitch:
    """Answers from the old release at first, as a gateway that has not read its file yet."""

    def __init__(self, after: int, status: int = 200) -> None:
        self.asked = 0
        self._after = after
        self._status = status

    def __call__(self, request: httpx.Request) -> httpx.Response:
        assert request.headers["host"] == "shop.apps.localhost"
        assert request.url.raw_path == b"/up?x=1"
        self.asked += 1
        release = "9" if self.asked > self._after else "8"
        return httpx.Response(self._status, headers={"X-Studio-Release": release})


def refuse(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("refused")


async def test_it_waits_for_the_new_release() -> None:
    gateway = SlowToSwitch(after=3, status=302)
    await Verify(Settings(), httpx.MockTransport(gateway)).verify(GIVEN)
    assert gateway.asked == 4


@pytest.mark.parametrize(
    ("gateway", "seen"),
    [
        (SlowToSwitch(after=10_000), "status 200 from release 8"),
        (SlowToSwitch(after=0, status=503), "status 503"),
        (lambda request: httpx.Response(404), "status 404 from no release"),
        (refuse, "ConnectError"),
    ],
)
async def test_it_says_what_it_saw_instead(
    gateway: Callable[[httpx.Request], httpx.Response], seen: str
) -> None:
    with pytest.raises(ApplicationError) as failure:
        await Verify(Settings(), httpx.MockTransport(gateway)).verify(GIVEN)
    assert failure.value.type == "Unhealthy"
    assert failure.value.message.endswith(seen)


def test_both_routings_have_their_public_url() -> None:
    assert public_request(Settings(), GIVEN) == (
        "http://127.0.0.1:8000/up?x=1",
        "shop.apps.localhost",
    )
    assert public_request(Settings(routing="path"), GIVEN) == (
        "http://127.0.0.1:8000/apps/3/up?x=1",
        "studio.localhost",
    )
