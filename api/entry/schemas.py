"""What the API takes and gives. Times are UTC; unknown fields in a request are refused."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer, SecretStr

from activities.contracts import (
    STAGE_ORDER,
    DeploymentKind,
    DeploymentStatus,
    Figures,
    NodeRole,
    NodeStatus,
    Stage,
    StageStatus,
)
from ops import validation
from ops.db.tables import App, Deployment, DeploymentStage, SshKey, Token
from ops.errors import ErrorReport, Invalid
from ops.gitea import ssh_url
from ops.names import app_repository
from ops.passwords import MAX_LENGTH, MIN_LENGTH
from ops.settings import Settings
from workflows.messages import OnBusy


def _checked(check: Callable[[str], str]) -> AfterValidator:
    """A rule of ``ops/validation.py`` as pydantic takes it."""

    def run(value: str) -> str:
        try:
            return check(value)
        except Invalid as refusal:
            raise ValueError(
                refusal.what + (f" ({refusal.hint})" if refusal.hint else "")
            ) from None

    return AfterValidator(run)


def _utc(value: datetime) -> str:
    return value.replace(tzinfo=UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


Time = Annotated[datetime, PlainSerializer(_utc, return_type=str, when_used="json")]
Email = Annotated[
    str, Field(max_length=254, examples=["ada@example.org"]), _checked(validation.email)
]
AppName = Annotated[str, Field(examples=["My shop"]), _checked(validation.app_name)]
GitRef = Annotated[str, Field(examples=["main"]), _checked(validation.git_ref)]
EnvKey = Annotated[str, Field(examples=["GREETING"]), _checked(validation.env_key)]
Title = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+$")]


class Taken(BaseModel):
    """A request's body."""

    model_config = ConfigDict(extra="forbid")


class Given(BaseModel):
    """An answer's body."""

    model_config = ConfigDict(frozen=True)


# --- people ------------------------------------------------------------------------------------


class Register(Taken):
    email: Email
    password: SecretStr = Field(min_length=MIN_LENGTH, max_length=MAX_LENGTH)


class Login(Taken):
    email: str = Field(max_length=254, examples=["ada@example.org"])
    password: SecretStr = Field(max_length=MAX_LENGTH)


class Registered(Given):
    id: int = Field(examples=[1])
    email: str = Field(examples=["ada@example.org"])


class LoggedIn(Given):
    token: str = Field(examples=["st_v0Zb…"], description="Send as `Authorization: Bearer …`")


class Me(Registered):
    is_admin: bool
    created_at: Time
    limits: dict[str, float] = Field(
        examples=[{"apps": 10, "live_apps": 3, "memory_mb": 512, "cpus": 1.0}]
    )


class NewToken(Taken):
    name: Title = Field(examples=["laptop"])
    expires_in_days: int | None = Field(default=None, ge=1, le=3650)


class TokenOut(Given):
    id: int
    name: str = Field(examples=["laptop"])
    created_at: Time
    expires_at: Time | None

    @classmethod
    def of(cls, row: Token) -> TokenOut:
        assert row.id is not None
        return cls(
            id=row.id, name=row.name or "", created_at=row.created_at, expires_at=row.expires_at
        )


class TokenMade(TokenOut):
    token: str = Field(examples=["st_v0Zb…"], description="Shown this once only")


class NewSshKey(Taken):
    title: Title = Field(examples=["laptop"])
    public_key: str = Field(max_length=16384, examples=["ssh-ed25519 AAAAC3… ada@laptop"])


class SshKeyOut(Given):
    id: int
    title: str = Field(examples=["laptop"])
    fingerprint: str = Field(examples=["SHA256:Yq9vG1…"])
    created_at: Time

    @classmethod
    def of(cls, row: SshKey) -> SshKeyOut:
        assert row.id is not None
        return cls(
            id=row.id, title=row.title, fingerprint=row.fingerprint, created_at=row.created_at
        )


# --- apps --------------------------------------------------------------------------------------


class AppStatus(StrEnum):
    NEW = "NEW"
    LIVE = "LIVE"
    STOPPED = "STOPPED"
    DEPLOYING = "DEPLOYING"
    FAILED = "FAILED"
    DELETING = "DELETING"

    @classmethod
    def of(cls, app: App, busy: bool, last: DeploymentStatus | None) -> AppStatus:
        """From the records: what was asked for last counts most, then what serves."""
        if app.deleting:
            return cls.DELETING
        if busy:
            return cls.DEPLOYING
        if app.stopped:
            return cls.STOPPED
        if app.live_deployment_id is not None:
            return cls.LIVE
        if last in (DeploymentStatus.FAILED, DeploymentStatus.ROLLED_BACK):
            return cls.FAILED
        return cls.NEW


class NewApp(Taken):
    name: AppName
    template: str | None = Field(
        default=None,
        max_length=50,
        examples=["express-api"],
        description="One of GET /api/templates; without one the repository starts empty",
    )


class AppPatch(Taken):
    name: AppName


class AppOut(Given):
    id: int = Field(examples=[7])
    name: str = Field(examples=["My shop"])
    slug: str = Field(examples=["my-shop"])
    url: str = Field(examples=["http://my-shop.apps.localhost:8000/"])
    repo_ssh_url: str = Field(examples=["ssh://git@127.0.0.1:2222/studio/u1-app7.git"])
    status: AppStatus
    node: str | None = Field(examples=["runtime-102"])
    live_deployment: int | None = Field(examples=[31])
    template: str | None = Field(examples=["express-api"])
    created_at: Time

    @classmethod
    def of(cls, settings: Settings, app: App, busy: bool, last: DeploymentStatus | None) -> AppOut:
        assert app.id is not None
        return cls(
            id=app.id,
            name=app.name,
            slug=app.slug,
            url=settings.app_url(app.id, app.slug),
            repo_ssh_url=ssh_url(settings, app_repository(app.user_id, app.id)),
            status=AppStatus.of(app, busy, last),
            node=app.node_id,
            live_deployment=app.live_deployment_id,
            template=app.template,
            created_at=app.created_at,
        )


