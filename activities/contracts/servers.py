"""Database, images, and the public URL (queue: control)."""

from __future__ import annotations

from activities.contracts.base import Activity, Confirmed, Frozen


class DatabaseInput(Frozen):
    app_id: int
    database: str


class DeleteImageInput(Frozen):
    """Deleted by digest, and only when no release's record names it."""

    app_id: int
    repository: str
    digest: str


class UnnamedImagesInput(Frozen):
    """Deletes what was pushed to a repository and is in no record; nothing may push meanwhile."""

    app_id: int
    repository: str


class VerifyInput(Frozen):
    """Asks the public URL until the answer is marked with ``release_id``. Raises Unhealthy."""

    app_id: int
    slug: str
    release_id: int
    health_path: str
    seconds: float


ENSURE_DATABASE = Activity("ensure_database", DatabaseInput, type(None))
DROP_DATABASE = Activity("drop_database", DatabaseInput, Confirmed)
DELETE_IMAGE = Activity("delete_image", DeleteImageInput, Confirmed)
DELETE_UNNAMED_IMAGES = Activity("delete_unnamed_images", UnnamedImagesInput, Confirmed)
VERIFY = Activity("verify", VerifyInput, type(None))
