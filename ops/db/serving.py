"""Where an app is served: asked by nginx for each request that its cache does not answer."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import and_, func, or_
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from ops.db.tables import App, Deployment, DeploymentStage


@dataclass(frozen=True)
class Served:
    slug: str
    node_id: str


async def where_served(
    session: AsyncSession, *, slug: str | None = None, app_id: int | None = None
) -> Served | None:
    """The node whose gateway has the app's route; None when the app is not to be reached.

    That is a live app, and one whose first (or only) release is being verified: its route is in
    place by then, and it is through the public URL that it has to prove itself.
    """
    verifying = (
        select(Deployment.node_id)
        .join(DeploymentStage, col(DeploymentStage.deployment_id) == col(Deployment.id))
        .where(
            Deployment.app_id == App.id,
            Deployment.status == "RUNNING",
            DeploymentStage.name == "verify",
            col(DeploymentStage.status).in_(("RUNNING", "SUCCEEDED")),
        )
        .limit(1)
        .scalar_subquery()
    )
    live = and_(col(App.live_deployment_id).is_not(None), col(App.stopped).is_(False))
    query = select(App.slug, func.coalesce(verifying, App.node_id)).where(
        App.slug == slug if slug is not None else App.id == app_id,
        col(App.deleting).is_(False),
        col(App.node_id).is_not(None),
        or_(live, verifying.is_not(None)),
    )
    found = (await session.exec(query)).first()
    return Served(slug=found[0], node_id=found[1]) if found else None
