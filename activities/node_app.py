"""What ``package.json`` says of an app: a server that is started, or a site that is built."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass
from typing import Any

from activities.tree import Tree
from ops.error_codes import ErrorCode
from ops.errors import SourceError

SERVERS = frozenset(
    [
        "express",
        "fastify",
        "koa",
        "@koa/router",
        "hapi",
        "@hapi/hapi",
        "@nestjs/core",
        "next",
        "nuxt",
        "@sveltejs/adapter-node",
        "@adonisjs/core",
        "hono",
        "@hono/node-server",
        "restify",
        "polka",
        "socket.io",
        "ws",
        "apollo-server",
        "@apollo/server",
        "h3",
        "nitropack",
        "sails",
        "@feathersjs/feathers",
        "loopback",
    ]
)
"""A package that depends on one of these serves by itself."""

_DEV_SERVER = re.compile(
    r"(npx\s+)?(vite(\s+(dev|serve|preview))?(\s+-.*)?$|react-scripts\s+start|webpack(-dev-server|\s+serve)"
    r"|ng\s+serve|vue-cli-service\s+serve|parcel(\s+serve)?\s|astro\s+(dev|preview|start)"
    r"|gatsby\s+(develop|serve)|snowpack\s+dev|serve\s)"
)
"""Start scripts that only serve a site while one works on it."""

_PLAIN_NODE = re.compile(r"node(\s+[A-Za-z0-9_@%+=:,./-]+)+")
_LIFECYCLE = ("preinstall", "install", "postinstall", "prepare", "prepublish")
_ENTRIES = ("server.js", "app.js", "index.js", "server.mjs", "app.mjs", "index.mjs", "src/index.js")
_LOCAL = ("file:", "link:", "portal:", "workspace:", ".", "/", "~/")


@dataclass(frozen=True)
class Install:
    """``files`` are what the command needs; ``["."]`` when that is everything."""

    command: str
    files: list[str]


@dataclass(frozen=True)
class Server:
    install: Install
    build: str | None
    start: list[str]


@dataclass(frozen=True)
class Site:
    install: Install
    build: str


def look(tree: Tree, package_json: str, command: str | None) -> Server | Site:
    """Raises SourceError when there is nothing to start and nothing to build."""
    package = parse_package(package_json)
    scripts = _strings(package, "scripts")
    dependencies = _strings(package, "dependencies")
    build = "npm run build" if scripts.get("build", "").strip() else None
    start = _start(tree, package, scripts, command)
    serves = any(name in SERVERS for name in dependencies)
    script = scripts.get("start", "")
    only_a_site = script == "" or (_DEV_SERVER.match(script.strip()) is not None)
    if build is not None and command is None and not serves and only_a_site:
        site = _with_base(scripts["build"])
        return Site(install=_install(tree, package, scripts, omit_dev=False), build=site)
    if start is None:
        raise SourceError(
            "package.json has neither a start script nor a build script",
            code=ErrorCode.PACKAGE_NO_SCRIPT,
            hint='add "scripts": {"start": "node server.js"} to package.json',
            field="package.json",
        )
    # What a start command other than plain node runs (tsx, nodemon …) is often a dev dependency.
    plain = start[0] == "node" and not any(
        name in part for part in start[1:] for name in _strings(package, "devDependencies")
    )
    omit_dev = build is None and plain
    return Server(
        install=_install(tree, package, scripts, omit_dev=omit_dev), build=build, start=start
    )


def parse_package(text: str) -> dict[str, Any]:
    """The object in a package.json. Raises SourceError."""
    try:
        package = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SourceError(
            f"package.json is not JSON: {error}",
            code=ErrorCode.PACKAGE_UNREADABLE,
            values={"why": str(error)},
            field="package.json",
        ) from None
    if not isinstance(package, dict):
        raise SourceError(
            "package.json is not an object",
            code=ErrorCode.PACKAGE_NO_OBJECT,
            field="package.json",
        )
    return package


def _strings(package: dict[str, Any], key: str) -> dict[str, str]:
    """A table of texts; what is something else in it is npm's to complain about."""
    table = package.get(key)
    if not isinstance(table, dict):
        return {}
    return {name: value for name, value in table.items() if isinstance(value, str)}


def _start(
    tree: Tree, package: dict[str, Any], scripts: dict[str, str], command: str | None
) -> list[str] | None:
    """The start command as a list. Plain ``node file`` runs without npm, which takes 0.2 s to start."""
    if command is not None:
        return _direct(command) or ["sh", "-c", command]
    script = scripts.get("start", "").strip()
    if script:
        hooked = "prestart" in scripts or "poststart" in scripts
        direct = None if hooked else _direct(script)
        return direct or ["npm", "start"]
    main = package.get("main")
    entries = [main.removeprefix("./"), *_ENTRIES] if isinstance(main, str) else [*_ENTRIES]
    for entry in entries:
        if tree.has(entry):
            return ["node", entry]
    return None


def _direct(script: str) -> list[str] | None:
    return shlex.split(script) if _PLAIN_NODE.fullmatch(script) else None


def _install(
    tree: Tree, package: dict[str, Any], scripts: dict[str, str], *, omit_dev: bool
) -> Install:
    omit = " --omit=dev" if omit_dev else ""
    files = ["package.json"]
    if tree.has("package-lock.json"):
        command, files = f"npm ci{omit}", [*files, "package-lock.json"]
    elif tree.has("npm-shrinkwrap.json"):
        command, files = f"npm ci{omit}", [*files, "npm-shrinkwrap.json"]
    elif tree.has("pnpm-lock.yaml"):
        command = "npx --yes pnpm@10 install --frozen-lockfile"
        files = [*files, "pnpm-lock.yaml"]
    else:
        command = f"npm install{omit}"
    if tree.has(".npmrc"):
        files.append(".npmrc")
    if _needs_everything(tree, package, scripts):
        files = ["."]
    return Install(command=command, files=files)


def _needs_everything(tree: Tree, package: dict[str, Any], scripts: dict[str, str]) -> bool:
    """Whether installing reads more of the repository than package.json and the lockfile."""
    local = any(
        version.startswith(_LOCAL)
        for key in ("dependencies", "devDependencies", "optionalDependencies")
        for version in _strings(package, key).values()
    )
    hooks = any(name in scripts for name in _LIFECYCLE)
    return local or hooks or "workspaces" in package or tree.has("pnpm-workspace.yaml")


def _with_base(script: str) -> str:
    """The build command, with the app's base path where the tool takes it as an option.

    npm appends what follows ``--`` to the script, so only the script's last command counts.
    """
    last = re.split(r"&&|;|\|\|", script)[-1].strip()
    last = re.sub(r"^(npx\s+|cross-env\s+(\w+=\S+\s+)*)+", "", last)
    for tool, option in (
        ("vite build", "--base"),
        ("astro build", "--base"),
        ("parcel build", "--public-url"),
    ):
        if last.startswith(tool) and option not in last:
            return f'npm run build -- {option}="$BASE_PATH"'
    return "npm run build"
