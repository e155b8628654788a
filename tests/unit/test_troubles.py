"""The map of troubles is whole: each hop can be looked at, after those that it needs."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.entry import doctor
from api.entry.doctor_checks import CHECKS, Finding, Scene, Skip, Trouble, found
from api.entry.schemas_doctor import HopStatus
from ops import cli_doctor, engine_ping
from ops.cli_client import Studio
from ops.hop_reasons import HopReason
from ops.troubles import HOPS, PATHS, Symptom

SCENE = Scene(use=None)  # type: ignore[arg-type]


def test_every_hop_has_its_check_and_every_symptom_its_path() -> None:
    assert set(CHECKS) == set(HOPS)
    assert set(PATHS) == set(Symptom)
    assert {key for path in PATHS.values() for key in path} == set(HOPS)


@pytest.mark.parametrize("symptom", Symptom)
def test_a_hop_comes_after_what_it_needs(symptom: Symptom) -> None:
    path = PATHS[symptom]
    assert len(path) == len(set(path))
    for key in path:
        for need in HOPS[key].needs:
            if need in path:
                assert path.index(need) < path.index(key), (key, need)


async def examined(
    monkeypatch: pytest.MonkeyPatch, symptom: Symptom, **instead: Any
) -> dict[str, HopStatus]:
    async def well(scene: Scene) -> Finding:
        return found(HopReason.ANSWERS)

    for key in CHECKS:
        monkeypatch.setitem(CHECKS, key, instead.get(key.replace("-", "_"), well))
    hops = await doctor.examine(SCENE, PATHS[symptom])
    assert [hop.key for hop in hops] == list(PATHS[symptom])
    assert all(bool(hop.next_step) == (hop.status is HopStatus.FAILED) for hop in hops)
    return {hop.key: hop.status for hop in hops}


async def raises_trouble(scene: Scene) -> Finding:
    raise Trouble(found(HopReason.SAYS_UNHEALTHY))


async def test_only_what_needs_the_red_hop_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = await examined(monkeypatch, Symptom.UNREACHABLE, runtime_docker=raises_trouble)
    assert seen["runtime-docker"] is HopStatus.FAILED
    skipped = {key for key, status in seen.items() if status is HopStatus.SKIPPED}
    assert skipped == {"container", "address", "public"}


async def test_a_check_that_hangs_or_breaks_is_red(monkeypatch: pytest.MonkeyPatch) -> None:
    async def hangs(scene: Scene) -> Finding:
        await asyncio.sleep(60)
        return found(HopReason.ANSWERS)

    async def breaks(scene: Scene) -> Finding:
        raise ValueError("what nobody thought of")

    async def skips(scene: Scene) -> Finding:
        raise Skip(found(HopReason.NO_APP_NAMED))

    monkeypatch.setattr(doctor, "HOP_SECONDS", 0.05)
    seen = await examined(
        monkeypatch, Symptom.FAILED, gitea=hangs, registry=breaks, last_deployment=skips
    )
    others = {key: status for key, status in seen.items() if status is not HopStatus.OK}
    assert others == {
        "gitea": HopStatus.FAILED,
        "registry": HopStatus.FAILED,
        "last-deployment": HopStatus.SKIPPED,
    }


def test_an_engine_that_is_away_is_told_in_words(tmp_path: Path) -> None:
    assert "does not answer" in engine_ping.trouble(tmp_path / "no.sock")
    assert "does not tell" in engine_ping.container_trouble(tmp_path / "no.sock", "x")


@pytest.mark.parametrize(
    ("live", "ready", "red"),
    [(None, None, "nginx"), (502, None, "api"), (200, 503, "mariadb")],
)
def test_a_studio_that_is_away_is_looked_at_from_outside(
    live: int | None, ready: int | None, red: str
) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        status = live if request.url.path.endswith("/live") else ready
        if status is None:
            raise httpx.ConnectError("refused")
        return httpx.Response(status)

    api = Studio("http://studio.localhost:8000", "t", httpx.MockTransport(answer))
    found = cli_doctor.front(api, Symptom.PENDING, "it is away")
    assert [hop["key"] for hop in found["hops"] if hop["status"] == "failed"] == [red]
    assert found["hops"][-1]["status"] == "skipped"
