"""``studio admin``: accounts, as root on the machine that the platform runs on.

It goes past the API: whoever is locked out cannot ask there, and nobody makes the first administrator.
"""

from __future__ import annotations

import asyncio
import secrets
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from ops.cli_common import AsJson, OnTheMachine
from ops.cli_view import as_json, say

# Records and settings are imported when they are asked for: nothing else of the command line has them.
if TYPE_CHECKING:
    from ops.db.session import Database

T = TypeVar("T")
Email = Annotated[str, typer.Argument(metavar="EMAIL")]

admin = typer.Typer(
    cls=OnTheMachine,
    no_args_is_help=True,
    help="Accounts; run as root where the platform runs.",
)


def _in_records(work: Callable[[Database], Awaitable[T]]) -> T:
    from ops.db import accounts
    from ops.settings import load_settings

    async def run() -> T:
        async with accounts.records(load_settings()) as database:
            return await work(database)

    return asyncio.run(run())


@admin.command("list")
def list_administrators(as_json_: AsJson = False) -> None:
    """Who is an administrator."""
    from ops.db.accounts import administrators

    async def read(database: Database) -> list[str]:
        async with database.session() as session:
            return [one.email for one in await administrators(session)]

    emails = _in_records(read)
    if as_json_:
        return as_json(emails)
    return say("\n".join(emails))


@admin.command("add")
def add(email: Email, as_json_: AsJson = False) -> None:
    """Make somebody who is registered an administrator."""
    from ops.db.accounts import add_administrator

    _in_records(lambda database: add_administrator(database, email))
    _told(email, True, as_json_)


@admin.command("remove")
def remove(email: Email, as_json_: AsJson = False) -> None:
    """Somebody is no administrator any more. One has to stay."""
    from ops.db.accounts import remove_administrator
    from ops.settings import load_settings

    _in_records(lambda database: remove_administrator(database, email))
    _told(email, False, as_json_)
    if email.lower() == load_settings().admin_email.lower() and not as_json_:
        say("The next ops/up makes them one again, unless STUDIO_ADMIN_EMAIL is another's.")


def _told(email: str, is_admin: bool, as_json_: bool) -> None:
    if as_json_:
        return as_json({"email": email, "is_admin": is_admin})
    return say(f"{email} is {'an' if is_admin else 'no'} administrator.")


@admin.command("reset-password")
def reset_password(
    email: Email,
    password_stdin: Annotated[
        bool,
        typer.Option("--password-stdin", help="Read it from standard input; else one is made."),
    ] = False,
    as_json_: AsJson = False,
) -> None:
    """Give somebody a new password. It is shown this once, and ends all their sessions."""
    from ops.db import accounts

    given = sys.stdin.readline().rstrip("\r\n") if password_stdin else None
    password = secrets.token_urlsafe(12) if given is None else given
    tokens = _in_records(lambda database: accounts.reset_password(database, email, password))
    if as_json_:
        made = {} if given is not None else {"password": password}
        return as_json({"email": email, **made, "api_tokens": tokens})
    say(f"The password of {email} is changed, and all their sessions have ended.")
    if tokens:
        say(f"API tokens of theirs that go on working, until they remove them: {tokens}.")
    if given is None:
        say(password, "bold")
    return None
