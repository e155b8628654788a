"""The public entry between people and hostile apps: names, headers, cookies, orders to nginx."""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from tests.support.platform import Platform
from tests.support.prober import Probe
from tests.support.raw import RawAnswer, send
from tests.support.user import User

INTERNAL = "internal/route?app_id=1"


def studio(platform: Platform) -> str:
    """The studio's Host header."""
    return platform.settings.studio_url.partition("//")[2]


def answering(*headers: str) -> str:
    """A query for which the probe answers with these headers."""
    return "?" + urlencode([("header", header) for header in headers])


def as_seen(answer: RawAnswer) -> dict[str, Any]:
    """What reached the app."""
    assert answer.status == 200, answer
    found: dict[str, Any] = json.loads(answer.body)
    return found


async def test_no_app_can_fake_the_mark_that_verify_looks_for(
    platform: Platform, probes: tuple[Probe, Probe]
) -> None:
    probe = probes[0]
    fake = answering("X-Studio-Release: 999999", "x-studio-release: 999999")
    for target, host in ((f"/{fake}", probe.host), (f"/apps/{probe.app_id}/{fake}", None)):
        answer = await send(platform.settings, target, host or studio(platform))
        assert answer.head.lower().count("x-studio-release") == 1
        assert answer.header("X-Studio-Release") == str(probe.release_id)


@pytest.mark.parametrize("name", ["studio_session", "__Host-studio_session", "STUDIO_SESSION"])
async def test_the_platforms_cookie_reaches_no_app(
    platform: Platform, probes: tuple[Probe, Probe], name: str
) -> None:
    probe = probes[0]
    cookie = f"Cookie: mine=1; {name}=SECRET; yours=2"
    for target, host in (("/", probe.host), (f"/apps/{probe.app_id}/", studio(platform))):
        for headers in ((cookie,), ("Cookie: a=1", cookie), (cookie, cookie)):
            seen = as_seen(await send(platform.settings, target, host, *headers))
            assert "SECRET" not in json.dumps(seen["headers"])
        assert (
            "mine=1"
            in as_seen(await send(platform.settings, target, host, cookie))["headers"]["cookie"]
        )


async def test_what_a_client_claims_of_itself_is_replaced(
    platform: Platform, probes: tuple[Probe, Probe]
) -> None:
    claims = (
        "X-Real-IP: 6.6.6.6",
        "X-Forwarded-For: 6.6.6.6",
        "X-Forwarded-Host: evil.example",
        "X-Forwarded-Proto: gopher",
        "X-Forwarded-Port: 666",
        "X-Forwarded-Prefix: /evil",
        "Forwarded: for=6.6.6.6;host=evil.example",
    )
    probe = probes[0]
    own = as_seen(await send(platform.settings, "/", probe.host, *claims))["headers"]
    assert "x-forwarded-prefix" not in own
    beside = as_seen(
        await send(platform.settings, f"/apps/{probe.app_id}/", studio(platform), *claims)
    )["headers"]
    assert beside["x-forwarded-prefix"] == f"/apps/{probe.app_id}"
    for headers in (own, beside):
        said = json.dumps({k: v for k, v in headers.items() if "forwarded" in k or "real" in k})
        for claim in ("6.6.6.6", "evil", "gopher", "666"):
            assert claim not in said, said


def is_nothing(answer: RawAnswer) -> bool:
    """Not found; or the studio's page, which is at every path that nothing else has and says so."""
    return answer.status == 404 or (answer.status == 200 and '<div id="app">' in answer.body)


@pytest.mark.parametrize(
    "target",
    [
        f"/{INTERNAL}",
        f"//{INTERNAL}",
        f"/./{INTERNAL}",
        f"/x/../{INTERNAL}",
        f"/apps/../{INTERNAL}",
        f"/apps/1/../../{INTERNAL}",
        f"/x/..;/{INTERNAL}",
        f"/;/{INTERNAL}",
        "/%69nternal/route?app_id=1",
        "/internal%2froute?app_id=1",
        "/internal/%2e/route?app_id=1",
        "/INTERNAL/route?app_id=1",
        "/internal\\route?app_id=1",
        f"http://{{studio}}/{INTERNAL}",
        "/.studio-route",
        "/.studio-pages/404.html",
    ],
)
async def test_what_is_internal_is_not_there(platform: Platform, target: str) -> None:
    host = studio(platform)
    answer = await send(platform.settings, target.format(studio=host), host)
    assert is_nothing(answer), answer
    assert answer.header("X-Studio-Upstream") is None