class TemplateOut(Given):
    name: str = Field(examples=["express-api"])
    title: str = Field(examples=["Express"])
    description: str = Field(examples=["A small JSON API on Node"])


class EnvValue(Taken):
    """``value`` left out keeps the one that is stored."""

    key: EnvKey
    value: str | None = Field(default=None, examples=["hello"])
    at_build: bool = Field(default=False, description="Also given to the build")


class EnvPut(Taken):
    """The whole environment: a variable that is not in it is removed."""

    variables: list[EnvValue] = Field(max_length=validation.ENV_COUNT)


class EnvPatch(Taken):
    """A change: what is neither set nor unset stays."""

    set: list[EnvValue] = Field(default=[], max_length=validation.ENV_COUNT)
    unset: list[str] = Field(default=[], max_length=validation.ENV_COUNT)


class EnvVariable(Given):
    key: str = Field(examples=["GREETING"])
    value: str = Field(examples=["••••••"], description="Masked, unless ?reveal=true")
    at_build: bool


class EnvOut(Given):
    variables: list[EnvVariable]


# --- deployments -------------------------------------------------------------------------------


class NewDeployment(Taken):
    ref: GitRef = Field(default="main", description="A branch, a tag or a commit")
    on_busy: OnBusy = OnBusy.REJECT


class NewRollback(Taken):
    deployment_id: int | None = Field(
        default=None, ge=1, description="Without one: the release before the live one"
    )
    on_busy: OnBusy = OnBusy.REJECT


class Asked(Taken):
    on_busy: OnBusy = OnBusy.REJECT


class Accepted(Given):
    id: int = Field(
        examples=[31], description="The deployment; follow /api/deployments/{id}/events"
    )


class StageOut(Given):
    name: Stage
    status: StageStatus
    attempt: int
    host: str | None = Field(examples=["runner-101"])
    started_at: Time
    ended_at: Time | None
    error: str | None


class DeploymentOut(Given):
    id: int = Field(examples=[31])
    app_id: int = Field(examples=[7])
    kind: DeploymentKind
    status: DeploymentStatus
    ref: str = Field(examples=["main"])
    commit: str | None = Field(examples=["9fceb02d0ae598e95dc970b74767f19372d61af8"])
    image: str | None = Field(examples=["apps/u1-app7@sha256:5f70bf18…"])
    url: str = Field(examples=["http://my-shop.apps.localhost:8000/"])
    source_deployment: int | None = Field(description="The release that this one starts from")
    version: int = Field(description="Grows with each change; the id of events")
    created_at: Time
    live_at: Time | None = Field(description="When the new release answered at the public URL")
    ended_at: Time | None
    error: ErrorReport | None
    removed: list[str] = Field(
        examples=[["container app-7-31"]], description="What was confirmed gone after a cancel"
    )
    can_roll_back: bool = Field(description="Its image is kept: a rollback to it is possible")
    stages: list[StageOut]

    @classmethod
    def of(
        cls, settings: Settings, app: App, row: Deployment, stages: Iterable[DeploymentStage]
    ) -> DeploymentOut:
        assert row.id is not None
        assert app.id is not None
        image = (
            f"{settings.image_namespace}/{row.repository}@{row.digest}"
            if row.repository and row.digest
            else None
        )
        return cls(
            id=row.id,
            app_id=row.app_id,
            kind=DeploymentKind(row.kind),
            status=DeploymentStatus(row.status),
            ref=row.ref,
            commit=row.commit,
            image=image,
            url=settings.app_url(app.id, app.slug),
            source_deployment=row.source_deployment_id,
            version=row.version,
            created_at=row.created_at,
            live_at=row.live_at,
            ended_at=row.ended_at,
            error=ErrorReport.model_validate(row.error) if row.error else None,
            removed=row.removed or [],
            can_roll_back=(
                row.status == DeploymentStatus.SUCCEEDED
                and image is not None
                and not row.image_gone
            ),
            stages=sorted(
                (
                    StageOut(
                        name=Stage(stage.name),
                        status=StageStatus(stage.status),
                        attempt=stage.attempt,
                        host=stage.host,
                        started_at=stage.started_at,
                        ended_at=stage.ended_at,
                        error=stage.error,
                    )
                    for stage in stages
                ),
                key=lambda stage: STAGE_ORDER.index(stage.name),
            ),
        )


class LogLine(BaseModel):
    """A line of a deployment's log as 7002 keeps it."""

    model_config = ConfigDict(extra="ignore")

    n: int = Field(examples=[12])
    text: str = Field(examples=["added 64 packages in 2s"])
    source: str = Field(default="", examples=["build"])
    at: Any = Field(default=None, examples=["2025-01-31T12:00:00.123Z"])


# --- nodes, health -----------------------------------------------------------------------------


class NodeOut(Given):
    node_id: str = Field(examples=["runtime-102"])
    role: NodeRole
    status: NodeStatus
    reason: str = Field(examples=[""])
    draining: bool
    figures: Figures | None
    changed_at: Time | None


class Health(Given):
    status: Literal["ok"] = "ok"


class Ready(Health):
    mysql: Literal["ok"] = "ok"
    temporal: Literal["ok"] = "ok"
