"""What changed in an app's code since the release that is live, or was."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import StringConstraints
from sqlmodel import col, select

from api.entry.deps import OwnedApp, OwnedDeployment, Use
from api.entry.fields import GitRef
from api.entry.problems import errors
from api.entry.schemas_figures import Changes, CommitOut
from api.entry.services import Services
from ops.db.tables import App, Deployment
from ops.gitea import DEFAULT_BRANCH
from ops.gitea_commits import Commit
from ops.names import app_repository

router = APIRouter(prefix="/api", tags=["deployments"])

CommitId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{40,64}$")]


@router.get("/apps/{app_id}/changes", responses=errors(401, 404, 422, 503))
async def read_changes(
    app: OwnedApp,
    use: Use,
    ref: Annotated[GitRef, Query(description="A branch, a tag or a commit")] = DEFAULT_BRANCH,
) -> Changes:
    """The commits that a deployment of ``ref`` would bring to the live app."""
    live = None
    if app.live_deployment_id is not None:
        async with use.database.session() as session:
            live = await session.get(Deployment, app.live_deployment_id)
    after = await use.gitea.resolve(app_repository(app.user_id, app.id or 0), ref)
    return await _compare(use, app, live.commit if live else None, after)


@router.get("/apps/{app_id}/commits", responses=errors(401, 404, 422, 503))
async def read_commits(
    app: OwnedApp,
    use: Use,
    sha: Annotated[list[CommitId], Query(max_length=50, description="Which")],
) -> list[CommitOut]:
    """Who wrote what, of the commits that are asked for and still there."""
    assert app.id is not None
    name = app_repository(app.user_id, app.id)
    found = await asyncio.gather(*(use.gitea.commit(name, one) for one in sorted(set(sha))))
    return _commits([one for one in found if one is not None])


@router.get("/deployments/{deployment_id}/changes", responses=errors(401, 404, 422, 503))
async def read_deployment_changes(owned: OwnedDeployment, use: Use) -> Changes:
    """The commits that lead from the release that was live before to this deployment's."""
    query = (
        select(Deployment.commit)
        .where(
            Deployment.app_id == owned.app.id,
            col(Deployment.id) < owned.id,
            col(Deployment.live_at).is_not(None),
            col(Deployment.commit).is_not(None),
        )
        .order_by(col(Deployment.live_at).desc(), col(Deployment.id).desc())
        .limit(1)
    )
    async with use.database.session() as session:
        before = (await session.exec(query)).first()
    return await _compare(use, owned.app, before, owned.deployment.commit)


async def _compare(use: Services, app: App, before: str | None, after: str | None) -> Changes:
    assert app.id is not None
    added = taken_back = None
    if before is not None and after is not None:
        name = app_repository(app.user_id, app.id)
        added = await use.gitea.compare(name, before, after)
        taken_back = await use.gitea.compare(name, after, before)
    return Changes(
        before=before,
        after=after,
        known=added is not None and taken_back is not None,
        added=_commits(added.commits if added else []),
        taken_back=_commits(taken_back.commits if taken_back else []),
        added_total=added.total if added else 0,
        taken_back_total=taken_back.total if taken_back else 0,
    )


def _commits(found: list[Commit]) -> list[CommitOut]:
    return [
        CommitOut(commit=one.sha, subject=one.subject, author=one.author, at=one.at)
        for one in found
    ]