async def test_an_app_gives_no_orders_to_nginx(
    platform: Platform, probes: tuple[Probe, Probe]
) -> None:
    probe = probes[0]
    for order in (
        "X-Accel-Redirect: /api/health/live",
        f"X-Accel-Redirect: /{INTERNAL}",
        "X-Accel-Redirect: /.studio-route",
        "X-Accel-Redirect: @app",
        "X-Accel-Limit-Rate: 1",
        "X-Accel-Charset: utf-7",
    ):
        query = answering(order)
        for target, host in (
            (f"/{query}", probe.host),
            (f"/apps/{probe.app_id}/{query}", studio(platform)),
        ):
            answer = await send(platform.settings, target, host)
            assert as_seen(answer)["url"] == f"/{query}"
            assert answer.header("X-Studio-Upstream") is None


async def test_two_names_in_one_request_are_refused(
    platform: Platform, probes: tuple[Probe, Probe]
) -> None:
    own, other = probes
    settings = platform.settings
    name = own.host.partition(":")[0]
    for target, host in (
        (f"http://{name}/", other.host),
        (f"http://{studio(platform)}/api/health/live", own.host),
        (f"http://{name}/", studio(platform)),
        ("/", f'{name}:80"<x>'),
        ("/", f"{name}:8000@evil.example"),
    ):
        answer = await send(settings, target, host)
        assert answer.status == 400, (target, host, answer)
    two = await send(settings, "/", own.host, f"Host: {other.host}")
    assert two.status == 400
    assert (await send(settings, "/", None)).status == 400
    for host in (own.host, own.host.upper(), name, f"{name}.", f"{name}:1"):
        assert (await send(settings, "/", host)).header("X-Studio-Release") == str(own.release_id)


async def test_a_name_that_is_nobodys_is_a_404(
    platform: Platform, probes: tuple[Probe, Probe]
) -> None:
    own = probes[0]
    settings = platform.settings
    domain = settings.apps_domain
    for host in (
        "127.0.0.1",
        "evil.example",
        domain,
        f".{domain}",
        f"-.{domain}",
        f"nobodys-app.{domain}",
        f"a.{own.slug}.{domain}",
        f"{own.slug}.{domain}.evil.example",
        f"{own.slug}.evil.{domain}",
        f"{settings.studio_host}.evil.example",
        f"{'x' * 63}.{domain}",
        f"{'x' * 70}.{domain}",
        f"{own.slug}%00.{domain}",
    ):
        answer = await send(settings, "/", host)
        assert answer.status == 404, (host, answer)
        assert answer.header("X-Studio-Release") is None
    for app in ("0", "999999999", "99999999999999999", "9" * 30, "1x", "-1"):
        answer = await send(settings, f"/apps/{app}/", studio(platform))
        assert is_nothing(answer), (app, answer)


@pytest.mark.parametrize(
    "headers",
    [
        *((f"Sec-Fetch-Dest: {kind}",) for kind in ("document", "iframe", "frame", "object")),
        ("Sec-Fetch-Dest: embed", "Accept: */*"),
        ("Accept: text/html,application/xhtml+xml,*/*;q=0.8",),
    ],
)
async def test_a_page_load_is_led_to_the_apps_own_name(
    platform: Platform, probes: tuple[Probe, Probe], headers: tuple[str, ...]
) -> None:
    probe = probes[0]
    for rest in ("/", "/a/b?c=d", "//evil.example/", "/\\evil.example", "/%0d%0aSet-Cookie:x=1"):
        target = f"/apps/{probe.app_id}{rest}"
        answer = await send(platform.settings, target, studio(platform), *headers)
        assert answer.status == 302
        assert answer.header("Location") == f"http://{probe.host}{rest}"


async def test_in_place_an_app_is_no_page_of_the_studio(
    platform: Platform, probes: tuple[Probe, Probe]
) -> None:
    query = answering(
        "Set-Cookie: studio_session=planted; Path=/",
        "Clear-Site-Data: *",
        "Strict-Transport-Security: max-age=1",
        "Alt-Svc: h3=evil.example",
        "NEL: {}",
        "Report-To: {}",
        "Service-Worker-Allowed: /",
        "Content-Security-Policy: sandbox allow-scripts allow-same-origin",
        "Content-Type: text/html",
    )
    target = f"/apps/{probes[0].app_id}/{query}"
    answer = await send(platform.settings, target, studio(platform), "Sec-Fetch-Dest: empty")
    assert as_seen(answer)["url"] == f"/{query}"
    for name in ("Set-Cookie", "Clear-Site-Data", "Strict-Transport-Security", "Alt-Svc"):
        assert answer.header(name) is None
    for name in ("NEL", "Report-To", "Service-Worker-Allowed"):
        assert answer.header(name) is None
    assert "content-security-policy: sandbox\r\n" in answer.head.lower()
    assert answer.header("X-Content-Type-Options") == "nosniff"


