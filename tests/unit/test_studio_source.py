"""The studio page's source, as far as Python can judge it."""

from __future__ import annotations

import json
import re

from api.entry import client_types
from ops.settings import Settings, load_settings
from ops.stack.nginx import page_policy
from ops.stack.programs import CHECKOUT
from ops.stack.static_pages import FOLDER
from ops.stack.studio_page import SOURCE, sources


def test_the_client_is_made_from_this_api() -> None:
    """All of it: a digest of the API's description would not see what was changed by hand."""
    kept, made = client_types.TYPES.read_text(), client_types.generated(load_settings())
    # Not the texts themselves: pytest would take minutes to compare them line by line.
    assert (kept == made) is True, "run `PYTHONPATH=. python -m api.entry.client_types`"


def test_the_lock_file_names_no_registry() -> None:
    packages = json.loads((SOURCE / "package-lock.json").read_text())["packages"]
    assert [name for name, entry in packages.items() if "resolved" in entry] == []


def test_nothing_in_the_source_would_take_text_as_markup() -> None:
    """Names, log lines and commit messages are other people's: they are only ever text."""
    found = [
        f"{path.relative_to(SOURCE)}: {match.group()}"
        for path in sources()
        if path.suffix in {".vue", ".ts"} and path.name != "schema.d.ts"
        for match in re.finditer(
            r"v-html|innerHTML|outerHTML|insertAdjacentHTML|\beval\(", path.read_text()
        )
    ]
    assert found == []


def test_the_page_may_run_only_its_own_scripts() -> None:
    rules = dict(rule.split(" ", 1) for rule in page_policy(Settings()).split("; "))
    assert (
        rules["script-src"]
        == "http://studio.localhost:8000/assets/ http://studio.localhost:8000/early.js"
    )
    assert rules["default-src"] == rules["frame-ancestors"] == rules["base-uri"] == "'none'"
    assert rules["frame-src"] == "http://*.ws.localhost:8000"
    assert rules["connect-src"] == "'self' ws://studio.localhost:8000"


def test_chinese_texts_address_a_person_in_one_way() -> None:
    chinese = (CHECKOUT / "README.zh-CN.md", FOLDER / "texts.yml", *sources())
    formal = [
        path.name
        for path in chinese
        if path.suffix in {".ts", ".vue", ".md", ".yml"} and "您" in path.read_text()
    ]
    assert formal == []


def test_files_of_the_page_stay_short() -> None:
    long = {
        str(path.relative_to(SOURCE)): count
        for path in sources()
        if path.suffix in {".vue", ".ts", ".css"} and path.name != "schema.d.ts"
        if (count := len(path.read_text().splitlines())) > 320
    }
    assert long == {}
