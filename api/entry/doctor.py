"""The doctor: each hop of a symptom's path looked at live, as ``ops/troubles.py`` lists them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Annotated

import structlog
from fastapi import APIRouter, Query
from sqlmodel import col, or_, select

from api.entry import doctor_hosts as _hosts  # noqa: F401  # it adds its hops to CHECKS
from api.entry import doctor_things as _things  # noqa: F401  # and so does this
from api.entry.deps import Admin, Use
from api.entry.doctor_checks import CHECKS, Finding, Scene, Skip, Trouble, found
from api.entry.problems import errors
from api.entry.schemas_doctor import Diagnosis, HopOut, HopStatus
from ops.db.tables import App, User, now
from ops.error_codes import ErrorCode
from ops.errors import Invalid, NotFound, StudioError
from ops.hop_reasons import HopReason
from ops.troubles import HOPS, PATHS, Symptom

router = APIRouter(prefix="/api/admin", tags=["administrators"])
log = structlog.get_logger()

HOP_SECONDS = 5.0
"""What does not answer within this is red."""
LONGEST_ID = 15
MOST_NAMED = 5
"""Of apps that have one name; their numbers are told."""


@router.get("/doctor", responses=errors(401, 403, 404, 422, 503))
async def diagnose(
    _: Admin,
    use: Use,
    symptom: Symptom = Symptom.ANYTHING,
    app_id: Annotated[
        int | None, Query(ge=1, le=2**53, description="Whose hops to look at")
    ] = None,
    user_id: Annotated[int | None, Query(ge=1, le=2**53, description="Whose workspace")] = None,
    app: Annotated[
        str | None,
        Query(max_length=100, description="The same app by its number, slug or name"),
    ] = None,
) -> Diagnosis:
    """Each hop on the way, in order: green, red with the reason and what to do, or skipped.

    Hops of one app or workspace are skipped unless one is named.
    """
    named = await _app(use, app_id) if app_id is not None else None
    if named is None and app is not None and app.strip():
        named = await _called(use, app.strip())
    if user_id is not None:
        await _refuse_unknown(use, user_id)
    scene = Scene(use=use, app=named, user_id=user_id or (named.user_id if named else None))
    hops = await examine(scene, PATHS[symptom])
    return Diagnosis(
        symptom=symptom,
        at=now(),
        well=all(hop.status is not HopStatus.FAILED for hop in hops),
        hops=hops,
    )


async def _app(use: Use, app_id: int) -> App:
    async with use.database.session() as session:
        app = (await session.exec(select(App).where(App.id == app_id))).first()
    if app is None:
        raise NotFound(
            f"there is no app {app_id}", code=ErrorCode.APP_UNKNOWN, values={"id": app_id}
        )
    return app


async def _called(use: Use, text: str) -> App:
    """What is called so: its number counts before its slug, and that before its name."""
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= LONGEST_ID else 0
    one = select(App).where(or_(col(App.id) == number, col(App.slug) == text.lower()))
    several = select(App).where(App.name == text).order_by(col(App.id)).limit(MOST_NAMED + 1)
    async with use.database.session() as session:
        found = sorted(await session.exec(one), key=lambda app: app.id != number)
        found = found[:1] or list(await session.exec(several))
    if not found:
        raise NotFound(
            f"there is no app {text}",
            code=ErrorCode.APP_UNKNOWN,
            values={"id": text},
            field="app",
        )
    if len(found) > 1:
        numbers = [str(app.id) for app in found[:MOST_NAMED]]
        listed = ", ".join([*numbers, *(["…"] if len(found) > MOST_NAMED else [])])
        raise Invalid(
            f"several apps are called {text}: {listed}",
            code=ErrorCode.APP_AMBIGUOUS,
            values={"name": text, "numbers": listed},
            hint="name one by its number",
            field="app",
        )
    return found[0]


async def _refuse_unknown(use: Use, user_id: int) -> None:
    """A number that is nobody's is not somebody who never opened a workspace."""
    async with use.database.session() as session:
        if await session.get(User, user_id) is None:
            raise NotFound(
                f"there is no user {user_id}", code=ErrorCode.USER_UNKNOWN, values={"id": user_id}
            )


async def examine(scene: Scene, path: Sequence[str]) -> list[HopOut]:
    """All hops of a path at once, each after those that it needs."""
    tasks: dict[str, asyncio.Task[HopOut]] = {}
    for key in path:
        before = {need: tasks[need] for need in HOPS[key].needs if need in tasks}
        tasks[key] = asyncio.create_task(_after(scene, key, before), name=f"hop {key}")
    return list(await asyncio.gather(*tasks.values()))


async def _after(scene: Scene, key: str, before: Mapping[str, asyncio.Task[HopOut]]) -> HopOut:
    for need, task in before.items():
        if (await task).status is not HopStatus.OK:
            why = found(HopReason.NOT_LOOKED_AT, title=HOPS[need].title, hop=need)
            return _told(key, HopStatus.SKIPPED, why)
    started = time.perf_counter()
    try:
        async with asyncio.timeout(HOP_SECONDS):
            status, finding = HopStatus.OK, await CHECKS[key](scene)
    except Skip as skip:
        status, finding = HopStatus.SKIPPED, skip.finding
    except Trouble as trouble:
        status, finding = HopStatus.FAILED, trouble.finding
    except TimeoutError:
        why = found(HopReason.NOT_IN_TIME, seconds=f"{HOP_SECONDS:g}")
        status, finding = HopStatus.FAILED, why
    except StudioError as error:
        status, finding = HopStatus.FAILED, _of_error(error)
    except Exception as error:
        log.warning("doctor.check_failed", hop=key, error=f"{type(error).__name__}: {error}"[:300])
        why = found(HopReason.CHECK_FAILED, why=type(error).__name__)
        status, finding = HopStatus.FAILED, why
    return _told(key, status, finding, round((time.perf_counter() - started) * 1000))


def _of_error(error: StudioError) -> Finding:
    if error.code is None:
        return found(HopReason.TOLD, why=error.what)
    return Finding(error.what, error.code, error.values)


def _told(key: str, status: HopStatus, finding: Finding, ms: int | None = None) -> HopOut:
    hop = HOPS[key]
    red = status is HopStatus.FAILED
    return HopOut(
        key=key,
        title=hop.title,
        host=hop.host,
        status=status,
        reason=finding.reason,
        code=finding.code,
        values=dict(finding.values),
        report=finding.report,
        next_step=hop.next_step if red else "",
        log=hop.log if red else "",
        ms=ms,
    )
