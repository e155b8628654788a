"""Deleting a user (control): everything of theirs, each part confirmed."""

from __future__ import annotations

from activities.contracts.base import Activity, Confirmed, Frozen


class UserRef(Frozen):
    user_id: int


class UserApp(Frozen):
    user_id: int
    app_id: int


class UserThings(Frozen):
    """Everything that exists of a user, for its deletion.

    ``workspace_node`` is None where no host of the platform holds a workspace of theirs; ``gone`` is
    what an earlier attempt has confirmed.
    """

    user_id: int
    apps: list[int] = []
    workspace_node: str | None = None
    gone: list[str] = []


class DeletionProgress(Frozen):
    """A whole snapshot: what was confirmed gone, and what is not yet."""

    user_id: int
    gone: list[str] = []
    left: list[str] = []
    ended: bool = False


LOAD_USER = Activity("load_user", UserRef, UserThings)
"""Raises Conflict when there is no record that asks for the deletion."""
RECORD_DELETION = Activity("record_deletion", DeletionProgress, type(None))
DELETE_USER_APP = Activity("delete_user_app", UserApp, Confirmed)
"""Asks ``deploy-{appId}`` for the deletion, and returns when nothing of the app is left."""
REMOVE_USER_WORKSPACE = Activity("remove_user_workspace", UserRef, Confirmed)
"""Asks ``workspace-{userId}`` to end for good. Raises NodeUnavailable while its host is away."""
DELETE_GIT_USER = Activity("delete_git_user", UserRef, Confirmed)
DELETE_USER_RECORDS = Activity("delete_user_records", UserRef, Confirmed)
"""The last part: sessions, tokens, keys, the workspace's record and the user."""
