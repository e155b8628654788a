"""Accounts over HTTP: who is let in, and who is not."""

from __future__ import annotations

import httpx

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
            ({"email": "a@tests.example", "password": "short"}, "password"),
        ):
            answer = await anyone.post("/api/auth/register", json=given)
            assert answer.status_code == 422
            assert field in answer.text
            assert "short" not in answer.text


async def test_sign_in_attempts_are_limited(platform: Platform) -> None:
    given = {"email": "guessed@tests.example", "password": PASSWORD}
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


async def test_a_token_ends_with_its_logout(user: User) -> None:
    made = ok(await user.api.post("/api/auth/tokens", json={"name": "laptop"}), 201)
    listed = ok(await user.api.get("/api/auth/tokens"))
    assert [token["name"] for token in listed] == ["laptop"]
    assert made["token"] not in str(listed)
    own = {"Authorization": f"Bearer {made['token']}"}
    assert (await user.api.get("/api/me", headers=own)).status_code == 200
    await user.api.delete(f"/api/auth/tokens/{made['id']}")
    assert (await user.api.get("/api/me", headers=own)).status_code == 401
