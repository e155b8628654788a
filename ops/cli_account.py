"""Signing in and out, and SSH keys."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from ops.cli_client import CliError, Studio
from ops.cli_common import AsJson, address, studio
from ops.cli_view import as_json, say, table, when

Email = Annotated[str | None, typer.Option(help="Asked for when it is not given.")]
FromStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input.")
]
ssh_keys = typer.Typer(no_args_is_help=True, help="SSH keys, for git push from your machine.")


def register(
    context: typer.Context, email: Email = None, password_stdin: FromStdin = False
) -> None:
    """Make an account and sign in."""
    given, password = _credentials(email, password_stdin, confirm=True)
    server, _ = address(context)
    Studio(server, None).post("/api/auth/register", {"email": given, "password": password})
    _sign_in(context, given, password)


def login(
    context: typer.Context,
    email: Email = None,
    password_stdin: FromStdin = False,
    as_json_: AsJson = False,
) -> None:
    """Sign in; the token is kept for this server."""
    given, password = _credentials(email, password_stdin, confirm=False)
    _sign_in(context, given, password, quiet=as_json_)
    if as_json_:
        as_json(studio(context).get("/api/me"))


def _credentials(email: str | None, from_stdin: bool, confirm: bool) -> tuple[str, str]:
    if from_stdin:
        if not email:
            raise CliError("--password-stdin needs --email")
        return email, sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise CliError("there is no terminal to ask for a password", "use --password-stdin")
    given = email or typer.prompt("Email")
    return given, typer.prompt("Password", hide_input=True, confirmation_prompt=confirm)


def _sign_in(context: typer.Context, email: str, password: str, quiet: bool = False) -> None:
    server, memory = address(context)
    answer = Studio(server, None).post("/api/auth/login", {"email": email, "password": password})
    memory.accounts[server] = {"email": email, "token": answer["token"]}
    memory.server = server
    memory.save()
    if not quiet:
        say(f"Signed in to {server} as {email}.")


def logout(context: typer.Context) -> None:
    """End the session and forget its token."""
    server, memory = address(context)
    kept = memory.accounts.pop(server, None)
    if kept is None:
        say(f"You were not signed in to {server}.")
        return
    memory.save()
    try:
        Studio(server, kept["token"]).post("/api/auth/logout")
    except CliError as error:
        say(f"The token is forgotten here; the server could not be told: {error.what}")
        return
    say(f"Signed out of {server}.")


@ssh_keys.command("list")
def list_keys(context: typer.Context, as_json_: AsJson = False) -> None:
    """Your keys."""
    keys = studio(context).get("/api/ssh-keys")
    if as_json_:
        return as_json(keys)
    return table(
        ["ID", "TITLE", "FINGERPRINT", "ADDED"],
        [[str(k["id"]), k["title"], k["fingerprint"], when(k["created_at"])] for k in keys],
    )


@ssh_keys.command("add")
def add_key(
    context: typer.Context,
    file: Annotated[Path | None, typer.Argument(help="A .pub file; else one of ~/.ssh.")] = None,
    title: Annotated[str | None, typer.Option(help="Else the key's own comment.")] = None,
    as_json_: AsJson = False,
) -> None:
    """Let a key push to your repositories."""
    path = file or _own_key()
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise CliError(f"{path} cannot be read: {error}") from None
    comment = " ".join(text.split()[2:])[:100]
    key = studio(context).post(
        "/api/ssh-keys", {"title": title or comment or path.stem, "public_key": text.strip()}
    )
    if as_json_:
        return as_json(key)
    return say(f"Added {key['fingerprint']}.")


def _own_key() -> Path:
    for name in ("id_ed25519.pub", "id_ecdsa.pub", "id_rsa.pub"):
        path = Path.home() / ".ssh" / name
        if path.is_file():
            return path
    raise CliError("there is no public key in ~/.ssh", "make one: ssh-keygen -t ed25519")


@ssh_keys.command("remove")
def remove_key(context: typer.Context, key_id: Annotated[int, typer.Argument(min=1)]) -> None:
    """Take a key away."""
    studio(context).call("DELETE", f"/api/ssh-keys/{key_id}")
    say("Removed.")
