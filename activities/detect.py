"""What kind of app a checked-out tree holds, and the Dockerfile that builds it.

The order: the repository's own Dockerfile; ``package.json``; what Python projects have;
``index.html``; a lone Python file. Pure: it reads files and decides, and runs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from activities import dockerfile, node_app, python_app
from activities.contracts.runner import Recipe
from activities.manifest import DEFAULT_HEALTH_PATH, DEFAULT_PORT, FILE, Manifest, load
from activities.tree import Tree
from ops.error_codes import ErrorCode
from ops.errors import SourceError

HINT = (
    "add one of: a Dockerfile; package.json with a start script (or a build script of a site); "
    "requirements.txt or pyproject.toml with main.py or app.py; index.html"
)


@dataclass(frozen=True)
class Blueprint:
    """How to build and reach an app. ``ignore`` is the text of its .dockerignore."""

    recipe: Recipe
    port: int
    health_path: str
    build_args: dict[str, str]
    dockerfile: str
    ignore: str


def detect(tree: Tree) -> Blueprint:
    """Raises SourceError when it is no app that can be built, or says so wrongly of itself."""
    if tree.is_empty():
        raise SourceError(
            "the repository holds no files at this commit",
            code=ErrorCode.COMMIT_EMPTY,
            hint=HINT,
        )
    manifest = load(tree)
    return _own(tree, manifest) or _template(tree, manifest)


def _own(tree: Tree, manifest: Manifest) -> Blueprint | None:
    text = tree.read("Dockerfile")
    if text is None:
        return None
    if manifest.command is not None:
        raise SourceError(
            f"{FILE}: 'command' cannot be set beside a Dockerfile",
            code=ErrorCode.COMMAND_BESIDE_DOCKERFILE,
            hint="say it in the Dockerfile's CMD",
            field="command",
        )
    if not dockerfile.base_images(text, manifest.build_args):
        raise SourceError(
            "the Dockerfile has no FROM line",
            code=ErrorCode.DOCKERFILE_NO_FROM,
            hint="it starts with FROM an image",
        )
    ignore = tree.read("Dockerfile.dockerignore")
    return Blueprint(
        recipe=Recipe.DOCKERFILE,
        port=manifest.port or dockerfile.exposed_port(text) or DEFAULT_PORT,
        health_path=manifest.health_path or DEFAULT_HEALTH_PATH,
        build_args=manifest.build_args,
        dockerfile=dockerfile.with_environment(dockerfile.sanitise(text)),
        ignore=(tree.read(".dockerignore") or "") if ignore is None else ignore,
    )


def _template(tree: Tree, manifest: Manifest) -> Blueprint:
    port = manifest.port or DEFAULT_PORT
    recipe, text = _choose(tree, manifest, port)
    return Blueprint(
        recipe=recipe,
        port=port,
        health_path=manifest.health_path or DEFAULT_HEALTH_PATH,
        build_args=manifest.build_args,
        dockerfile=text,
        ignore=dockerfile.ignore(tree.read(".dockerignore")),
    )


def _choose(tree: Tree, manifest: Manifest, port: int) -> tuple[Recipe, str]:
    arguments = sorted(manifest.build_args)
    package = tree.read("package.json")
    if package is not None:
        app = node_app.look(tree, package, manifest.command)
        if isinstance(app, node_app.Site):
            return Recipe.STATIC, dockerfile.render(
                "static-build", app=app, port=port, arguments=arguments
            )
        return Recipe.NODE, dockerfile.render("node", app=app, port=port, arguments=arguments)
    python = python_app.look(tree, manifest.command)
    if python is not None:
        return Recipe.PYTHON, dockerfile.render(
            "python", app=python, port=port, arguments=arguments
        )
    if tree.has("index.html"):
        if manifest.command is not None:
            raise SourceError(
                f"{FILE}: 'command' cannot be set for a static site",
                code=ErrorCode.COMMAND_OF_SITE,
                hint="remove it, or add package.json or requirements.txt",
                field="command",
            )
        return Recipe.STATIC, dockerfile.render("static", port=port, arguments=arguments)
    raise SourceError(
        "this is no kind of app that can be built from its files alone",
        code=ErrorCode.NO_KIND_OF_APP,
        hint=HINT,
    )
