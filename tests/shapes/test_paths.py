"""``STUDIO_ROUTING=path``: an installation without names for its apps serves them below paths."""

from __future__ import annotations

import re

import pytest

from tests.support import apps
from tests.support.platform import Platform
from tests.support.user import App, User, ok
from tests.support.workspace import OpenApp

PAGE_LOAD = {"Sec-Fetch-Dest": "document", "Accept": "text/html,*/*;q=0.8"}
SAYS_WHERE_IT_IS = """
const fs = require("fs"), http = require("http");
http.createServer((req, res) => {
  res.setHeader("Set-Cookie", "mine=1");
  res.setHeader("Service-Worker-Allowed", "/");
  res.end(JSON.stringify({
    built: fs.readFileSync("built").toString().trim(), env: process.env, url: req.url, headers: req.headers,
  }));
}).listen(process.env.PORT);
"""
TYPES = {"application/javascript", "text/javascript", "text/css"}
KEEPS_BUILD_PATH = """
FROM node:24-bookworm-slim
WORKDIR /app
ARG BASE_PATH
COPY . ./
RUN echo "$BASE_PATH" > built
USER 1000
CMD ["node", "server.js"]
"""


async def from_template(user: User, template: str) -> App:
    """A live app of one of the platform's own templates."""
    given = {"name": template, "template": template}
    app = App(user, ok(await user.api.post("/api/apps", json=given), 201))
    deployment = await app.deployed()
    assert deployment["status"] == "SUCCEEDED", deployment
    assert app.url == f"{user.settings.studio_url}/apps/{app.id}/"
    return app


@pytest.mark.parametrize("template", ["express-api", "fastapi"])
async def test_a_server_answers_below_its_path(user: User, template: str) -> None:
    app = await from_template(user, template)
    page = await app.get(**PAGE_LOAD)
    assert page.status_code == 200, page.text
    assert "It works" in page.text
    (link,) = re.findall(r'href="([^"]+)"', page.text)
    answer = await app.get(link, **PAGE_LOAD)
    assert ok(answer)["message"] == "Hello, you!"
    if template == "fastapi":
        docs = (await app.get("docs", **PAGE_LOAD)).text
        assert f"/apps/{app.id}/openapi.json" in docs


async def test_a_vite_build_finds_its_assets_below_its_path(user: User) -> None:
    app = await from_template(user, "vite-vue")
    page = await app.get(**PAGE_LOAD)
    assert page.status_code == 200, page.text
    assets = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert {asset.rpartition(".")[2] for asset in assets} == {"js", "css"}
    for asset in assets:
        assert asset.startswith(f"/apps/{app.id}/"), asset
        answer = await app.get(
            asset.removeprefix(f"/apps/{app.id}/"), **{"Sec-Fetch-Dest": "script"}
        )
        assert answer.status_code == 200, asset
        assert answer.headers["Content-Type"].partition(";")[0] in TYPES
        assert "Clicked" in answer.text or asset.endswith(".css")


async def test_an_app_is_told_its_path_when_it_is_built_and_when_it_runs(
    platform: Platform, user: User
) -> None:
    app = await user.app(apps.node_app(SAYS_WHERE_IT_IS) | {"Dockerfile": KEEPS_BUILD_PATH})
    deployment = await app.deployed()
    assert deployment["status"] == "SUCCEEDED", deployment
    path = f"/apps/{app.id}/"
    cookie = "theirs=1; studio_session=SECRET; mine=2"
    answer = await app.get("a/b?c=d", Cookie=cookie, **PAGE_LOAD)
    seen = ok(answer)
    assert seen["built"] == path
    assert seen["env"]["BASE_PATH"] == path
    assert seen["env"]["PUBLIC_URL"] == app.url
    # The prefix is stripped on the way, and named in a header.
    assert seen["url"] == "/a/b?c=d"
    assert seen["headers"]["x-forwarded-prefix"] == path.rstrip("/")
    assert "SECRET" not in seen["headers"]["cookie"]
    assert "mine=2" in seen["headers"]["cookie"]
    # Apps share one name here: none may take the others' pages over for ever.
    assert "Service-Worker-Allowed" not in answer.headers
    assert answer.headers["Set-Cookie"] == "mine=1"
    assert answer.headers["X-Studio-Release"] == str(deployment["id"])


async def test_vs_code_needs_a_name_of_its_own_and_the_refusal_says_so(user: User) -> None:
    made = await OpenApp.opened(user)
    refused = await made.post("code")
    assert refused.status_code == 409
    problem = refused.json()
    assert "name of its own" in problem["detail"]
    assert "STUDIO_ROUTING=names" in problem["hint"]
