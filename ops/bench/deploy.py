"""``studio bench deploy``: the bare script and the platform, a row per stage, medians."""

from __future__ import annotations

import secrets
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker
import httpx
import psutil

from ops.admin_api import AdminApi
from ops.bench.bare import PORT, STEPS, BareScript, Timing
from ops.bench.figures import live_seconds, repository_of, stage_seconds
from ops.bench.project import Project
from ops.settings import Settings

ROUNDS = 7
AT_ONCE = 10
AT_ONCE_ROUNDS = 3
REQUESTS = 400


@dataclass
class Case:
    """Medians of one case: total seconds up to live, and seconds by stage."""

    total: float
    stages: dict[str, float]


@dataclass
class Report:
    """All figures of one run. Times in seconds, memory in bytes of PSS by process."""

    cases: dict[str, Case] = field(default_factory=dict)
    at_once: int = AT_ONCE
    ten_bare: float = 0.0
    ten_platform: float = 0.0
    direct_ms: float = 0.0
    entry_ms: float = 0.0
    memory: dict[str, int] = field(default_factory=dict)


Say = Callable[[str], None]


def run(settings: Settings, say: Say, *, rounds: int = ROUNDS, at_once: int = AT_ONCE) -> Report:
    """Runs everything once in turn; what it makes it removes."""
    report = Report(at_once=at_once)
    report.memory = memory(settings)
    side = AdminApi(settings)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        project = Project(settings, work / "project")
        bare = BareScript(settings, work, secrets.token_hex(4))
        app = side.create(f"bench {secrets.token_hex(4)}")
        repository = repository_of(app)
        try:
            say("warming both caches")
            bare.run(project.folder)
            project.push(repository)
            side.ended(side.begin(app["id"]))
            _cases(report, say, rounds, project, bare, side, app["id"], repository)
            say("latency through the entry")
            report.direct_ms, report.entry_ms = latency(settings, app["id"], app["slug"])
            together = []
            for number in range(min(rounds, AT_ONCE_ROUNDS)):
                say(f"{at_once} apps at once, round {number + 1}")
                together.append(_at_once(settings, project, side, work, at_once))
            report.ten_bare, report.ten_platform = map(
                statistics.median, zip(*together, strict=True)
            )
        finally:
            bare.close()
            side.delete(app["id"])
    return report


def _cases(
    report: Report,
    say: Say,
    rounds: int,
    project: Project,
    bare: BareScript,
    side: AdminApi,
    app_id: int,
    repository: str,
) -> None:
    bare_changed, bare_same, changed, same, back = [], [], [], [], []
    for number in range(1, rounds + 1):
        say(f"round {number} of {rounds}")
        project.change()
        project.push(repository)
        bare_changed.append(bare.run(project.folder))
        bare_same.append(bare.run(project.folder))
        changed.append(side.ended(side.begin(app_id)))
        same.append(side.ended(side.begin(app_id)))
        back.append(side.ended(side.rollback(app_id)))
    report.cases = {
        "bare: one line changed": _bare_case(bare_changed),
        "platform: one line changed": _platform_case(changed),
        "bare: nothing changed": _bare_case(bare_same),
        "platform: nothing changed": _platform_case(same),
        "platform: rollback": _platform_case(back),
    }


def _bare_case(timings: list[Timing]) -> Case:
    return Case(
        statistics.median(timing.total for timing in timings),
        {step: statistics.median(timing.steps[step] for timing in timings) for step in STEPS},
    )


def _platform_case(deployments: list[dict[str, object]]) -> Case:
    by_stage: dict[str, list[float]] = {}
    for deployment in deployments:
        for stage, seconds in stage_seconds(deployment).items():
            by_stage.setdefault(stage, []).append(seconds)
    return Case(
        statistics.median(live_seconds(deployment) for deployment in deployments),
        {stage: statistics.median(seconds) for stage, seconds in by_stage.items()},
    )


def _at_once(
    settings: Settings, project: Project, side: AdminApi, work: Path, count: int
) -> tuple[float, float]:
    """New apps: seconds of bare deployments in a row, and of deployments begun together."""
    scripts = [BareScript(settings, work, secrets.token_hex(4)) for _ in range(count)]
    started = time.perf_counter()
    for script in scripts:
        script.run(project.folder)
    bare = time.perf_counter() - started
    for script in scripts:
        script.close()
    apps: list[dict[str, Any]] = []
    try:
        for _ in range(count):
            apps.append(side.create(f"bench {secrets.token_hex(4)}"))
            project.push(repository_of(apps[-1]))
        begun = [side.begin(app["id"]) for app in apps]
        ended = [side.ended(deployment_id) for deployment_id in begun]
        return bare, live_seconds(*ended)
    finally:
        for app in apps:
            side.delete(app["id"])


def latency(settings: Settings, app_id: int, slug: str) -> tuple[float, float]:
    """Median milliseconds of a request to the container itself, and through nginx and Traefik."""
    engine: Any = docker.APIClient(base_url=f"unix://{settings.docker_socket}", version="auto")
    try:
        labels = [f"studio.platform={settings.platform}", f"studio.app={app_id}"]
        (container,) = engine.containers(filters={"label": labels})
    finally:
        engine.close()
    (network,) = container["NetworkSettings"]["Networks"].values()
    with httpx.Client(trust_env=False) as client:
        direct = _median_ms(client, f"http://{network['IPAddress']}:{PORT}/", {})
        entry = _median_ms(client, settings.entry_url, {"Host": settings.app_host(slug)})
    return direct, entry


def _median_ms(client: httpx.Client, url: str, headers: dict[str, str]) -> float:
    times = []
    for _ in range(REQUESTS):
        started = time.perf_counter()
        client.get(url, headers=headers).raise_for_status()
        times.append(time.perf_counter() - started)
    return statistics.median(times) * 1000


def memory(settings: Settings) -> dict[str, int]:
    """PSS in bytes of the supervisor, and of each program with its children (no containers)."""
    supervisor = psutil.Process(int((settings.run / "supervisord.pid").read_text()))
    found = {"supervisord": int(supervisor.memory_full_info().pss)}
    for process in supervisor.children():
        family = [process, *process.children(recursive=True)]
        name = process.environ().get("SUPERVISOR_PROCESS_NAME", process.name())
        found[name] = sum(
            member.memory_full_info().pss
            for member in family
            if not member.name().startswith("containerd-shim")
        )
    return dict(sorted(found.items(), key=lambda item: -item[1]))
