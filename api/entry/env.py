"""An app's environment: encrypted at rest, each value bound to its app and key."""

from __future__ import annotations

from fastapi import APIRouter
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from api.entry.deps import ChangeableApp, OwnedApp, Use
from api.entry.problems import errors
from api.entry.schemas import (
    EnvOut,
    EnvPatch,
    EnvPut,
    EnvValue,
    EnvVariable,
)
from api.entry.services import Services
from ops.crypto import env_context
from ops.db.tables import App, AppEnv
from ops.error_codes import ErrorCode
from ops.errors import Invalid
from ops.validation import env_total, env_value

router = APIRouter(prefix="/api/apps/{app_id}/env", tags=["environment"])

MASKED = "••••••"


@router.get("", responses=errors(401, 404, 422, 503))
async def read_env(app: OwnedApp, use: Use, reveal: bool = False) -> EnvOut:
    """The variables, their values masked unless ``reveal``."""
    assert app.id is not None
    async with use.database.session() as session:
        rows = await _rows(session, app.id)
    return EnvOut(
        variables=[
            EnvVariable(
                key=row.key,
                value=_open(use, row) if reveal else MASKED,
                at_build=row.at_build,
            )
            for row in rows.values()
        ]
    )


@router.put("", responses=errors(401, 403, 404, 409, 422, 503))
async def replace_env(app: ChangeableApp, body: EnvPut, use: Use) -> EnvOut:
    """Sets the whole environment. It takes effect with the next deployment or start."""
    return await _change(use, app, body.variables, unset=None)


@router.patch("", responses=errors(401, 403, 404, 409, 422, 503))
async def change_env(app: ChangeableApp, body: EnvPatch, use: Use) -> EnvOut:
    """Sets some variables and removes others. It takes effect with the next deployment or start."""
    return await _change(use, app, body.set, unset=body.unset)


async def _change(
    use: Services, app: App, variables: list[EnvValue], unset: list[str] | None
) -> EnvOut:
    """``unset`` None removes whatever is not in ``variables``."""
    assert app.id is not None
    given = {variable.key: variable for variable in variables}
    if len(given) != len(variables):
        raise Invalid("a variable is set twice", code=ErrorCode.ENV_KEY_TWICE, field="variables")
    async with use.database.session() as session:
        # Two changes at once would each miss the other's part of the limit.
        await session.exec(select(App.id).where(App.id == app.id).with_for_update())
        rows = await _rows(session, app.id)
        gone = set(rows) - set(given) if unset is None else set(unset) & set(rows) - set(given)
        for key in gone:
            await session.delete(rows.pop(key))
        values = {key: _open(use, row) for key, row in rows.items()}
        for key, variable in given.items():
            if variable.value is None and key not in rows:
                raise Invalid(
                    f"{key} has no value",
                    code=ErrorCode.ENV_VALUE_MISSING,
                    values={"key": key},
                    field=key,
                )
            if variable.value is not None:
                values[key] = env_value(key, variable.value)
        env_total(values)
        for key, variable in given.items():
            row = rows.get(key) or AppEnv(app_id=app.id, key=key, value=b"")
            if variable.value is not None:
                row.value = use.vault.encrypt(values[key], env_context(app.id, key))
            row.at_build = variable.at_build
            session.add(row)
            rows[key] = row
    return EnvOut(
        variables=[
            EnvVariable(key=key, value=MASKED, at_build=rows[key].at_build) for key in sorted(rows)
        ]
    )


async def _rows(session: AsyncSession, app_id: int) -> dict[str, AppEnv]:
    query = select(AppEnv).where(AppEnv.app_id == app_id).order_by(AppEnv.key)
    return {row.key: row for row in await session.exec(query)}


def _open(use: Services, row: AppEnv) -> str:
    return use.vault.decrypt(row.value, env_context(row.app_id, row.key))
