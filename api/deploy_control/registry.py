"""The token endpoint that the image registry sends its clients to."""

from __future__ import annotations

import re
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Query
from fastapi.security import HTTPBasic, HTTPBasicCredentials

from activities.contracts.base import DeploymentStatus
from api.deploy_control.registry_tokens import Subject, parse_scopes
from api.deploy_control.state import AState, State
from ops.errors import Invalid, NotFound, Unauthorized
from ops.names import app_repository

router = APIRouter(tags=["registry"])

_basic = HTTPBasic(realm="studio-registry", auto_error=False)
_DEPLOYMENT = re.compile(r"deployment-([1-9][0-9]{0,17})")


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
    if subject is None and (match := _DEPLOYMENT.fullmatch(user)):
        subject = await _deployment(state, int(match[1]), password)
    if subject is None:
        raise Unauthorized("the registry does not know these credentials")
    return subject


async def _deployment(state: State, deployment_id: int, password: str) -> Subject | None:
    if not state.passwords.good(deployment_id, password):
        return None
    try:
        row = await state.deployment(deployment_id)
        app = await state.app(row.app_id)
    except NotFound:
        return None
    if DeploymentStatus(row.status).ended:
        return None
    repository = app_repository(app.user_id, row.app_id)
    return Subject(
        f"deployment-{deployment_id}",
        "deployment",
        f"{state.settings.image_namespace}/{repository}",
    )
