"""Changing one's password; deleting one's account, and the list of what went with it."""

from __future__ import annotations

import secrets
from typing import Annotated

import structlog
from fastapi import APIRouter, Header, Request, Response, status
from pydantic import SecretStr
from sqlmodel import col, delete, select
from sqlmodel.ext.asyncio.session import AsyncSession
from temporalio.service import RPCError

from api.entry.auth import attempt_keys, begin_attempt, forget_attempt
from api.entry.deps import Caller, Me, Use, client_address, cookie_name
from api.entry.problems import errors
from api.entry.publishing import locked_owner
from api.entry.schemas import ChangePassword, DeleteAccount, DeletionBegun, DeletionOut
from api.entry.services import Services
from ops.db.accounts import ADD_ADMINISTRATOR, administrators, end_sessions
from ops.db.tables import AccountDeletion, Token
from ops.error_codes import ErrorCode
from ops.errors import Conflict, Forbidden, NodeUnavailable, NotFound, Unauthorized
from ops.tokens import token_hash
from workflows import commands

router = APIRouter(prefix="/api", tags=["accounts"])
log = structlog.get_logger()

RECEIPT_PREFIX = "sd_"


@router.post(
    "/auth/password",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=errors(401, 403, 409, 422, 429, 503),
)
async def change_password(body: ChangePassword, me: Me, request: Request, use: Use) -> None:
    """A new password. It ends every other session; API tokens and SSH keys go on working."""
    await _prove(use, me, request, body.current, "current")
    hashed = await use.passwords.hash(body.new.get_secret_value())
    async with use.database.session() as session:
        owner = await locked_owner(session, me.id)
        if owner.password_hash != me.user.password_hash:
            # Changed meanwhile: what was proven is the one before.
            raise _wrong("current")
        owner.password_hash = hashed
        session.add(owner)
        await end_sessions(session, me.id, but=me.token_id)


async def _prove(
    use: Services, me: Caller, request: Request, password: SecretStr, field: str
) -> None:
    """Whoever only holds a session may guess no more often than who signs in."""
    begun = await begin_attempt(use, attempt_keys(me.user.email, client_address(request)))
    if not await use.passwords.verify(password.get_secret_value(), me.user.password_hash):
        raise _wrong(field)
    await forget_attempt(use, begun)


def _wrong(field: str) -> Forbidden:
    return Forbidden("the password is wrong", code=ErrorCode.WRONG_PASSWORD, field=field)


@router.delete(
    "/me",
    status_code=status.HTTP_202_ACCEPTED,
    responses=errors(401, 403, 409, 422, 429, 503),
)
async def delete_me(
    body: DeleteAccount, me: Me, request: Request, response: Response, use: Use
) -> DeletionBegun:
    """Deletes the account with everything of it: apps, workspace, files, repositories, keys.

    It cannot be taken back, and signs out everywhere at once. The receipt shows the list of what is
    confirmed gone: `GET /api/account-deletion`.
    """
    await _prove(use, me, request, body.password, "password")
    receipt = RECEIPT_PREFIX + secrets.token_urlsafe(32)
    async with use.database.session() as session:
        row = await _record(session, me.id, receipt)
    await _ask(use, me.id)
    response.delete_cookie(
        cookie_name(use.settings),
        path="/",
        httponly=True,
        samesite="lax",
        secure=use.settings.scheme == "https",
    )
    return DeletionBegun(receipt=receipt, **DeletionOut.of(row).model_dump())


async def _record(session: AsyncSession, user_id: int, receipt: str) -> AccountDeletion:
    """From its commit on nobody is signed in, and nothing new of this user is begun."""
    admins = [one.id for one in await administrators(session)]
    owner = await locked_owner(session, user_id)
    if owner.is_admin and admins == [user_id]:
        raise Conflict(
            "you are the last administrator",
            code=ErrorCode.LAST_ADMINISTRATOR,
            hint=f"make somebody else one first, where the platform runs: {ADD_ADMINISTRATOR}",
        )
    row = AccountDeletion(user_id=user_id, receipt_hash=token_hash(receipt), left=["everything"])
    session.add(row)
    await session.exec(delete(Token).where(col(Token.user_id) == user_id))
    return row


async def _ask(use: Services, user_id: int) -> None:
    try:
        await commands.delete_user(use.temporal, user_id)
    except (NodeUnavailable, RPCError) as error:
        log.warning("account.deletion_left_to_sweep", user_id=user_id, error=str(error)[:300])


@router.get("/account-deletion", responses=errors(401, 404, 422, 503))
async def read_deletion(
    use: Use, authorization: Annotated[str, Header(max_length=300)] = ""
) -> DeletionOut:
    """How far a deletion is. Send its receipt as `Authorization: Bearer …`."""
    scheme, _, receipt = authorization.partition(" ")
    if scheme.lower() != "bearer" or not receipt:
        raise Unauthorized(
            "this needs the receipt of a deletion",
            code=ErrorCode.RECEIPT_UNKNOWN,
            hint="Authorization: Bearer sd_…",
        )
    query = select(AccountDeletion).where(
        AccountDeletion.receipt_hash == token_hash(receipt.strip())
    )
    async with use.database.session() as session:
        row = (await session.exec(query)).first()
    if row is None:
        raise NotFound("there is no deletion with this receipt", code=ErrorCode.RECEIPT_UNKNOWN)
    return DeletionOut.of(row)
