"""Servers that come from npm: installed once from a pinned lock file, kept in the cache."""

from __future__ import annotations

import shutil
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from ops.settings import Settings
from ops.stack.programs import file_fingerprint
from ops.stack.shell import clean_environment, run
from ops.stack.steps import Step
from ops.stack.tools import MODULES, find_node, one_at_a_time

HINT = "the npm registry must be reachable; see `npm config get registry`"


class NodeServer(BaseModel):
    """A server's script and the Node that runs it."""

    model_config = ConfigDict(frozen=True)

    node: Path
    script: Path


def ensure_verdaccio(settings: Settings, step: Step) -> NodeServer:
    """The cache of npm packages. No package's own script runs when it is installed."""
    source = MODULES / "verdaccio"
    node = find_node(settings)
    key = file_fingerprint(source / "package.json", source / "package-lock.json")[:12]
    home = settings.cache / "tools" / f"verdaccio-{key}"
    script = home / "node_modules" / "verdaccio" / "bin" / "verdaccio"
    step.note("kept" if script.is_file() else "installed")
    if not script.is_file():
        with one_at_a_time(home):
            if not script.is_file():
                _install(node, source, home)
    return NodeServer(node=node / "bin" / "node", script=script)


def _install(node: Path, source: Path, home: Path) -> None:
    draft = home.with_name(home.name + ".new")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copyfile(source / name, draft / name)
    npm_in(node, draft, "ci", "--ignore-scripts", "--no-audit", "--no-fund")
    shutil.rmtree(home, ignore_errors=True)
    draft.rename(home)


def npm_registry(settings: Settings) -> str:
    """Where packages come from: what this machine's npm is set to."""
    return npm_in(find_node(settings), Path("/"), "config", "get", "registry").strip()


def npm_in(node: Path, cwd: Path, *args: str) -> str:
    """npm's own output, run in ``cwd``. Raises PlatformError when it fails."""
    script = node / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return run_node(node, script, *args, cwd=cwd, hint=HINT)


def run_node(node: Path, script: Path, *args: str, cwd: Path, hint: str = "") -> str:
    """Output of a script, with Node on its PATH. Raises PlatformError when it fails."""
    environment = clean_environment()
    environment["PATH"] = f"{node / 'bin'}:{environment['PATH']}"
    return run(
        [node / "bin" / "node", script, *args], cwd=cwd, env=environment, timeout=900, hint=hint
    )
