"""Records of users who are being deleted, and what the Git server has of them."""

from __future__ import annotations

from sqlmodel import col, delete, select
from temporalio import activity

from activities.boundary import reports_errors
from activities.contracts.base import Confirmed
from activities.contracts.users import (
    DELETE_GIT_USER,
    DELETE_USER_RECORDS,
    LOAD_USER,
    RECORD_DELETION,
    DeletionProgress,
    UserRef,
    UserThings,
)
from ops.db.session import Database
from ops.db.tables import AccountDeletion, App, User, Workspace, now
from ops.errors import Conflict
from ops.gitea import Gitea, git_user
from ops.settings import Settings


class UserRecords:
    """Activities of the control worker over whole users."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings

    @activity.defn(name=LOAD_USER.name)
    @reports_errors
    async def load_user(self, given: UserRef) -> UserThings:
        """Refuses when the record that asks for it is missing. It outlives the user, so a deletion
        that is taken up again when everything is gone finds it too.
        """
        async with self._database.session() as session:
            apps = await session.exec(select(App.id).where(App.user_id == given.user_id))
            workspace = await session.get(Workspace, given.user_id)
            deletion = await session.get(AccountDeletion, given.user_id)
        if deletion is None:
            raise Conflict(f"nobody has asked for the deletion of user {given.user_id}")
        known = {node.node_id for node in self._settings.nodes}
        node = workspace.node_id if workspace is not None else None
        return UserThings(
            user_id=given.user_id,
            apps=sorted(app for app in apps if app is not None),
            workspace_node=node if node in known else None,
            gone=list(deletion.gone),
        )

    @activity.defn(name=RECORD_DELETION.name)
    @reports_errors
    async def record_deletion(self, given: DeletionProgress) -> None:
        async with self._database.session() as session:
            row = await session.get(AccountDeletion, given.user_id, with_for_update=True)
            if row is None:
                return
            row.gone = given.gone
            row.left = given.left
            if given.ended and row.ended_at is None:
                row.ended_at = now()

    @activity.defn(name=DELETE_GIT_USER.name)
    @reports_errors
    async def delete_git_user(self, given: UserRef) -> Confirmed:
        async with Gitea.connect(self._settings) as gitea:
            await gitea.delete_user(given.user_id)
        return Confirmed(gone=[f"Git user {git_user(given.user_id)} with its keys"])

    @activity.defn(name=DELETE_USER_RECORDS.name)
    @reports_errors
    async def delete_user_records(self, given: UserRef) -> Confirmed:
        """Sessions, tokens, keys, preview passes and the workspace's record go with the user."""
        async with self._database.session() as session:
            await session.exec(delete(User).where(col(User.id) == given.user_id))
        return Confirmed(gone=[f"records of user {given.user_id}"])
