"""What the doctor says."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from api.entry.fields import Given, Time
from ops.troubles import Symptom


class HopStatus(StrEnum):
    OK = "ok"
    FAILED = "failed"
    SKIPPED = "skipped"


class HopOut(Given):
    key: str = Field(examples=["runtime-docker"])
    title: str = Field(examples=["Docker engine of the app host"])
    host: str = Field(examples=["102"], description="Its number in the design's table of hosts")
    status: HopStatus = Field(examples=["failed"])
    reason: str = Field(examples=["the engine does not answer (ConnectError)"])
    next_step: str = Field(
        examples=["look at $STUDIO_HOME/logs/docker.log, then run ops/up"],
        description="For a failed one; else empty",
    )
    ms: int | None = Field(
        examples=[12], description="How long the look took; null: none was taken"
    )


class Diagnosis(Given):
    """``well``: no hop is red. Skipped are those behind a red one, and those of nothing named."""

    symptom: Symptom = Field(examples=["app-not-reachable"])
    at: Time
    well: bool
    hops: list[HopOut]
