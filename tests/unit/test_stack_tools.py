"""The cache of tools, which all platforms of a machine share."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from ops.settings import Settings
from ops.stack import npm_tools, tools
from ops.stack.steps import Step

INSTALL_SECONDS = 0.2


@pytest.mark.parametrize("what", ["python package", "verdaccio"])
def test_two_that_want_the_same_install_it_once(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(cache=tmp_path)
    installed: list[Path] = []

    def slowly(folder: Path, *made: str) -> str:
        installed.append(folder)
        time.sleep(INSTALL_SECONDS)
        for name in made:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).touch()
        return ""

    def pip(argv: list[Any], **_: Any) -> str:
        return slowly(argv[-2], "bin")

    def npm(_: Path, folder: Path, *__: str) -> str:
        return slowly(folder, "node_modules/verdaccio/bin/verdaccio")

    def ask(_: int) -> Path:
        if what == "verdaccio":
            return npm_tools.ensure_verdaccio(settings, Step("", None, Console())).script
        return tools.python_package(settings, "example==1")

    monkeypatch.setattr(tools, "run", pip)
    monkeypatch.setattr(npm_tools, "npm_in", npm)
    monkeypatch.setattr(npm_tools, "find_node", lambda _: tmp_path / "node")
    with ThreadPoolExecutor(2) as both:
        first, second = both.map(ask, range(2))
    assert first == second
    assert first.exists()
    assert len(installed) == 1


@pytest.mark.parametrize(
    ("says", "taken"),
    [
        ("traefik v{version} linux/amd64", True),
        ("version {version}", True),
        ("version {version}.1.2", False),
        ("version {version}-rc.1", False),
        ("version 1{version}", False),
        ("version 0.0.1", False),
    ],
)
def test_the_right_version_on_path_is_taken_instead_of_a_build(
    says: str, taken: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = next(tool for tool in tools.TOOLS if tool.version_command)
    elsewhere = tmp_path / "bin" / tool.binary
    elsewhere.parent.mkdir()
    elsewhere.write_text(f"#!/bin/sh\necho '{says.format(version=tool.version)}'\n")
    elsewhere.chmod(0o755)
    monkeypatch.setenv("PATH", str(elsewhere.parent))
    settings = Settings(home=tmp_path / "home", cache=tmp_path / "cache")
    built: list[str] = []

    def build(_: Settings, tool: tools.Tool, home: Path, __: Step) -> None:
        built.append(tool.name)
        (home / tool.binary).parent.mkdir(parents=True, exist_ok=True)
        (home / tool.binary).touch()

    monkeypatch.setattr(tools, "_build", build)
    installed = tools.ensure_tool(settings, tool, Step("", None, Console(quiet=True)))
    assert (installed.binary == elsewhere) is taken
    assert built == ([] if taken else [tool.name])
    assert (settings.tools_bin / tool.binary).resolve() == installed.binary.resolve()
