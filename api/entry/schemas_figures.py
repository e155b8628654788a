"""What the API gives of figures over time, and of what changed in the code."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from api.entry.fields import Given, Time


class AppPoint(Given):
    at: Time
    cpu: float | None = Field(examples=[0.031], description="Processors in use; null: unknown")
    memory_bytes: int | None = Field(examples=[46137344], description="null: unknown")


class AppFigures(Given):
    """An app over the last hour. ``series`` is sorted by time; a time of no figures is absent."""

    step_seconds: int = Field(examples=[30])
    cpu_limit: float = Field(examples=[1.0], description="Processors that the app may use")
    memory_limit_bytes: int = Field(examples=[536870912])
    series: list[AppPoint]


class NodePoint(Given):
    """Shares are from 0 to 1; null: unknown."""

    at: Time
    cpu: float | None = Field(examples=[0.21])
    memory: float | None = Field(examples=[0.48])
    disk_free_bytes: int | None = Field(examples=[21474836480])
    containers: int | None = Field(examples=[4])


class NodeFigures(Given):
    """A host over the last hour. ``series`` is sorted by time; a time of no figures is absent."""

    node_id: str = Field(examples=["runtime-102"])
    step_seconds: int = Field(examples=[30])
    series: list[NodePoint]


class CommitOut(Given):
    commit: str = Field(examples=["9fceb02d0ae598e95dc970b74767f19372d61af8"])
    subject: str = Field(examples=["Show the price with tax"])
    author: str = Field(examples=["Ada"])
    at: datetime = Field(examples=["2025-01-31T12:00:00Z"])


class Changes(Given):
    """What leads from one commit to another, the newest first; at most 100 of each kind.

    ``known`` is False when there is nothing to compare with: no release was live before, or its
    commit is no longer in the repository.
    """

    before: str | None = Field(
        examples=["1b0e2f0c4a1d8d2a7f6c5b4a39281706f5e4d3c2"],
        description="The commit that was (or is) live",
    )
    after: str | None = Field(
        examples=["9fceb02d0ae598e95dc970b74767f19372d61af8"],
        description="The commit that is compared with it",
    )
    known: bool = Field(examples=[True])
    added: list[CommitOut] = Field(description="In the new one only")
    taken_back: list[CommitOut] = Field(
        examples=[[]], description="In the old one only, as after a rollback"
    )
    added_total: int = Field(examples=[1])
    taken_back_total: int = Field(examples=[0])
