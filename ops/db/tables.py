"""The tables (MariaDB), one class each. Times are UTC without a zone, as MySQL keeps them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Index,
    LargeBinary,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects.mysql import DATETIME, VARCHAR
from sqlmodel import Field, SQLModel


def now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


def _time(nullable: bool = True) -> Any:
    return Column(DATETIME(fsp=6), nullable=nullable)


class User(SQLModel, table=True):
    __tablename__ = "users"
    id: int | None = Field(default=None, primary_key=True)
    email: str = Field(max_length=254, unique=True)
    password_hash: str = Field(max_length=255)
    is_admin: bool = False
    created_at: datetime = Field(default_factory=now, sa_column=_time(False))


class Token(SQLModel, table=True):
    """A session (``name`` None) or an API token; only its SHA-256 is kept.

    ``last_used_at`` is right to a minute.
    """

    __tablename__ = "tokens"
    id: int | None = Field(default=None, primary_key=True)
    user_id: int = Field(foreign_key="users.id", index=True, ondelete="CASCADE")
    hash: str = Field(max_length=64, unique=True)
    name: str | None = Field(default=None, max_length=100)
    created_at: datetime = Field(default_factory=now, sa_column=_time(False))
    expires_at: datetime | None = Field(default=None, sa_column=_time())
    last_used_at: datetime | None = Field(default=None, sa_column=_time())


class SignInAttempt(SQLModel, table=True):
    __tablename__ = "sign_in_attempts"
    __table_args__ = (Index("ix_attempts", "key", "at"),)
    id: int | None = Field(default=None, primary_key=True)
    key: str = Field(max_length=64)
    at: datetime = Field(default_factory=now, sa_column=_time(False))


class SshKey(SQLModel, table=True):
    __tablename__ = "ssh_keys"
    id: int | None = Field(default=None, primary_key=True)
    user_id: int = Field(foreign_key="users.id", index=True, ondelete="CASCADE")
    title: str = Field(max_length=100)
    fingerprint: str = Field(max_length=100, unique=True)
    public_key: str = Field(sa_column=Column(Text, nullable=False))
    gitea_key_id: int | None = None
    created_at: datetime = Field(default_factory=now, sa_column=_time(False))


class App(SQLModel, table=True):
    """``live_deployment_id`` is the release that serves; ``node_id`` the sticky placement.

    ``database_password`` is encrypted with the platform's key, bound to the app.
    ``source_ready`` is set once the Git repository exists with its template in it; an app whose
    creation was cut short has it False, and its next use finishes the creation.
    ``import_state`` is None for an app that is not made from others' source, else an ``ImportState``.
    ``import_report`` says what ``import_error`` does, with the code that a page needs.
    """

    __tablename__ = "apps"
    id: int | None = Field(default=None, primary_key=True)
    user_id: int = Field(foreign_key="users.id", index=True)
    name: str = Field(max_length=100)
    slug: str = Field(max_length=63, unique=True)
    template: str | None = Field(default=None, max_length=50)
    node_id: str | None = Field(default=None, max_length=50)
    live_deployment_id: int | None = Field(default=None, sa_column=Column(BigInteger))
    stopped: bool = False
    deleting: bool = False
    source_ready: bool = False
    database_password: bytes | None = Field(default=None, sa_column=Column(LargeBinary(512)))
    created_at: datetime = Field(default_factory=now, sa_column=_time(False))
    git_url: str | None = Field(default=None, max_length=500)
    import_state: str | None = Field(default=None, max_length=16)
    import_error: str | None = Field(default=None, sa_column=Column(Text))
    import_report: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON))


class AppEnv(SQLModel, table=True):
    """One environment variable of an app, encrypted at rest; ``at_build`` gives it to the build.

    Keys differ by case, which the database's own collation would not see.
    """

    __tablename__ = "app_env"
    app_id: int = Field(foreign_key="apps.id", primary_key=True, ondelete="CASCADE")
    key: str = Field(
        sa_column=Column(
            String(128).with_variant(VARCHAR(128, collation="utf8mb4_bin"), "mysql"),
            primary_key=True,
        )
    )
    value: bytes = Field(sa_column=Column(LargeBinary(65536), nullable=False))
    at_build: bool = False


class Deployment(SQLModel, table=True):
    """A deployment and, once pushed, the release it made (``digest``, ``port``, ``health_path``).

    ``image_gone`` is set when the image was pruned: it can no longer be rolled back to.
    ``version`` is the number of the last progress snapshot written; ``node_id`` where this
    deployment was placed (a move is placed on another node than its app is on until it is live).
    """

    __tablename__ = "deployments"
    __table_args__ = (
        Index("ix_deployments_app", "app_id", "id"),
        Index("ix_deployments_status", "status"),
    )
    id: int | None = Field(
        default=None, sa_column=Column(BigInteger, primary_key=True, autoincrement=True)
    )
    app_id: int = Field(foreign_key="apps.id", ondelete="CASCADE")
    user_id: int
    kind: str = Field(max_length=16)
    status: str = Field(default="PENDING", max_length=16)
    ref: str = Field(default="main", max_length=255)
    on_busy: str = Field(default="reject", max_length=16)
    source_deployment_id: int | None = Field(default=None, sa_column=Column(BigInteger))
    node_id: str | None = Field(default=None, max_length=50)
    commit: str | None = Field(default=None, max_length=64)
    repository: str | None = Field(default=None, max_length=128)
    digest: str | None = Field(default=None, max_length=80)
    build_key: str | None = Field(default=None, max_length=64)
    port: int | None = None
    health_path: str | None = Field(default=None, max_length=512)
    image_gone: bool = False
    error: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON))
    removed: list[str] | None = Field(default=None, sa_column=Column(JSON))
    traceparent: str | None = Field(default=None, max_length=64)
    version: int = 0
    created_at: datetime = Field(default_factory=now, sa_column=_time(False))
    live_at: datetime | None = Field(default=None, sa_column=_time())
    ended_at: datetime | None = Field(default=None, sa_column=_time())


class DeploymentStage(SQLModel, table=True):
    """``report`` says what ``error`` does, with the code that a page needs."""

    __tablename__ = "deployment_stages"
    __table_args__ = (UniqueConstraint("deployment_id", "name"),)
    id: int | None = Field(default=None, primary_key=True)
    deployment_id: int = Field(sa_column=Column(BigInteger, index=True, nullable=False))
    name: str = Field(max_length=16)
    status: str = Field(max_length=16)
    attempt: int = 1
    host: str | None = Field(default=None, max_length=50)
    started_at: datetime = Field(sa_column=_time(False))
    ended_at: datetime | None = Field(default=None, sa_column=_time())
    error: str | None = Field(default=None, sa_column=Column(Text))
    report: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON(none_as_null=True)))


class NodeRow(SQLModel, table=True):
    __tablename__ = "nodes"
    node_id: str = Field(max_length=50, primary_key=True)
    role: str = Field(max_length=16)
    status: str = Field(max_length=16)
    reason: str = Field(default="", max_length=255)
    boot_id: str | None = Field(default=None, max_length=64)
    draining: bool = False
    figures: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON))
    changed_at: datetime = Field(default_factory=now, sa_column=_time(False))


class OwedUndoRow(SQLModel, table=True):
    __tablename__ = "owed_undos"
    id: int | None = Field(default=None, primary_key=True)
    node_id: str = Field(max_length=50, index=True)
    deployment_id: int = Field(sa_column=Column(BigInteger, nullable=False))
    app_id: int
    what: str = Field(max_length=255)
    created_at: datetime = Field(default_factory=now, sa_column=_time(False))
    done_at: datetime | None = Field(default=None, sa_column=_time())


class Workspace(SQLModel, table=True):
    """A user's workspace: where it is for life, and how it is just now.

    ``private_key`` (OpenSSH, encrypted with the platform's key) pushes to the user's repositories
    once ``gitea_key_id`` says that the Git server knows it. ``run`` is the latest run.
    """

    __tablename__ = "workspaces"
    __table_args__ = (UniqueConstraint("node_id", "slot"),)
    user_id: int = Field(foreign_key="users.id", primary_key=True, ondelete="CASCADE")
    node_id: str | None = Field(default=None, max_length=50)
    slot: int | None = None
    status: str = Field(default="STOPPED", max_length=16)
    app_id: int | None = Field(default=None, foreign_key="apps.id", ondelete="SET NULL")
    run: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON(none_as_null=True)))
    run_count: int = 0
    dev_mongo: bool = False
    private_key: bytes | None = Field(default=None, sa_column=Column(LargeBinary(2048)))
    public_key: str | None = Field(default=None, sa_column=Column(Text))
    gitea_key_id: int | None = None
    created_at: datetime = Field(default_factory=now, sa_column=_time(False))
    changed_at: datetime = Field(default_factory=now, sa_column=_time(False))


class ShareLink(SQLModel, table=True):
    """Shows the preview of one app of ``user_id`` to whoever has it; only its SHA-256 is kept."""

    __tablename__ = "share_links"
    id: int | None = Field(default=None, primary_key=True)
    user_id: int = Field(foreign_key="users.id", index=True, ondelete="CASCADE")
    app_id: int = Field(foreign_key="apps.id", ondelete="CASCADE")
    hash: str = Field(max_length=64, unique=True)
    created_at: datetime = Field(default_factory=now, sa_column=_time(False))
    expires_at: datetime = Field(sa_column=_time(False))


class OwedCheckoutRow(SQLModel, table=True):
    """The folder of an app that was deleted is still on its owner's disk: the next opening removes it."""

    __tablename__ = "owed_checkouts"
    user_id: int = Field(foreign_key="workspaces.user_id", primary_key=True, ondelete="CASCADE")
    app_id: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    created_at: datetime = Field(default_factory=now, sa_column=_time(False))


class AccountDeletion(SQLModel, table=True):
    """A user who is being deleted, or was: the last that is known of them is the list of what went.

    Nobody can sign in to ask for that list; whoever asked for the deletion holds its receipt, of
    which only the SHA-256 is kept.
    """

    __tablename__ = "account_deletions"
    user_id: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    receipt_hash: str = Field(max_length=64, unique=True)
    gone: list[str] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    left: list[str] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    asked_at: datetime = Field(default_factory=now, sa_column=_time(False))
    ended_at: datetime | None = Field(default=None, sa_column=_time())


class PreviewPass(SQLModel, table=True):
    """Lets a browser see the preview of ``user_id``; only its SHA-256 is kept.

    A ticket is good once, for a cookie; both end with the session or token they were asked with.
    """

    __tablename__ = "preview_passes"
    id: int | None = Field(default=None, primary_key=True)
    user_id: int = Field(foreign_key="users.id", ondelete="CASCADE")
    token_id: int = Field(foreign_key="tokens.id", ondelete="CASCADE")
    kind: str = Field(max_length=8)
    hash: str = Field(max_length=64, unique=True)
    expires_at: datetime = Field(sa_column=_time(False))
