"""What nginx asks. It is the only one that can: it never passes ``/internal/`` on."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from api.entry.deps import Use
from ops.db.serving import where_served

router = APIRouter(prefix="/internal", include_in_schema=False)

LARGEST_ID = 2**53


def upstream(node_id: str) -> str:
    """Name of the nginx group that holds the node's gateway."""
    return "node_" + node_id.replace("-", "_")


@router.get("/route")
async def route(
    use: Use,
    slug: Annotated[str | None, Query()] = None,
    app_id: Annotated[int | None, Query()] = None,
) -> Response:
    """204 with where the app is served, 403 when it is not: nginx knows no other refusal.

    While the records are away this is a 503, and nginx goes on with the answer that it has.
    """
    if (slug is None) == (app_id is None) or not 0 < (app_id or 1) <= LARGEST_ID:
        return Response(status_code=403)
    async with use.database.session() as session:
        found = await where_served(session, slug=slug, app_id=app_id)
    if found is None:
        return Response(status_code=403)
    return Response(
        status_code=204,
        headers={
            "X-Studio-Upstream": upstream(found.node_id),
            "X-Studio-Host": use.settings.app_host(found.slug),
        },
    )
