"""Signing in and out, SSH keys, and tokens for scripts."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from ops.cli_client import CliError, Studio
from ops.cli_common import AsJson, Detach, address, studio
from ops.cli_view import as_json, say, table, when

Email = Annotated[str | None, typer.Option(help="Asked for when it is not given.")]
FromStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input.")
]
LOOK_SECONDS = 0.5
account = typer.Typer(no_args_is_help=True, help="Your account.")
ssh_keys = typer.Typer(no_args_is_help=True, help="SSH keys, for git push from your machine.")

tokens = typer.Typer(no_args_is_help=True, help="API tokens, for scripts (STUDIO_TOKEN).")


def register(
    context: typer.Context,
    email: Email = None,
    password_stdin: FromStdin = False,
    as_json_: AsJson = False,
) -> None:
    """Make an account and sign in."""
    given, password = _credentials(email, password_stdin, confirm=True)
    server, _ = address(context)
    Studio(server, None).post("/api/auth/register", {"email": given, "password": password})
    _sign_in(context, given, password, as_json_)


def login(
    context: typer.Context,
    email: Email = None,
    password_stdin: FromStdin = False,
    as_json_: AsJson = False,
) -> None:
    """Sign in; the token is kept for this server."""
    given, password = _credentials(email, password_stdin, confirm=False)
    _sign_in(context, given, password, as_json_)


def _credentials(email: str | None, from_stdin: bool, confirm: bool) -> tuple[str, str]:
    if from_stdin:
        if not email:
            raise CliError("--password-stdin needs --email")
        return email, sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise CliError("there is no terminal to ask for a password", "use --password-stdin")
    given = email or typer.prompt("Email", err=True)
    return given, _secret("Password", confirm)


def _secret(what: str, confirm: bool) -> str:
    """Asked for beside the output, which may be a document."""
    told: str = typer.prompt(what, hide_input=True, confirmation_prompt=confirm, err=True)
    return told


def _sign_in(context: typer.Context, email: str, password: str, as_json_: bool) -> None:
    server, memory = address(context)
    answer = Studio(server, None).post("/api/auth/login", {"email": email, "password": password})
    memory.accounts[server] = {"email": email, "token": answer["token"]}
    memory.server = server
    memory.save()
    if as_json_:
        as_json(Studio(server, answer["token"]).get("/api/me"))
    else:
        say(f"Signed in to {server} as {email}.")


def logout(context: typer.Context, as_json_: AsJson = False) -> None:
    """End the session and forget its token."""
    server, memory = address(context)
    kept = memory.accounts.pop(server, None)
    said, ended = f"You were not signed in to {server}.", False
    if kept is not None:
        memory.save()
        try:
            Studio(server, kept["token"]).post("/api/auth/logout")
            said, ended = f"Signed out of {server}.", True
        except CliError as error:
            said = f"The token is forgotten here; the server could not be told: {error.what}"
    return as_json({"server": server, "session_ended": ended}) if as_json_ else say(said)


def change_password(
    context: typer.Context,
    password_stdin: Annotated[
        bool,
        typer.Option(
            "--password-stdin", help="Read both from standard input: a line each, the new one last."
        ),
    ] = False,
    as_json_: AsJson = False,
) -> None:
    """Change your password. It ends your other sessions; API tokens go on working."""
    api = studio(context)
    if password_stdin:
        current, new = (sys.stdin.readline().rstrip("\r\n") for _ in range(2))
    elif sys.stdin.isatty():
        current, new = _secret("Your password now", False), _secret("The new one", True)
    else:
        raise CliError("there is no terminal to ask for passwords", "use --password-stdin")
    api.post("/api/auth/password", {"current": current, "new": new})
    if as_json_:
        return as_json({"changed": True})
    return say("Your password is changed, and your other sessions have ended.")


@account.command("delete")
def delete_account(
    context: typer.Context,
    password_stdin: FromStdin = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    detach: Detach = False,
    as_json_: AsJson = False,
) -> None:
    """Delete your account with all apps, files, repositories and data; lists what went."""
    api = studio(context)
    email = api.get("/api/me")["email"]
    if not yes:
        if not sys.stdin.isatty():
            raise CliError("deleting cannot be undone", "say --yes")
        say("This deletes your account with every app, its data, and all files of your workspace.")
        if typer.prompt("Type your email to go on") != email:
            raise CliError("nothing was deleted")
    _, password = _credentials(email, password_stdin, confirm=False)
    begun = api.call("DELETE", "/api/me", {"password": password})
    server, memory = address(context)
    memory.accounts.pop(server, None)
    memory.save()
    receipt = begun.pop("receipt")
    shown = begun if detach else _until_deleted(Studio(server, receipt), quiet=as_json_)
    if as_json_:
        as_json(shown)
    elif detach:
        say("Your account is being deleted; you are signed out everywhere.")
    else:
        say(f"Deleted: {email} and everything of it.")


def _until_deleted(api: Studio, quiet: bool) -> dict[str, Any]:
    """Prints each thing once it is confirmed gone."""
    told = 0
    while True:
        found: dict[str, Any] = api.get("/api/account-deletion")
        for thing in found["gone"][told:] if not quiet else []:
            say(f"✓ {thing}")
        told = len(found["gone"])
        if found["status"] == "DELETED":
            return found
        time.sleep(LOOK_SECONDS)


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
def remove_key(
    context: typer.Context,
    key_id: Annotated[int, typer.Argument(min=1)],
    as_json_: AsJson = False,
) -> None:
    """Take a key away."""
    studio(context).call("DELETE", f"/api/ssh-keys/{key_id}")
    return as_json({"removed": key_id}) if as_json_ else say("Removed.")


@tokens.command("list")
def list_tokens(context: typer.Context, as_json_: AsJson = False) -> None:
    """Your tokens; what they are was shown when they were made."""
    found = studio(context).get("/api/auth/tokens")
    if as_json_:
        return as_json(found)
    return table(
        ["ID", "NAME", "MADE", "LAST USED", "ENDS"],
        [
            [
                str(one["id"]),
                one["name"],
                when(one["created_at"]),
                when(one["last_used_at"]),
                when(one["expires_at"]),
            ]
            for one in found
        ],
    )


@tokens.command("create")
def create_token(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="What it is for.")],
    days: Annotated[int | None, typer.Option(min=1, help="It ends after so many.")] = None,
    as_json_: AsJson = False,
) -> None:
    """Make a token. It is shown this once."""
    made = studio(context).post("/api/auth/tokens", {"name": name, "expires_in_days": days})
    return as_json(made) if as_json_ else say(made["token"])


@tokens.command("remove")
def remove_token(
    context: typer.Context,
    token_id: Annotated[int, typer.Argument(min=1)],
    as_json_: AsJson = False,
) -> None:
    """Let a token work no longer."""
    studio(context).call("DELETE", f"/api/auth/tokens/{token_id}")
    return as_json({"removed": token_id}) if as_json_ else say("Removed.")
