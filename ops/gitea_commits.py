"""Commits as the Git server tells them. Their text is whatever somebody has pushed."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from ops.logtext import plain

SHOWN = 100


class Commit(BaseModel):
    """A commit as people see it in a list."""

    model_config = ConfigDict(frozen=True)

    sha: str
    subject: str
    author: str
    at: datetime

    @classmethod
    def of(cls, item: dict[str, Any]) -> Commit:
        return cls(
            sha=item["sha"],
            subject=plain(item["commit"]["message"].strip().partition("\n")[0])[:300],
            author=plain(item["commit"]["author"]["name"])[:100],
            at=item["commit"]["author"]["date"],
        )


class Comparison(BaseModel):
    """Commits between two, the newest first; ``total`` counts also those beyond the limit."""

    model_config = ConfigDict(frozen=True)

    total: int
    commits: list[Commit]

    @classmethod
    def of(cls, answer: dict[str, Any]) -> Comparison:
        commits = [Commit.of(item) for item in (answer.get("commits") or [])]
        return cls(total=answer.get("total_commits") or len(commits), commits=commits[:SHOWN])
