"""Accounts over HTTP: who is let in, and who is not."""

from __future__ import annotations

import asyncio
import secrets

import httpx
import pytest
import pytest_asyncio
from sqlmodel import delete

from ops.db.session import Database
from ops.db.tables import SignInAttempt
from tests.support.platform import Platform
from tests.support.user import PASSWORD, User, ok


def visitor(platform: Platform, **headers: str) -> httpx.AsyncClient:
    settings = platform.settings
    return httpx.AsyncClient(
        base_url=settings.entry_url,
        headers={"Host": settings.studio_url.partition("//")[2], **headers},
        timeout=30,
        trust_env=False,
    )


@pytest_asyncio.fixture(autouse=True)
async def nobody_failed_yet(platform: Platform) -> None:
    """All tests sign in from one address, which has a limit of its own over all accounts."""
    database = Database.connect(platform.settings)
    async with database.session() as session:
        await session.exec(delete(SignInAttempt))
    await database.close()


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def somebody() -> str:
    return f"u{secrets.token_hex(6)}@tests.example"


async def test_without_a_token_nothing_is_shown(platform: Platform, user: User) -> None:
    app = ok(await user.api.post("/api/apps", json={"name": "mine"}), 201)
    async with visitor(platform) as anyone:
        for path in ("/api/me", "/api/apps", f"/api/apps/{app['id']}", "/api/ssh-keys"):
            answer = await anyone.get(path)
            assert answer.status_code == 401, path
            assert answer.headers["content-type"].startswith("application/problem+json")


async def test_an_email_registers_once(platform: Platform) -> None:
    given = {"email": "twice@tests.example", "password": PASSWORD}
    async with visitor(platform) as anyone:
        first = await anyone.post("/api/auth/register", json=given)
        assert first.status_code in (201, 409)
        again = await anyone.post("/api/auth/register", json=given)
        assert again.status_code == 409


async def test_bad_registrations_say_which_field(platform: Platform) -> None:
    async with visitor(platform) as anyone:
        for given, field in (
            ({"email": "nobody", "password": PASSWORD}, "email"),
            ({"email": "a@tests.example", "password": "hunter2"}, "password"),
        ):
            answer = await anyone.post("/api/auth/register", json=given)
            assert answer.status_code == 422
            assert field in answer.text
            assert "hunter2" not in answer.text


async def test_sign_in_attempts_are_limited(platform: Platform) -> None:
    given = {"email": somebody(), "password": PASSWORD}
    async with visitor(platform) as anyone:
        await anyone.post("/api/auth/register", json=given)
        wrong = given | {"password": "wrong wrong wrong"}
        codes = [
            (await anyone.post("/api/auth/login", json=wrong)).status_code
            for _ in range(platform.settings.sign_in_attempts + 1)
        ]
        assert codes[0] == 401
        assert codes[-1] == 429
        assert (await anyone.post("/api/auth/login", json=given)).status_code == 429


async def test_attempts_made_at_once_do_not_pass_the_limit_together(platform: Platform) -> None:
    given = {"email": somebody(), "password": PASSWORD}
    limit = platform.settings.sign_in_attempts
    async with visitor(platform) as anyone:
        await anyone.post("/api/auth/register", json=given)
        answers = await asyncio.gather(
            *(
                anyone.post(
                    "/api/auth/login",
                    json=given | {"password": f"guess number {number}"},
                    # What a client says of its address makes it nobody else.
                    headers={"X-Real-IP": f"192.0.2.{number}", "X-Forwarded-For": "192.0.2.1"},
                )
                for number in range(2 * limit)
            )
        )
    codes = [answer.status_code for answer in answers]
    assert codes.count(401) <= limit
    assert codes.count(401) + codes.count(429) == len(codes)


