"""The pages that nginx shows by itself, in the languages of the studio, as ``en/404.html``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from yaml import safe_load

from ops.stack.render import TEMPLATES, write

LANGUAGES = ("en", "zh-CN")
"""The first is for everybody who wants none of them."""
FOLDER = TEMPLATES / "pages"


def static_pages() -> Iterator[tuple[str, str]]:
    """The path of each page and its HTML."""
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    layout = environment.get_template("layout.html")
    texts: dict[str, dict[str, Any]] = safe_load((FOLDER / "texts.yml").read_text())
    for name, page in texts.items():
        for language in LANGUAGES:
            heading, text = page[language]
            html = layout.render(
                language=language,
                heading=heading,
                parts=text.split("`"),
                again=page.get("again"),
            )
            yield f"{language}/{name}.html", html


def write_static_pages(folder: Path) -> None:
    """Where nginx's workers can read them."""
    for path, html in static_pages():
        write(folder / path, html)
