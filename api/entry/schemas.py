"""What the API takes and gives of people and apps."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field, model_validator

from activities.contracts.base import DeploymentStatus
from activities.contracts.imports import ImportState
from api.entry.fields import AppName, Email, EnvKey, Given, ImportUrl, Password, Taken, Time, Title
from ops import validation
from ops.db.tables import AccountDeletion, App, SshKey, Token
from ops.errors import ErrorReport
from ops.gitea import ssh_url
from ops.names import app_repository
from ops.passwords import MIN_LENGTH
from ops.settings import Settings

# --- people ------------------------------------------------------------------------------------


class Register(Taken):
    email: Email
    password: Password = Field(min_length=MIN_LENGTH)


class Login(Taken):
    email: str = Field(max_length=254, examples=["ada@example.org"])
    password: Password


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


class ChangePassword(Taken):
    current: Password
    new: Password = Field(min_length=MIN_LENGTH, examples=["a longer staple for the horse"])


class DeleteAccount(Taken):
    password: Password = Field(description="Your own, once more")


class DeletionStatus(StrEnum):
    DELETING = "DELETING"
    DELETED = "DELETED"


class DeletionOut(Given):
    status: DeletionStatus
    gone: list[str] = Field(examples=[["repository u1-app7"]], description="Confirmed")
    left: list[str] = Field(examples=[["workspace on workspace-87"]], description="Not yet")
    asked_at: Time
    ended_at: Time | None = Field(examples=[None])

    @classmethod
    def of(cls, row: AccountDeletion) -> DeletionOut:
        return cls(
            status=DeletionStatus.DELETED if row.ended_at else DeletionStatus.DELETING,
            gone=row.gone,
            left=row.left,
            asked_at=row.asked_at,
            ended_at=row.ended_at,
        )


class DeletionBegun(DeletionOut):
    receipt: str = Field(examples=["sd_v0Zb…"], description="Shown this once only")


class NewToken(Taken):
    name: Title = Field(examples=["laptop"])
    expires_in_days: int | None = Field(default=None, ge=1, le=3650)


class TokenOut(Given):
    id: int = Field(examples=[5])
    name: str = Field(examples=["laptop"])
    created_at: Time
    expires_at: Time | None = Field(description="null: it does not end by itself")
    last_used_at: Time | None = Field(description="Right to a minute; null: not used yet")

    @classmethod
    def of(cls, row: Token) -> TokenOut:
        assert row.id is not None
        return cls(
            id=row.id,
            name=row.name or "",
            created_at=row.created_at,
            expires_at=row.expires_at,
            last_used_at=row.last_used_at,
        )


class TokenMade(TokenOut):
    token: str = Field(examples=["st_v0Zb…"], description="Shown this once only")


class NewSshKey(Taken):
    title: Title = Field(examples=["laptop"])
    public_key: str = Field(max_length=16384, examples=["ssh-ed25519 AAAAC3… ada@laptop"])


class SshKeyOut(Given):
    id: int = Field(examples=[2])
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
    git_url: ImportUrl | None = Field(
        default=None,
        description="A public repository whose default branch the app begins with; see `importing`",
    )

    @model_validator(mode="after")
    def _one_beginning(self) -> NewApp:
        if self.template is not None and self.git_url is not None:
            raise ValueError("an app begins with a template or with a git_url, not with both")
        return self


class AppPatch(Taken):
    name: AppName


class AppOut(Given):
    id: int = Field(examples=[7])
    name: str = Field(examples=["My shop"])
    slug: str = Field(examples=["my-shop"])
    url: str = Field(examples=["http://my-shop.apps.localhost:8000/"])
    repo_ssh_url: str = Field(examples=["ssh://git@127.0.0.1:2222/studio/u1-app7.git"])
    status: AppStatus = Field(examples=["LIVE"])
    node: str | None = Field(examples=["runtime-102"])
    live_deployment: int | None = Field(examples=[31])
    template: str | None = Field(examples=["express-api"])
    git_url: str | None = Field(examples=[None, "https://git.example.org/ada/shop.git"])
    importing: bool = Field(description="Its first source is still being fetched")
    import_error: str | None = Field(
        examples=[None, "the repository is empty"], description="Why that has failed"
    )
    import_report: ErrorReport | None = Field(
        examples=[None],
        description="The same with its code, for a translation; null for failures of before",
    )
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
            git_url=app.git_url,
            importing=app.import_state in (ImportState.PENDING, ImportState.UPLOADING),
            import_error=app.import_error,
            import_report=(
                ErrorReport.model_validate(app.import_report) if app.import_report else None
            ),
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

    set: list[EnvValue] = Field(
        default=[],
        max_length=validation.ENV_COUNT,
        examples=[[{"key": "GREETING", "value": "hello", "at_build": False}]],
    )
    unset: list[str] = Field(default=[], max_length=validation.ENV_COUNT, examples=[["OLD_KEY"]])


class EnvVariable(Given):
    key: str = Field(examples=["GREETING"])
    value: str = Field(examples=["••••••"], description="Masked, unless ?reveal=true")
    at_build: bool


class EnvOut(Given):
    variables: list[EnvVariable]