@pytest.mark.parametrize(
    "spelling",
    ["\u00e1da", "\uff41da", "\x01ada", "ad\u200ba", "ada\u0301"],
    ids=["accent", "wide", "control", "invisible", "combining"],
)
async def test_an_address_has_one_spelling_to_sign_in_with(
    platform: Platform, spelling: str
) -> None:
    """The records' collation takes these for the same: each would have a limit of its own."""
    given = {"email": "ada@spellings.example", "password": PASSWORD}
    async with visitor(platform) as anyone:
        await anyone.post("/api/auth/register", json=given)
        other = given | {"email": f"{spelling}@spellings.example"}
        assert (await anyone.post("/api/auth/login", json=other)).status_code == 401
        upper = given | {"email": "ADA@Spellings.example"}
        assert (await anyone.post("/api/auth/login", json=upper)).status_code == 200


async def test_a_cookie_writes_only_from_the_studios_own_origin(platform: Platform) -> None:
    given = {"email": "cookie@tests.example", "password": PASSWORD}
    async with visitor(platform) as browser:
        await browser.post("/api/auth/register", json=given)
        login = await browser.post("/api/auth/login", json=given)
        cookie = login.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "samesite=lax" in cookie.lower()
        browser.cookies.clear()
        browser.headers["Cookie"] = cookie.partition(";")[0]
        assert (await browser.get("/api/me")).status_code == 200
        body = {"name": "by cookie"}
        for origin in (None, "http://evil.example", "null"):
            headers = {"Origin": origin} if origin else {}
            answer = await browser.post("/api/apps", json=body, headers=headers)
            assert answer.status_code == 403, origin
        own = {"Origin": platform.settings.studio_url}
        assert (await browser.post("/api/apps", json=body, headers=own)).status_code == 201


async def test_a_new_password_ends_the_other_sessions(platform: Platform) -> None:
    given = {"email": somebody(), "password": PASSWORD}
    new = "a longer staple for the horse"
    change = {"current": PASSWORD, "new": new}
    path = "/api/auth/password"
    async with visitor(platform) as anyone:
        ok(await anyone.post("/api/auth/register", json=given), 201)
        signed_in = [ok(await anyone.post("/api/auth/login", json=given)) for _ in range(2)]
        here, there = (bearer(one["token"]) for one in signed_in)
        made = await anyone.post("/api/auth/tokens", json={"name": "nightly"}, headers=here)
        script = bearer(ok(made, 201)["token"])
        anyone.cookies.clear()

        assert (await anyone.post(path, json=change)).status_code == 401
        short = await anyone.post(path, json=change | {"new": "hunter2"}, headers=here)
        assert (short.status_code, "hunter2" in short.text) == (422, False)
        assert short.json()["errors"][0]["field"] == "body.new"
        wrong = await anyone.post(path, json=change | {"current": "a guess"}, headers=here)
        assert (wrong.status_code, wrong.json()["field"]) == (403, "current")
        ok(await anyone.post(path, json=change, headers=here), 204)

        seen = [
            (await anyone.get("/api/me", headers=one)).status_code for one in (here, there, script)
        ]
        assert seen == [200, 401, 200]
        assert (await anyone.post("/api/auth/login", json=given)).status_code == 401
        assert (
            await anyone.post("/api/auth/login", json=given | {"password": new})
        ).status_code == 200


async def test_a_token_ends_with_its_logout(user: User) -> None:
    made = ok(await user.api.post("/api/auth/tokens", json={"name": "laptop"}), 201)
    listed = ok(await user.api.get("/api/auth/tokens"))
    assert [token["name"] for token in listed] == ["laptop"]
    assert made["token"] not in str(listed)
    assert listed[0]["last_used_at"] is None
    own = {"Authorization": f"Bearer {made['token']}"}
    assert (await user.api.get("/api/me", headers=own)).status_code == 200
    (used,) = ok(await user.api.get("/api/auth/tokens"))
    assert used["last_used_at"] >= made["created_at"]
    await user.api.delete(f"/api/auth/tokens/{made['id']}")
    assert (await user.api.get("/api/me", headers=own)).status_code == 401
