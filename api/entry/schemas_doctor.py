"""What the doctor says."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from api.entry.fields import Given, Time
from ops.error_codes import ErrorCode
from ops.errors import ErrorReport
from ops.hop_reasons import HopReason
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
    code: HopReason | ErrorCode = Field(
        examples=["told"], description="For a translation of ``reason``"
    )
    values: dict[str, str | int | float] = Field(
        examples=[{"why": "the engine does not answer (ConnectError)"}],
        description="What a translation names",
    )
    report: ErrorReport | None = Field(
        examples=[None],
        description="The deployment's failure that ``reason`` tells, with a code of its own",
    )
    next_step: str = Field(
        examples=["look at $STUDIO_HOME/logs/docker.log, then run ops/up"],
        description="For a failed one; else empty",
    )
    log: str = Field(
        examples=["docker"],
        description="The program whose log the next step names; empty: it names none",
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
