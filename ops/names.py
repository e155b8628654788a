"""The names of an app's things, one function each: the name is what is searched for."""

from __future__ import annotations


def app_container(app_id: int, release_id: int) -> str:
    """Name of a release's container; an implementation adds ``Settings.name_prefix``."""
    return f"app-{app_id}-{release_id}"


def app_repository(user_id: int, app_id: int) -> str:
    """Name of the app's Git repository and, under the registry's namespace, of its images."""
    return f"u{user_id}-app{app_id}"


def app_database(app_id: int) -> str:
    """Name of the app's database, of its schema and of the role that owns it."""
    return f"db_{app_id}"
