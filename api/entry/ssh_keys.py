"""People's own SSH keys, for `git push` from their own machine."""

from __future__ import annotations

from fastapi import APIRouter, status
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, delete, func, select, update

from api.entry.deps import Id, Me, Use
from api.entry.problems import errors
from api.entry.publishing import locked_owner
from api.entry.schemas import NewSshKey, SshKeyOut
from api.entry.services import Services
from ops.db.tables import SshKey
from ops.error_codes import ErrorCode
from ops.errors import Conflict, LimitReached, NotFound, StudioError
from ops.leavers import leave_nothing_on_git
from ops.validation import ssh_key

router = APIRouter(prefix="/api/ssh-keys", tags=["SSH keys"])

MAX_KEYS = 50


@router.get("", responses=errors(401, 503))
async def list_keys(me: Me, use: Use) -> list[SshKeyOut]:
    query = select(SshKey).where(SshKey.user_id == me.id).order_by(col(SshKey.id))
    async with use.database.session() as session:
        return [SshKeyOut.of(row) for row in await session.exec(query)]


@router.post(
    "",
    status_code=status.HTTP_201_CREATED,
    responses=errors(401, 403, 409, 422, 429, 503),
)
async def add_key(body: NewSshKey, me: Me, use: Use) -> SshKeyOut:
    """Lets whoever holds the private key push to your own repositories."""
    public_key, fingerprint = ssh_key(body.public_key)
    row = await _record(use, me.id, body.title, public_key, fingerprint)
    try:
        key_id = await use.gitea.add_key(me.id, f"{row.id} {body.title}", public_key)
        await leave_nothing_on_git(use.database, use.gitea, me.id)
    except StudioError:
        async with use.database.session() as session:
            await session.exec(delete(SshKey).where(col(SshKey.id) == row.id))
        raise
    async with use.database.session() as session:
        await session.exec(
            update(SshKey).where(col(SshKey.id) == row.id).values(gitea_key_id=key_id)
        )
    return SshKeyOut.of(row)


async def _record(
    use: Services, user_id: int, title: str, public_key: str, fingerprint: str
) -> SshKey:
    """The row; the one of an earlier request that was cut short is taken up again."""
    async with use.database.session() as session:
        await locked_owner(session, user_id)
        known = (
            await session.exec(select(SshKey).where(SshKey.fingerprint == fingerprint))
        ).first()
        if known is not None:
            if known.user_id == user_id and known.gitea_key_id is None:
                return known
            if known.user_id == user_id:
                raise Conflict(
                    "you have added this key already",
                    code=ErrorCode.SSH_KEY_YOURS,
                    field="public_key",
                )
            raise Conflict(
                "this SSH key belongs to another account",
                code=ErrorCode.SSH_KEY_TAKEN,
                field="public_key",
            )
        counting = select(func.count()).select_from(SshKey).where(SshKey.user_id == user_id)
        if (await session.exec(counting)).one() >= MAX_KEYS:
            raise LimitReached(
                f"up to {MAX_KEYS} keys are possible",
                code=ErrorCode.KEYS_LIMIT,
                values={"limit": MAX_KEYS},
                hint="remove an old one",
            )
    row = SshKey(user_id=user_id, title=title, fingerprint=fingerprint, public_key=public_key)
    try:
        async with use.database.session() as session:
            session.add(row)
    except IntegrityError:
        raise Conflict(
            "this SSH key is being added already", code=ErrorCode.SSH_KEY_YOURS, field="public_key"
        ) from None
    return row


@router.delete(
    "/{key_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=errors(401, 403, 404, 422, 503),
)
async def delete_key(key_id: Id, me: Me, use: Use) -> None:
    """The key opens nothing any more."""
    async with use.database.session() as session:
        row = (
            await session.exec(select(SshKey).where(SshKey.id == key_id, SshKey.user_id == me.id))
        ).first()
    if row is None:
        raise NotFound(f"there is no SSH key {key_id} of yours", code=ErrorCode.KEY_MISSING)
    # First on the Git server: a record without a key does no harm, a key without a record would.
    known = row.gitea_key_id or await use.gitea.find_key(me.id, row.public_key)
    if known is not None:
        await use.gitea.delete_key(me.id, known)
    async with use.database.session() as session:
        await session.exec(delete(SshKey).where(col(SshKey.id) == key_id))
