"""What the API takes and gives of deployments and the platform's health."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from activities.contracts.base import (
    STAGE_ORDER,
    DeploymentKind,
    DeploymentStatus,
    Stage,
    StageStatus,
)
from api.entry.fields import GitRef, Given, Taken, Time
from ops.db.tables import App, Deployment, DeploymentStage
from ops.errors import ErrorReport
from ops.settings import Settings
from workflows.messages import OnBusy


class NewDeployment(Taken):
    ref: GitRef = Field(default="main", description="A branch, a tag or a commit")
    on_busy: OnBusy = OnBusy.REJECT


class NewRollback(Taken):
    deployment_id: int | None = Field(
        default=None,
        ge=1,
        examples=[30],
        description="Without one: the release before the live one",
    )
    on_busy: OnBusy = OnBusy.REJECT


class Asked(Taken):
    on_busy: OnBusy = OnBusy.REJECT


class Accepted(Given):
    id: int = Field(
        examples=[31], description="The deployment; follow /api/deployments/{id}/events"
    )


class StageOut(Given):
    name: Stage = Field(examples=["build"])
    status: StageStatus = Field(examples=["SUCCEEDED"])
    attempt: int = Field(examples=[1])
    host: str | None = Field(examples=["runner-101"])
    started_at: Time
    ended_at: Time | None
    error: str | None = Field(examples=[None])
    report: ErrorReport | None = Field(
        description="The same with its code, for a translation; null for failures of before",
        examples=[None],
    )


class DeploymentOut(Given):
    id: int = Field(examples=[31])
    app_id: int = Field(examples=[7])
    kind: DeploymentKind
    status: DeploymentStatus = Field(examples=["SUCCEEDED"])
    ref: str = Field(examples=["main"])
    commit: str | None = Field(examples=["9fceb02d0ae598e95dc970b74767f19372d61af8"])
    image: str | None = Field(examples=["apps/u1-app7@sha256:5f70bf18…"])
    url: str = Field(examples=["http://my-shop.apps.localhost:8000/"])
    source_deployment: int | None = Field(
        examples=[None, 30], description="The release that this one starts from"
    )
    version: int = Field(examples=[23], description="Grows with each change; the id of events")
    created_at: Time
    live_at: Time | None = Field(description="When the new release answered at the public URL")
    ended_at: Time | None
    error: ErrorReport | None = Field(examples=[None])
    removed: list[str] = Field(
        examples=[["container app-7-30"]], description="What was confirmed gone"
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
                        report=ErrorReport.model_validate(stage.report) if stage.report else None,
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


# --- health -----------------------------------------------------------------------------------


class Health(Given):
    status: Literal["ok"] = "ok"


class Ready(Health):
    mysql: Literal["ok"] = "ok"
    temporal: Literal["ok"] = "ok"
