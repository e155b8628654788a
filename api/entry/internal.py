"""What nginx asks. It is the only one that can: it never passes ``/internal/`` on."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response
from sqlmodel import col, select

from api.entry.deps import Use
from ops.db.tables import App

router = APIRouter(prefix="/internal", include_in_schema=False)


def upstream(node_id: str) -> str:
    """Name of the nginx group that holds the node's gateway."""
    return "node_" + node_id.replace("-", "_")


@router.get("/route")
async def route(
    use: Use,
    slug: Annotated[str | None, Query(max_length=63)] = None,
    app_id: Annotated[int | None, Query(ge=1, le=2**53)] = None,
) -> Response:
    """204 with where the app is served, 403 when it is not: nginx knows no other refusal.

    While the records are away this is a 503, and nginx goes on with the answer that it has.
    """
    if (slug is None) == (app_id is None):
        return Response(status_code=403)
    query = select(App.slug, App.node_id).where(
        App.slug == slug if slug is not None else App.id == app_id,
        col(App.live_deployment_id).is_not(None),
        col(App.node_id).is_not(None),
        col(App.stopped).is_(False),
        col(App.deleting).is_(False),
    )
    async with use.database.session() as session:
        found = (await session.exec(query)).first()
    if found is None or found[1] is None:
        return Response(status_code=403)
    return Response(
        status_code=204,
        headers={
            "X-Studio-Upstream": upstream(found[1]),
            "X-Studio-Host": use.settings.app_host(found[0]),
        },
    )
