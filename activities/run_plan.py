"""What a task of an app runs, found from the app's files. Pure: it reads files and decides.

The app listens on the dev port, on every address of its container; where the tool takes that as
options it gets them, all others learn it from ``PORT`` and ``HOST``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from activities import manifest, node_app, python_app
from activities.contracts.workspace import DEV_PORT, RunTask
from activities.tree import Tree
from ops.error_codes import ErrorCode
from ops.errors import SourceError

HINT = "add package.json with a dev or start script, requirements.txt with main.py, or index.html"
ANYWHERE = "0.0.0.0"  # noqa: S104 — inside a container of its own
BASE = "--base"
_HOST_PORT = ["--host", ANYWHERE, "--port", str(DEV_PORT)]
_VITE = [*_HOST_PORT, "--strictPort"]
_TOOLS: tuple[tuple[str, list[str], bool], ...] = (
    # The end of a script, the options it gets, and whether it takes --base.
    (r"vite(\s+(dev|serve))?", _VITE, True),
    (r"vite\s+preview", _VITE, True),
    (r"react-router\s+dev|remix\s+vite:dev", _VITE, False),
    (r"astro\s+(dev|preview)", _HOST_PORT, True),
    (r"next\s+(dev|start)", ["-H", ANYWHERE, "-p", str(DEV_PORT)], False),
    (r"nuxi?\s+dev", _HOST_PORT, False),
    (r"webpack\s+serve|webpack-dev-server", _HOST_PORT, False),
    (r"vue-cli-service\s+serve", _HOST_PORT, False),
    (r"ng\s+serve", _HOST_PORT, False),
    (r"parcel(\s+serve)?", _HOST_PORT, False),
)
_BEFORE = r"(npx\s+(--yes\s+)?)?(cross-env\s+)?(\w+=\S+\s+)*"
_NO_NPM_NOISE = {
    "npm_config_update_notifier": "false",
    "npm_config_fund": "false",
    "npm_config_audit": "false",
}


@dataclass(frozen=True)
class Plan:
    """Commands that run one after the other until one fails."""

    steps: list[list[str]]
    env: dict[str, str] = field(default_factory=dict)

    @property
    def keeps_prefix(self) -> bool:
        """Its server was told the path that it is seen below, and wants it in each request."""
        return any(BASE in step for step in self.steps)


def plan(tree: Tree, task: RunTask, *, base_path: str = "/", public_url: str = "") -> Plan:
    """Raises SourceError when the app has no such task, and says what to add."""
    says = manifest.load(tree)
    env = {
        "PORT": str(DEV_PORT),
        "HOST": ANYWHERE,
        "BASE_PATH": base_path,
        "PUBLIC_URL": public_url,
        "PYTHONUNBUFFERED": "1",
        "FORCE_COLOR": "1",
        **_NO_NPM_NOISE,
    }
    host = re.match(r"https?://([^/:]+)", public_url)
    if host:
        env["__VITE_ADDITIONAL_SERVER_ALLOWED_HOSTS"] = host[1]
    package = tree.read("package.json")
    if package is not None:
        return Plan(_node(tree, package, task, says.command, base_path), env)
    python = python_app.look(tree, says.command)
    if python is not None:
        env["VIRTUAL_ENV"] = ".venv"
        return Plan(_python(tree, python, task, own=says.command is not None), env)
    if tree.has("index.html"):
        return Plan(_static(task), env)
    raise SourceError("nothing here can be run", code=ErrorCode.RUN_NOTHING, hint=HINT)


def _node(
    tree: Tree, package_json: str, task: RunTask, command: str | None, base_path: str
) -> list[list[str]]:
    package = node_app.parse_package(package_json)
    scripts = {k: v for k, v in _table(package, "scripts").items() if isinstance(v, str)}
    install = ["npm", "install"]
    if task is RunTask.INSTALL:
        return [install]
    steps = [] if _installed(tree, package) else [install]
    if task is RunTask.BUILD:
        if not scripts.get("build", "").strip():
            raise _no_script("build")
        return [*steps, ["npm", "run", "build"]]
    if command is not None:
        return [*steps, ["sh", "-c", command]]
    dev = scripts.get("dev", "").strip()
    if task is RunTask.DEV and dev:
        return [*steps, _script("dev", dev, base_path)]
    start = scripts.get("start", "").strip()
    if start:
        return [*steps, _script("start", start, base_path)]
    preview = scripts.get("preview", "").strip()
    if task is RunTask.START and preview:
        return [*steps, ["npm", "run", "build"], _script("preview", preview, base_path)]
    found = node_app.look(tree, package_json, None)
    if isinstance(found, node_app.Site):
        raise _no_script("dev" if task is RunTask.DEV else "start")
    return [*steps, found.start]


def _no_script(name: str) -> SourceError:
    return SourceError(
        f"package.json has no {name} script",
        code=ErrorCode.RUN_NO_SCRIPT,
        values={"script": name},
        hint=f'add "{name}" to its "scripts"',
        field="package.json",
    )


def _script(name: str, script: str, base_path: str) -> list[str]:
    """``npm run name``; options go to the last command of the script, so only that one counts."""
    last = re.split(r"&&|;|\|\||&|\|", script)[-1].strip()
    argv = ["npm", "run", name]
    for tool, options, takes_base in _TOOLS:
        if re.fullmatch(rf"{_BEFORE}({tool})(\s+-.*)?", last):
            base = [BASE, base_path] if takes_base and base_path != "/" else []
            return [*argv, "--", *options, *base]
    return argv


def _python(tree: Tree, app: python_app.Python, task: RunTask, *, own: bool) -> list[list[str]]:
    install = [["python3", "-m", "venv", ".venv"]]
    wanted: list[str] = []
    if app.requirements == "requirements.txt":
        wanted = ["-r", "requirements.txt"]
    elif app.requirements:
        wanted = ["."]
    if wanted or app.extra:
        install.append([".venv/bin/python", "-m", "pip", "install", *wanted, *app.extra])
    if task is RunTask.INSTALL:
        return install
    if task is RunTask.BUILD:
        raise SourceError(
            "a Python app has no build step", code=ErrorCode.RUN_NO_STEP, hint="studio run dev"
        )
    start = list(app.start)
    if start[:2] == ["sh", "-c"]:
        start[2] = f'PATH="$PWD/.venv/bin:$PATH"; {_reloading(start[2], task, own=own)}'
    else:
        start[0] = ".venv/bin/python"
    return [*([] if tree.has_folder(".venv") else install), start]


def _reloading(command: str, task: RunTask, *, own: bool) -> str:
    """A server that was found here, and not named by its owner, watches its files."""
    plain = not own and command.split()[0] in ("uvicorn", "gunicorn")
    if task is RunTask.DEV and plain and "--reload" not in command:
        return f"exec {command} --reload"
    return command


def _static(task: RunTask) -> list[list[str]]:
    if not task.serves:
        raise SourceError(
            f"a static site has nothing to {task}",
            code=ErrorCode.RUN_NO_STEP,
            hint="studio run dev",
        )
    return [["python3", "-u", "-m", "http.server", str(DEV_PORT), "--bind", ANYWHERE]]


def _installed(tree: Tree, package: dict[str, Any]) -> bool:
    needs = _table(package, "dependencies") or _table(package, "devDependencies")
    return not needs or tree.has_folder("node_modules")


def _table(package: dict[str, Any], key: str) -> dict[str, Any]:
    table = package.get(key)
    return table if isinstance(table, dict) else {}
