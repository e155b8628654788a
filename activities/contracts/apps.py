"""Deleting an app (control, then its nodes)."""

from __future__ import annotations

from activities.contracts.base import Activity, Confirmed, Frozen


class AppRef(Frozen):
    app_id: int


class AppThings(Frozen):
    """Everything that exists of an app, for its deletion."""

    app_id: int
    user_id: int
    slug: str
    repository: str
    database: str
    nodes: list[str]
    runners: list[str]


LOAD_APP = Activity("load_app", AppRef, AppThings)
DELETE_REPOSITORY = Activity("delete_repository", AppThings, Confirmed)
DELETE_APP_IMAGES = Activity("delete_app_images", AppThings, Confirmed)
DELETE_APP_RECORDS = Activity("delete_app_records", AppThings, Confirmed)
