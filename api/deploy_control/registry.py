"""The token endpoint that the image registry sends its clients to."""

from __future__ import annotations

import re
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Query
from fastapi.security import HTTPBasic, HTTPBasicCredentials
from sqlmodel import col, select

from activities.contracts.base import DeploymentStatus
from api.deploy_control.registry_tokens import Subject, parse_scopes
from api.deploy_control.state import AState, State
from ops.db.tables import App, Deployment
from ops.errors import Invalid, Unauthorized
from ops.names import app_repository

router = APIRouter(tags=["registry"])

_basic = HTTPBasic(realm="studio-registry", auto_error=False)
_OF_A_DEPLOYMENT = re.compile(r"(?P<kind>deployment|push)-(?P<id>[1-9][0-9]{0,17})")


@router.get("/registry/token")
async def token(
    state: AState,
    credentials: Annotated[HTTPBasicCredentials | None, Depends(_basic)],
    scope: Annotated[list[str] | None, Query()] = None,
) -> dict[str, Any]:
    """Docker's token protocol: Basic credentials, scopes in the query."""
    if credentials is None:
        raise Unauthorized("the registry wants credentials")
    scopes = parse_scopes(scope or [])
    subject = await _subject(state, credentials.username, credentials.password)
    return state.registry.token(subject, scopes)


@router.post("/registry/token")
async def oauth_token(
    state: AState,
    grant_type: Annotated[str, Form()],
    username: Annotated[str, Form()] = "",
    password: Annotated[str, Form()] = "",
    scope: Annotated[str, Form()] = "",
) -> dict[str, Any]:
    """The same in OAuth2's form, which build engines try first."""
    if grant_type != "password":
        raise Invalid("only the password grant is known", field="grant_type")
    scopes = parse_scopes([scope])
    return state.registry.token(await _subject(state, username, password), scopes)


async def _subject(state: State, user: str, password: str) -> Subject:
    subject = state.registry.standing(user, password)
    match = _OF_A_DEPLOYMENT.fullmatch(user)
    if match and state.passwords.good(user, password):
        subject = await _of_a_deployment(state, match["kind"], int(match["id"]))
    if subject is None:
        raise Unauthorized("the registry does not know these credentials")
    return subject


async def _of_a_deployment(state: State, kind: str, deployment_id: int) -> Subject | None:
    """While it is under way. A push asks for a token for each place that may have a layer."""
    query = (
        select(Deployment.status, App.id, App.user_id)
        .join(App, col(App.id) == Deployment.app_id)
        .where(Deployment.id == deployment_id)
    )
    async with state.database.session() as session:
        found = (await session.exec(query)).first()
    if found is None or DeploymentStatus(found[0]).ended:
        return None
    _, app_id, user_id = found
    repository = app_repository(user_id, app_id or 0)
    return Subject(
        f"{kind}-{deployment_id}",
        kind,
        f"{state.settings.image_namespace}/{repository}",
        user_id,
    )
