"""What a Python project says of itself: its requirements, and how it is started."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from typing import Any

from activities.tree import Tree
from ops.error_codes import ErrorCode
from ops.errors import SourceError

_ENTRIES = (
    *("main.py", "app.py", "server.py", "application.py", "asgi.py", "wsgi.py", "api.py"),
    *("app/main.py", "src/main.py", "src/app.py", "api/main.py", "app/__init__.py"),
)
_SCRIPTS = ("main.py", "app.py", "server.py", "run.py", "src/main.py", "app/main.py")
_ASGI = "FastAPI|Starlette|Quart|Litestar|Sanic|BlackSheep"
_WSGI = "Flask|Bottle|FlaskApp"
_MADE = re.compile(
    rf"^(?P<name>[A-Za-z_]\w*)\s*(?::[^=\n]+)?=\s*(?:[\w.]+\.)?(?P<kind>{_ASGI}|{_WSGI})\(", re.M
)
_WEB = re.compile(r"^web:[ \t]*(?P<command>\S.*)$", re.M)
_UVICORN = (
    "--host 0.0.0.0 --port $PORT --proxy-headers --forwarded-allow-ips '*'"
    ' --root-path "${BASE_PATH%/}"'
)
_GUNICORN = (
    "--bind 0.0.0.0:$PORT --workers 1 --threads 8 --access-logfile - --forwarded-allow-ips '*'"
)
_WEB_SERVERS = ("uvicorn", "gunicorn")
_LOCAL = re.compile(
    r"\s*(-r|-c|-e|--requirement|--constraint|--editable|\.|/|file:|\S+\s*@\s*file:)"
)
_REQUIREMENT = re.compile(r"^\s*([A-Za-z0-9][A-Za-z0-9._-]*)")

HINT = (
    "add main.py or app.py, or say how to start it in studio.toml: "
    'command = "uvicorn shop.web:app --host 0.0.0.0 --port $PORT"'
)


@dataclass(frozen=True)
class Python:
    """``extra`` are packages that the start command needs and the project does not name.

    ``whole``: installing reads more of the repository than the file of requirements.
    """

    requirements: str | None
    whole: bool
    extra: list[str]
    start: list[str]


def look(tree: Tree, command: str | None) -> Python | None:
    """None when it is no Python project; SourceError when it is one and nothing can be started."""
    file, lines = _requirements(tree)
    procfile = _WEB.search(tree.read("Procfile") or "")
    script = _some_script(tree)
    found = _framework(tree) or _django(tree)
    # A lone script makes an app, unless there is a page too and nothing says to run the script.
    page = tree.has("index.html") and command is None
    if file is None and procfile is None and found is None and (script is None or page):
        return None
    start = command or (procfile["command"].strip() if procfile else found)
    if start is not None:
        return Python(file, _whole(lines), _missing(start, lines), ["sh", "-c", start])
    if script is None:
        raise SourceError(
            f"{file} is there, but nothing to start",
            code=ErrorCode.PYTHON_NO_START,
            values={"file": file or ""},
            hint=HINT,
        )
    return Python(file, _whole(lines), [], ["python", script])


def _some_script(tree: Tree) -> str | None:
    return next((script for script in _SCRIPTS if tree.has(script)), None)


def _requirements(tree: Tree) -> tuple[str | None, list[str]]:
    """The file that names the requirements, and its lines."""
    text = tree.read("requirements.txt")
    if text is not None:
        return "requirements.txt", text.splitlines()
    text = tree.read("pyproject.toml")
    if text is None:
        return None, []
    try:
        project: Any = tomllib.loads(text).get("project", {})
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise SourceError(
            f"pyproject.toml is not TOML: {error}",
            code=ErrorCode.PYPROJECT_UNREADABLE,
            values={"why": str(error)},
            field="pyproject.toml",
        ) from None
    listed = project.get("dependencies", []) if isinstance(project, dict) else []
    if not isinstance(listed, list) or not all(isinstance(item, str) for item in listed):
        raise SourceError(
            "pyproject.toml: project.dependencies is not a list of texts",
            code=ErrorCode.PYPROJECT_DEPENDENCIES,
            field="project.dependencies",
        )
    return "pyproject.toml", listed


def _whole(lines: list[str]) -> bool:
    """Whether a requirement is another file or folder of the repository (``-r more.txt``, ``.``)."""
    return any(_LOCAL.match(line) is not None for line in lines)


def _missing(command: str, lines: list[str]) -> list[str]:
    """The server that a command starts with, when the project does not require it itself."""
    found = (_REQUIREMENT.match(line) for line in lines)
    named = {match[1].lower() for match in found if match}
    server = command.split()[0]
    return [server] if server in _WEB_SERVERS and server not in named else []


def _framework(tree: Tree) -> str | None:
    for path in _ENTRIES:
        made = _MADE.search(tree.read(path) or "") if tree.has(path) else None
        if made is not None:
            # The template puts both . and src on Python's path.
            module = path.removeprefix("src/").removesuffix(".py").removesuffix("/__init__")
            target = f"{module.replace('/', '.')}:{made['name']}"
            asgi = re.fullmatch(_ASGI, made["kind"]) is not None
            return f"uvicorn {target} {_UVICORN}" if asgi else f"gunicorn {target} {_GUNICORN}"
    return None


def _django(tree: Tree) -> str | None:
    if not tree.has("manage.py"):
        return None
    for folder in tree.folders():
        if re.fullmatch(r"[A-Za-z_]\w*", folder) and tree.has(f"{folder}/wsgi.py"):
            return f"gunicorn {folder}.wsgi {_GUNICORN}"
    return None
