"""An app's first source, fetched from a public Git server."""

from __future__ import annotations

from enum import StrEnum

from activities.contracts.base import Activity, Confirmed, Frozen
from ops.errors import ErrorReport


class ImportState(StrEnum):
    """UPLOADING: an archive that its sender is sending, by a request that may break off."""

    PENDING = "PENDING"
    UPLOADING = "UPLOADING"
    DONE = "DONE"
    FAILED = "FAILED"


class ImportRef(Frozen):
    app_id: int
    user_id: int


class ImportInput(Frozen):
    """``git_url`` was found valid by ``ops.validation.import_url``."""

    app_id: int
    user_id: int
    git_url: str
    repository: str


class Imported(Frozen):
    commit: str


class ImportEnd(Frozen):
    """``error`` in words; None when the repository is there. ``report``: the same for a page."""

    app_id: int
    error: str | None = None
    report: ErrorReport | None = None

    @classmethod
    def failed(cls, app_id: int, report: ErrorReport) -> ImportEnd:
        return cls(app_id=app_id, error=report.in_one, report=report)


LOAD_IMPORT = Activity("load_import", ImportRef, ImportInput)
RECORD_IMPORT = Activity("record_import", ImportEnd, type(None))
IMPORT_REPOSITORY = Activity("import_repository", ImportInput, Imported)
"""On a workspace node: the default branch becomes ``main`` of the app's repository."""
STOP_IMPORT = Activity("stop_import", ImportRef, Confirmed)
"""Cancels ``import-{appId}`` where it runs, and returns once it has ended: no push comes after it."""