async def test_no_path_becomes_a_header(platform: Platform) -> None:
    for end in ("%0a", "%0d%0a", "%0d", "%0aX-Owned:1"):
        answer = await send(platform.settings, f"/apps/1{end}?:x", studio(platform))
        assert is_nothing(answer), answer
        assert answer.header("Location") is None
    answer = await send(platform.settings, "/apps/1?a=1", studio(platform))
    assert (answer.status, answer.header("Location")) == (308, "/apps/1/?a=1")


async def test_the_studios_own_answers_are_framed_and_guessed_by_nobody(
    platform: Platform,
) -> None:
    answer = await send(platform.settings, "/api/health/live", studio(platform))
    assert answer.header("X-Frame-Options") == "DENY"
    assert answer.header("X-Content-Type-Options") == "nosniff"


async def test_the_page_is_strict_small_and_kept(platform: Platform) -> None:
    """What it may load is said by its answer; what it is made of has names that never change."""
    async with httpx.AsyncClient(
        base_url=platform.settings.entry_url,
        headers={"Host": studio(platform), "Accept-Encoding": "gzip"},
        trust_env=False,
    ) as browser:
        page = await browser.get("/")
        policy = page.headers["Content-Security-Policy"]
        scripts = re.search(r"script-src ([^;]+)", policy)
        assert scripts
        own = platform.settings.studio_url
        assert scripts[1].split() == [f"{own}/assets/", f"{own}/early.js"]
        (script,) = re.findall(r'<script [^>]*src="(/assets/[^"]+)"', page.text)
        asset = await browser.get(script)
    assert asset.headers["Content-Encoding"] == "gzip"
    assert asset.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert re.search(r"-[\w-]{8}\.js$", script)
    assert "immutable" not in page.headers["Cache-Control"]


async def test_a_body_that_fills_the_memory_is_refused_before_it_is_read(
    platform: Platform,
) -> None:
    answer = await send(
        platform.settings,
        "/api/auth/login",
        studio(platform),
        "Content-Type: application/json",
        f"Content-Length: {64 * 1024 * 1024}",
        method="POST",
    )
    assert answer.status == 413
    assert answer.header("Content-Type") == "application/problem+json"
    assert json.loads(answer.body)["code"] == "body_too_large"


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("POST", "/api/apps"),
        ("PUT", "/api/workspace/files/content?app_id=1&path=a"),
        ("PUT", "/api/workspace/files/upload?app_id=1&path=a"),
        ("POST", "/api/apps/archive?name=a"),
    ],
)
async def test_whoever_is_not_signed_in_is_told_so_before_the_body_comes(
    platform: Platform, method: str, target: str
) -> None:
    """Nothing of it is ever sent: an API that waits for it would not answer."""
    kind = "Content-Type: application/json"
    length = f"Content-Length: {8 * 1024 * 1024}"
    answer = await send(platform.settings, target, studio(platform), kind, length, method=method)
    assert answer.status == 401
    assert answer.header("Content-Type") == "application/problem+json"
    assert json.loads(answer.body)["code"] == "not_signed_in"


async def test_who_is_signed_in_is_told_what_is_too_large(platform: Platform, user: User) -> None:
    """By the API itself: nginx lets more through, for the content of files."""
    answer = await user.api.post("/api/apps", json={"name": "x" * 2 * 1024 * 1024})
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
    # What was sent in vain is in nobody's way.
    assert (await user.api.get("/api/me")).status_code == 200


async def test_a_flood_of_sign_ins_is_cut_off_before_the_api(platform: Platform) -> None:
    async def knock() -> RawAnswer:
        return await send(platform.settings, "/api/auth/login", studio(platform), method="POST")

    try:
        answers = await asyncio.gather(*(knock() for _ in range(120)))
    finally:
        # Ten more a second are let through; the next test signs two in from the same address.
        await asyncio.sleep(1.5)
    codes = Counter(answer.status for answer in answers)
    assert set(codes) == {422, 429}
    assert codes[422] >= 60
    refused = next(answer for answer in answers if answer.status == 429)
    assert refused.header("Content-Type") == "application/problem+json"
    assert json.loads(refused.body)["title"] == "Limit reached"
    assert (await knock()).status == 422
