"""Which release a deployment starts from, and which images nobody needs: pure, over records' rows."""

from __future__ import annotations

from collections.abc import Sequence

from activities.contracts.base import DeploymentKind, DeploymentStatus, Release
from activities.contracts.records import Plan
from ops.db.tables import App, Deployment
from ops.error_codes import ErrorCode
from ops.errors import Conflict, NotFound
from ops.names import app_container, app_database, app_repository
from ops.settings import Settings


def release_of(row: Deployment | None) -> Release | None:
    """The release that a row names, when its image is still there."""
    if row is None or row.digest is None or row.repository is None or row.image_gone:
        return None
    return Release(
        repository=row.repository,
        digest=row.digest,
        commit=row.commit or "",
        port=row.port or 3000,
        health_path=row.health_path or "/",
    )


def plan_for(
    settings: Settings,
    app: App,
    row: Deployment,
    *,
    source: Deployment | None,
    live: Deployment | None,
    last: Deployment | None,
) -> Plan:
    """What ``row`` is to do.

    ``source`` is the deployment that the row names as its origin, ``live`` the one that serves,
    ``last`` the last successful one whose image is kept. Raises Conflict or NotFound when the
    release that is asked for cannot be started.
    """
    assert app.id is not None
    assert row.id is not None
    kind = DeploymentKind(row.kind)
    if app.deleting:
        raise Conflict(
            "the app is being deleted", code=ErrorCode.APP_DELETING, hint="make a new app"
        )
    if DeploymentStatus(row.status).ended:
        raise Conflict(
            f"deployment {row.id} has ended",
            code=ErrorCode.DEPLOYMENT_ENDED,
            hint="ask for a new one",
        )
    if row.source_deployment_id is not None and (source is None or source.app_id != app.id):
        raise NotFound(
            f"the app has no deployment {row.source_deployment_id}",
            code=ErrorCode.DEPLOYMENT_MISSING,
            values={"id": row.source_deployment_id},
        )
    release_id = row.id
    if kind is DeploymentKind.REPAIR and live is not None:
        assert live.id is not None
        release_id = live.id
    return Plan(
        deployment_id=row.id,
        release_id=release_id,
        app_id=app.id,
        user_id=app.user_id,
        slug=app.slug,
        kind=kind,
        ref=_ref(kind, row, source),
        repository=app_repository(app.user_id, app.id),
        container=app_container(app.id, release_id),
        database=app_database(app.id),
        release=_release(kind, row, source, live, last),
        live_deployment_id=app.live_deployment_id,
        node_id=app.node_id,
        host=settings.app_host(app.slug),
        base_path=settings.base_path(app.id),
        soak_seconds=settings.soak_seconds,
        health_seconds=settings.health_seconds,
        keep_releases=settings.keep_releases,
    )


def _release(
    kind: DeploymentKind,
    row: Deployment,
    source: Deployment | None,
    live: Deployment | None,
    last: Deployment | None,
) -> Release | None:
    """The release to start, None where it has to be built (or where nothing is started)."""
    if kind is DeploymentKind.REPAIR:
        return release_of(live)
    if kind in (DeploymentKind.DEPLOY, DeploymentKind.STOP):
        return None
    found = release_of(row) or release_of(source)
    if kind is DeploymentKind.RETRY:
        return found
    if kind is DeploymentKind.START:
        found = found or release_of(live) or release_of(last)
    if found is not None:
        return found
    if source is not None and source.image_gone:
        raise Conflict(
            f"the image of deployment {source.id} was pruned",
            code=ErrorCode.IMAGE_PRUNED,
            hint=f"deploy its commit again: {source.commit}",
        )
    raise Conflict(
        "the app has no release to start", code=ErrorCode.NO_RELEASE, hint="deploy it first"
    )


def _ref(kind: DeploymentKind, row: Deployment, source: Deployment | None) -> str:
    """A retry builds the very commit again, also when its branch has moved on meanwhile."""
    if kind is not DeploymentKind.RETRY:
        return row.ref
    known = [row.commit, source.commit if source else None, source.ref if source else None]
    return next((ref for ref in known if ref), row.ref)


def refuse_resumed(app: App, row: Deployment, done_after: int | None) -> None:
    """Raises Conflict when a deployment may not go live: it was given up, or ``done_after`` was
    asked for since.

    After a power cut Temporal may know less than the records do, and go on with what has ended. One
    that went well goes live once more.
    """
    assert row.id is not None
    newer = max(done_after or 0, app.live_deployment_id or 0)
    if newer > row.id:
        raise Conflict(
            f"a newer deployment ({newer}) took its place",
            code=ErrorCode.DISPLACED,
            values={"id": newer},
        )
    status = DeploymentStatus(row.status)
    if status.ended and status is not DeploymentStatus.SUCCEEDED:
        raise Conflict(f"deployment {row.id} has ended", code=ErrorCode.DEPLOYMENT_ENDED)


KEPT_FAILURES = 2
"""Images of so many failed deployments are kept: a retry may start from them. Each may be as large
as an image may be, and an app may fail as often as it likes."""


def prunable_digests(rows: Sequence[Deployment], live_id: int | None, keep: int) -> list[str]:
    """Digests of one app that no release needs, oldest last.

    Kept are the digests of the last ``keep`` distinct releases (the live one counts as the
    newest), of what is under way, and of the last few failed deployments that are newer than the
    oldest kept release.
    """
    newest_first = sorted(rows, key=lambda row: row.id or 0, reverse=True)
    live = [row for row in newest_first if row.id == live_id]
    releases = [row for row in newest_first if row.status == DeploymentStatus.SUCCEEDED]
    kept: set[str] = set()
    oldest = 0
    for row in [*live, *releases]:
        if row.digest is None or row.image_gone or row.digest in kept:
            continue
        if len(kept) == keep:
            break
        kept.add(row.digest)
        oldest = row.id or 0
    failures: dict[str, None] = {}
    for row in newest_first:
        if row.digest is None:
            continue
        if not DeploymentStatus(row.status).ended:
            kept.add(row.digest)
        elif (
            row.status != DeploymentStatus.SUCCEEDED
            and not row.image_gone
            and (row.id or 0) > oldest
        ):
            failures[row.digest] = None
    kept |= set(list(failures)[:KEPT_FAILURES])
    found = [row.digest for row in newest_first if row.digest and row.digest not in kept]
    return list(dict.fromkeys(found))
