"""Links by which an owner shows a preview to others: one app, for a while, until it is withdrawn.

What they show is what runs: never files, a terminal or another app, and nothing is woken for it.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection
from datetime import timedelta

from fastapi import APIRouter, Response, status
from sqlmodel import col, delete, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from activities.contracts.workspace import Run, RunState, WorkspaceStatus
from api.entry import previews
from api.entry.deps import Id, Me, Use, changeable, own_app
from api.entry.problems import errors
from api.entry.publishing import locked_owner
from api.entry.schemas_workspace import NewShareLink, NewShareLinkOut, ShareLinkOut
from api.entry.services import Services
from ops.db.tables import ShareLink, Workspace, now
from ops.error_codes import ErrorCode
from ops.errors import LimitReached, NotFound
from ops.tokens import token_hash

router = APIRouter(prefix="/api/workspace/share-links", tags=["workspace"])

MAX_LINKS = 50


@router.get("", responses=errors(401, 503))
async def list_share_links(me: Me, use: Use) -> list[ShareLinkOut]:
    """Those that still show something; their addresses were told when they were made."""
    query = (
        select(ShareLink)
        .where(ShareLink.user_id == me.id, ShareLink.expires_at > now())
        .order_by(col(ShareLink.id))
    )
    async with use.database.session() as session:
        return [ShareLinkOut.of(row) for row in await session.exec(query)]


@router.post(
    "",
    status_code=status.HTTP_201_CREATED,
    responses=errors(401, 403, 404, 409, 422, 429, 503),
)
async def make_share_link(body: NewShareLink, me: Me, use: Use) -> NewShareLinkOut:
    """Shows the preview of this app to whoever has the address, while it runs."""
    app = changeable(await own_app(use, me, body.app_id))
    assert app.id is not None
    token = secrets.token_urlsafe(32)
    row = ShareLink(
        user_id=me.id,
        app_id=app.id,
        hash=token_hash(token),
        expires_at=now() + timedelta(seconds=body.expires_in),
    )
    async with use.database.session() as session:
        await locked_owner(session, me.id)
        await session.exec(
            delete(ShareLink).where(
                col(ShareLink.user_id) == me.id, col(ShareLink.expires_at) < now()
            )
        )
        count = select(func.count()).where(ShareLink.user_id == me.id)
        if (await session.exec(count)).one() >= MAX_LINKS:
            raise LimitReached(
                f"you have {MAX_LINKS} links",
                code=ErrorCode.LINKS_LIMIT,
                values={"limit": MAX_LINKS},
                hint="withdraw some of them",
            )
        session.add(row)
        await session.flush()
        made = ShareLinkOut.of(row)
    url = previews.share_url(use.settings, me.id, token)
    return NewShareLinkOut(**made.model_dump(), url=url)


@router.delete(
    "/{link_id}", status_code=status.HTTP_204_NO_CONTENT, responses=errors(401, 403, 404, 503)
)
async def withdraw_share_link(link_id: Id, me: Me, use: Use) -> Response:
    """It shows nothing from then on; connections that it opened are closed within seconds."""
    query = delete(ShareLink).where(col(ShareLink.id) == link_id, col(ShareLink.user_id) == me.id)
    async with use.database.session() as session:
        gone = await session.exec(query)
    if gone.rowcount != 1:
        raise NotFound(
            f"there is no link {link_id} of yours",
            code=ErrorCode.LINK_MISSING,
            hint="see `studio share --list`",
        )
    return Response(status_code=status.HTTP_204_NO_CONTENT)


async def link_of(use: Services, user_id: int, token: str) -> ShareLink | None:
    """The link that a token belongs to, while it is good for this user's preview."""
    if not token:
        return None
    query = select(ShareLink).where(
        ShareLink.hash == token_hash(token),
        ShareLink.user_id == user_id,
        ShareLink.expires_at > now(),
    )
    async with use.database.session() as session:
        return (await session.exec(query)).first()


async def shown(session: AsyncSession, link_ids: Collection[int]) -> dict[int, Workspace]:
    """Of these links, the ones that show something just now, with the workspace that they show."""
    query = (
        select(ShareLink, Workspace)
        .where(Workspace.user_id == ShareLink.user_id)
        .where(col(ShareLink.id).in_(link_ids), ShareLink.expires_at > now())
    )
    return {
        link.id: row
        for link, row in await session.exec(query)
        if link.id is not None and shows(link, row)
    }


def shows(link: ShareLink, row: Workspace) -> bool:
    """Whether a run of the link's own app serves in the workspace."""
    run = Run.model_validate(row.run) if row.run else None
    return (
        row.status == WorkspaceStatus.OPEN
        and run is not None
        and run.app_id == link.app_id
        and run.task.serves
        and run.state is RunState.RUNNING
    )
