"""VS Code for workspaces (code-server): installed once from pinned lock files, kept in the cache.

Workspaces get it as a folder that they can read, at ``/opt/studio/code-server``, with the settings
that its users begin with. What it has for
other systems, for its AI agents and for Kerberos is left out.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from ops.settings import Settings
from ops.stack import tools
from ops.stack.npm_tools import npm_in
from ops.stack.programs import file_fingerprint
from ops.stack.shell import run
from ops.stack.steps import Step

SOURCE = tools.MODULES / "code-server"
#: The only packages whose own scripts run: they are compiled. The rest comes compiled, or is JavaScript.
COMPILED = ("@vscode/spdlog", "@vscode/native-watchdog", "@vscode/fs-copyfile")
NOT_NEEDED = (
    "extensions/copilot",
    "node_modules/**/darwin-*",
    "node_modules/**/win32-*",
    "node_modules/@vscode/spdlog/deps",
)
QUIET = ("--no-audit", "--no-fund")


def ensure_code_server(settings: Settings, step: Step) -> None:
    """Installs it where it is missing, and links it into ``tools_bin``."""
    home = _home(settings)
    step.note("kept" if home.is_dir() else "installed")
    if not home.is_dir():
        with tools.one_at_a_time(home):
            if not home.is_dir():
                _install(settings, home, step)
    tools.link(settings, "code-server", home)


def _home(settings: Settings) -> Path:
    sources = sorted(path for path in SOURCE.rglob("*.json"))
    # Compiled by one script of this file, for one Node.
    key = file_fingerprint(*sources, Path(__file__))[:12]
    node = tools.NODE_PACKAGE.rpartition("==")[2]
    return settings.cache / "tools" / f"code-server-{key}-node-{node}"


def _install(settings: Settings, home: Path, step: Step) -> None:
    node = tools.find_node(settings)
    draft = home.with_name(home.name + ".new")
    shutil.rmtree(draft, ignore_errors=True)
    shutil.copytree(SOURCE, draft)
    step.progress(0, 3, "fetching")
    npm_in(node, draft, "ci", "--ignore-scripts", *QUIET)
    step.progress(1, 3, "fetching what it stands on")
    npm_in(node, draft / "vscode", "ci", "--ignore-scripts", *QUIET)
    step.progress(2, 3, "compiling")
    npm_in(node, draft / "vscode", "rebuild", f"--nodedir={node}", *COMPILED)
    vscode = draft / "node_modules" / "code-server" / "lib" / "vscode"
    (draft / "vscode" / "node_modules").rename(vscode / "node_modules")
    extensions = vscode / "extensions"
    (extensions / "node_modules").mkdir()
    (vscode / "node_modules" / "typescript").rename(extensions / "node_modules" / "typescript")
    for pattern in NOT_NEEDED:
        for path in list(vscode.glob(pattern)):
            shutil.rmtree(path, ignore_errors=True)
    run(["chmod", "-R", "a+rX,go-w", draft])
    draft.rename(home)
