"""Whom and what the command line reaches, and what it says when it does not."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from sqlmodel import col, update

from ops.db.session import Database
from ops.db.tables import Token, now
from tests.support.cli import answered, studio
from tests.support.platform import Platform
from tests.support.user import PASSWORD, User, ok


async def test_signing_in_is_remembered_and_signing_out_forgets_it(user: User) -> None:
    email = ok(await user.api.get("/api/me"))["email"]
    given = ("login", "--email", email, "--password-stdin")
    wrong = await studio(user, *given, given="not mine at all\n", signed_in=False)
    assert wrong.code == 1
    assert wrong.err == "email or password is wrong\n"

    said = await studio(user, *given, given=PASSWORD + "\n", signed_in=False)
    assert said.code == 0, said
    assert said.out == f"Signed in to {user.settings.studio_url} as {email}.\n"
    memory = user.home / "fun-ai-studio" / "config.json"
    assert memory.stat().st_mode & 0o777 == 0o600
    assert (await studio(user, "apps", "--json", signed_in=False)).json == []
    # Without STUDIO_URL too: the server is the one that was signed in to last.
    assert (
        await studio(user, "apps", "--json", signed_in=False, variables={"STUDIO_URL": ""})
    ).json == []

    kept = memory.read_text()
    assert (await studio(user, "logout", signed_in=False)).code == 0
    assert "token" not in memory.read_text()
    out = await studio(user, "apps", signed_in=False)
    assert (out.code, out.err.splitlines()) == (
        1,
        [f"you are not signed in to {user.settings.studio_url}", "studio login"],
    )
    memory.write_text(kept)
    ended = await studio(user, "apps", signed_in=False)
    assert (ended.code, ended.err.splitlines()[-1]) == (1, "studio login")
    me = await studio(user, *given, "--json", given=PASSWORD + "\n", signed_in=False)
    assert me.json["email"] == email


async def test_a_password_is_changed_and_a_forgotten_one_given_anew(user: User) -> None:
    email = ok(await user.api.get("/api/me"))["email"]
    root = {"STUDIO_HOME": str(user.settings.home)}
    new = "a longer staple for the horse"

    async def signs_in(password: str) -> int:
        words = ("login", "--email", email, "--password-stdin")
        return (await studio(user, *words, given=password + "\n", signed_in=False)).code

    said = await studio(user, "password", "--password-stdin", given=f"{PASSWORD}\n{new}\n")
    assert (said.code, "other sessions have ended" in said.out) == (0, True), said
    assert (await signs_in(PASSWORD), await signs_in(new)) == (1, 0)

    reset = ("admin", "reset-password", email)
    made = (await studio(user, *reset, "--json", variables=root)).json
    assert (await user.api.get("/api/me")).status_code == 401
    assert (await signs_in(new), await signs_in(made["password"])) == (1, 0)
    again = await studio(user, *reset, "--password-stdin", given=PASSWORD + "\n", variables=root)
    assert (again.code, PASSWORD in again.all) == (0, False), again
    given = {"email": email, "password": PASSWORD}
    token = ok(await user.api.post("/api/auth/login", json=given))["token"]
    user.api.headers["Authorization"] = f"Bearer {token}"
    user.api.cookies.clear()


async def test_who_is_an_administrator_is_said_on_the_machine(user: User) -> None:
    email = ok(await user.api.get("/api/me"))["email"]
    root = {"STUDIO_HOME": str(user.settings.home)}
    for word, status in (("add", 200), ("remove", 403)):
        said = await studio(user, "admin", word, email, variables=root)
        assert said.code == 0, said
        assert (await user.api.get("/api/nodes")).status_code == status
    nobody = await studio(user, "admin", "add", "nobody@tests.example", variables=root)
    assert (nobody.code, nobody.err) == (1, "nobody is registered as nobody@tests.example\n")


@pytest.mark.parametrize("words", [("apps",), ("deploy", "1"), ("logs", "--deployment", "1")])
async def test_an_expired_token(platform: Platform, user: User, words: tuple[str, ...]) -> None:
    database = Database.connect(platform.settings)
    async with user.elsewhere() as token_id:
        try:
            async with database.session() as session:
                past = {"expires_at": now() - timedelta(seconds=1)}
                await session.exec(update(Token).where(col(Token.id) == token_id).values(**past))
        finally:
            await database.close()
        said = await studio(user, *words)
    assert said.code == 1
    what, hint = said.err.splitlines()
    assert "the session has ended" in what
    assert "STUDIO_TOKEN" in hint
    assert "studio login" in hint


async def test_what_is_not_there_is_named(user: User) -> None:
    assert (
        await studio(user, "status", "shop")
    ).err == "you have no app 'shop'\nstudio create NAME\n"
    slug = (await answered(user, "create", "shop"))["slug"]
    for words in (
        ("status", "shoe"),
        ("deploy", "shoe"),
        ("rollback", "shoe"),
        ("deployments", "shoe"),
        ("cancel", "shoe"),
        ("logs", "-f", "shoe"),
        ("env", "list", "shoe"),
        ("delete", "shoe", "--yes"),
    ):
        said = await studio(user, *words)
        assert said.code == 1
        assert said.err.splitlines() == ["you have no app 'shoe'", f"you have: {slug}"], said
    for words in (("retry", "1"), ("cancel", "1"), ("logs", "--deployment", "1")):
        said = await studio(user, *words, "--json")
        assert (said.code, said.json["error"]) == (1, "there is no deployment 1 of yours")
    never = await studio(user, "logs", "shop")
    assert (never.code, never.err.splitlines()) == (
        1,
        ["the app is not live", "deploy or start it first"],
    )
    assert (await studio(user, "delete", "shop")).err.splitlines()[-1] == "say --yes"
    assert (await answered(user, "delete", "shop", "--yes"))["status"] == "DELETING"


async def test_a_server_that_is_away(user: User) -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        away = f"http://127.0.0.1:{held.getsockname()[1]}"
    commands = (
        ("apps",),
        ("deploy", "shop"),
        ("login", "--email", "a@b.c", "--password-stdin"),
        ("apps", "--json"),
    )
    # At once: each goes on asking for a moment, as through a restart.
    *told, as_json = await asyncio.gather(
        *(studio(user, "--server", away, *words, given="secret\n") for words in commands)
    )
    for said in told:
        assert said.code == 3
        assert said.err.splitlines() == [
            f"{away} does not answer (ConnectError)",
            "is it up? another server is chosen with --server or STUDIO_URL",
        ]
    assert (as_json.code, as_json.json["error"]) == (3, f"{away} does not answer (ConnectError)")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"200 OK\r\nContent-Length: 6\r\n\r\n<html>", "does not answer as a studio"),
        (b"404 Not Found\r\nContent-Length: 6\r\n\r\n<html>", "the server answered 404"),
        (
            b"301 Moved\r\nLocation: https://studio.example/\r\nContent-Length: 0\r\n\r\n",
            "leads to https://studio.example/",
        ),
    ],
    ids=["a page", "nothing there", "a redirect"],
)
async def test_another_server_than_a_studio(user: User, answer: bytes, said: str) -> None:
    async with _web_server(answer) as url:
        told = await studio(user, "apps", variables={"STUDIO_URL": url})
    assert told.code == 1
    what, hint = told.err.splitlines()
    assert said in what
    assert "STUDIO_URL" in hint


@asynccontextmanager
async def _web_server(answer: bytes) -> AsyncIterator[str]:
    """Answers everything the same."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 " + answer)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"STUDIO_URL": "ftp://x"}, "ftp://x is no address of a studio"),
        ({"STUDIO_URL": "http://x:port"}, "http://x:port is no address of a studio"),
        ({"STUDIO_TOKEN": "tök en"}, "the token has characters that no token has"),
    ],
)
async def test_an_environment_that_cannot_be(
    user: User, variables: dict[str, str], said: str
) -> None:
    told = await studio(user, "apps", variables=variables)
    assert told.code == 1
    assert told.err.splitlines()[0] == said


async def test_a_memory_that_cannot_be_read_or_written(user: User) -> None:
    email = ok(await user.api.get("/api/me"))["email"]
    memory = user.home / "fun-ai-studio" / "config.json"
    memory.mkdir(parents=True)
    broken = await studio(user, "apps", signed_in=False)
    assert (broken.code, broken.err.splitlines()) == (
        1,
        [f"{memory} cannot be read", "delete it and sign in again"],
    )
    nowhere = user.home / "file"
    nowhere.touch()
    lost = await studio(
        *(user, "login", "--email", email, "--password-stdin"),
        given=PASSWORD + "\n",
        signed_in=False,
        variables={"XDG_CONFIG_HOME": str(nowhere)},
    )
    assert lost.code == 1
    assert "cannot be" in lost.err
