"""The pages that nginx shows by itself: each in both languages, whole in itself."""

from __future__ import annotations

import re
from typing import get_args

import pytest

from api.entry.internal_preview import Why
from ops.settings import Settings
from ops.stack import nginx, workspace_files
from ops.stack.static_pages import LANGUAGES, static_pages
from ops.stack.studio_page import SOURCE
from tests.support.nginx_map import NginxMap

PAGES = dict(static_pages())
NAMES = sorted({path.partition("/")[2] for path in PAGES})
SETTINGS = Settings()
CONFIGURATIONS = {
    "entry": nginx.nginx_config(SETTINGS),
    "entry by path": nginx.nginx_config(Settings(routing="path")),
    "gateway": workspace_files.gateway_config(SETTINGS, SETTINGS.node("workspace-87")),
}
PLACES = r"location \^~ /\.studio-pages/ \{\n(.*?)\n +\}\n"

each_configuration = pytest.mark.parametrize(
    "config", CONFIGURATIONS.values(), ids=CONFIGURATIONS.keys()
)


def test_each_is_there_in_both_languages() -> None:
    assert set(PAGES) == {f"{language}/{name}" for language in LANGUAGES for name in NAMES}


def test_whatever_nginx_names_is_there() -> None:
    """And nothing else; what the API says of a preview is a part of some names."""
    text = "\n".join(CONFIGURATIONS.values())
    named = set(re.findall(r"/\.studio-pages/([\w$-]+)\.html", text))
    variable = {name for name in named if "$" in name}
    assert variable == {"preview-$studio_why", "$studio_idle"}
    idle = set(re.findall(r'(?:default|"~\^code-") ([\w-]*idle);', text))
    wanted = named - variable | {f"preview-{why}" for why in get_args(Why)} | idle
    assert set(NAMES) == {f"{name}.html" for name in wanted}


@pytest.mark.parametrize("path", PAGES)
def test_one_is_whole_in_itself(path: str) -> None:
    html = PAGES[path]
    language = path.partition("/")[0]
    assert f'<html lang="{language}">' in html
    assert not re.search(r"<script|src=|href=|url\(|https?:", html)
    assert "`" not in html
    text = re.sub(r"<style>.*?</style>|<[^>]+>", "", html, flags=re.DOTALL)
    assert bool(re.search(r"[\u4e00-\u9fff]", text)) is (language == "zh-CN")


@pytest.mark.parametrize("name", NAMES)
def test_both_languages_say_the_same_things(name: str) -> None:
    """A title, the same as heading, and a text; the same commands; as often looked at again."""
    english, chinese = (PAGES[f"{language}/{name}"] for language in LANGUAGES)
    for html in (english, chinese):
        said = re.findall(r"<(title|h1|p)>(.+?)</\1>", html)
        assert [tag for tag, _ in said] == ["title", "h1", "p"]
        assert said[0][1] == said[1][1]
    code, tags = r"<code>(.+?)</code>", r"<(?!html)[^>]+>"
    assert re.findall(code, english) == re.findall(code, chinese)
    assert re.findall(tags, english) == re.findall(tags, chinese)


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_stands_in_quotes_is_what_the_studio_calls_it(language: str) -> None:
    messages = (SOURCE / "src" / "messages" / language / "studio.ts").read_text()
    quoted = {
        label
        for path, html in PAGES.items()
        if path.startswith(f"{language}/")
        for label in re.findall("“(.+?)”", html)
    }
    assert quoted
    assert [label for label in quoted if f'"{label}"' not in messages] == []


def test_what_waits_looks_again_by_itself() -> None:
    again = {
        path.partition("/")[2] for path, html in PAGES.items() if 'http-equiv="refresh"' in html
    }
    assert again == {"preview-down.html", "preview-shared.html", "preview-starting.html"}


@each_configuration
@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("*", "en"),
        ("en-US,en;q=0.9", "en"),
        ("de", "en"),
        ("en,zh-CN;q=0.9", "en"),
        ("zh", "zh-CN"),
        ("ZH-tw", "zh-CN"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh-CN"),
        ("../../etc/zh", "en"),
    ],
)
def test_the_first_preference_is_taken(config: str, header: str, language: str) -> None:
    assert NginxMap(config, "studio_language")[header] == language


@each_configuration
def test_a_cache_keeps_the_languages_apart(config: str) -> None:
    places = re.findall(PLACES, config, re.DOTALL)
    assert places
    for place in places:
        lines = [line.strip() for line in place.splitlines()]
        assert "internal;" in lines
        assert "add_header Vary Accept-Language always;" in lines
        assert "add_header Content-Language $studio_language always;" in lines


def test_an_idle_preview_is_marked_and_never_kept() -> None:
    (place,) = re.findall(PLACES, CONFIGURATIONS["gateway"], re.DOTALL)
    assert "add_header Cache-Control no-store always;" in place
    assert "add_header X-Studio-Preview idle always;" in place
