"""Users who are being deleted, and the Git server: what is made there beside a deletion goes again."""

from __future__ import annotations

from ops.db.session import Database
from ops.db.tables import AccountDeletion
from ops.error_codes import ErrorCode
from ops.errors import Conflict
from ops.gitea import Gitea


async def leave_nothing_on_git(database: Database, gitea: Gitea, user_id: int) -> None:
    """To be called after the Git server was given something of a user's.

    The user's deletion may have looked there before, and does not look again: then the Git user goes
    with all its keys. Raises Conflict when the user is being deleted, or was.
    """
    async with database.session() as session:
        deletion = await session.get(AccountDeletion, user_id)
    if deletion is not None:
        await gitea.delete_user(user_id)
        raise Conflict("the account is being deleted", code=ErrorCode.ACCOUNT_DELETING)
