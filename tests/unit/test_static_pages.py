"""The pages that nginx shows by itself: each in both languages, whole in itself."""

from __future__ import annotations

import re

import pytest

from ops.settings import Settings
from ops.stack import nginx, workspace_files
from ops.stack.static_pages import LANGUAGES, static_pages

PAGES = dict(static_pages())
SETTINGS = Settings()


def configurations() -> str:
    gateway = workspace_files.gateway_config(SETTINGS, SETTINGS.node("workspace-87"))
    return "\n".join(
        [nginx.nginx_config(SETTINGS), nginx.nginx_config(Settings(routing="path")), gateway]
    )


def test_each_is_there_in_both_languages() -> None:
    names = {language: set() for language in LANGUAGES}  # type: dict[str, set[str]]
    for path in PAGES:
        language, _, name = path.partition("/")
        names[language].add(name)
    assert names["en"] == names["zh-CN"]


def test_whatever_nginx_names_is_there() -> None:
    """And nothing else; what the API says of a preview is a part of some names."""
    named = set(re.findall(r"/\.studio-pages/([\w$-]+)\.html", configurations()))
    whys = {"stopped", "starting", "down", "shared"}
    idle = set(re.findall(r'(?:default|"~\^code-") ([\w-]*idle);', configurations()))
    wanted = {name for name in named if "$" not in name}
    wanted |= {f"preview-{why}" for why in whys} | idle
    assert {path.removeprefix("en/") for path in PAGES if path.startswith("en/")} == {
        f"{name}.html" for name in wanted
    }


@pytest.mark.parametrize("path", PAGES)
def test_one_is_whole_in_itself(path: str) -> None:
    html = PAGES[path]
    language = path.partition("/")[0]
    assert f'<html lang="{language}">' in html
    assert not re.search(r"<script|src=|href=|url\(|https?:", html)
    assert "`" not in html
    text = re.sub(r"<style>.*?</style>|<[^>]+>", "", html, flags=re.DOTALL)
    assert bool(re.search(r"[\u4e00-\u9fff]", text)) is (language == "zh-CN")


def test_what_waits_looks_again_by_itself() -> None:
    again = {
        path.partition("/")[2] for path, html in PAGES.items() if 'http-equiv="refresh"' in html
    }
    assert again == {"preview-down.html", "preview-shared.html", "preview-starting.html"}
