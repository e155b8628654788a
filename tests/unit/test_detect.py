"""What kind of app a tree holds, and how the templates build it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities import node_app
from activities.contracts.runner import Recipe
from activities.detect import Blueprint, detect
from activities.manifest import parse
from activities.tree import Tree
from ops.errors import SourceError

Files = Mapping[str, str | Mapping[str, Any]]


def look(root: Path, files: Files) -> Blueprint:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))
    return detect(Tree(root))


EXPRESS: dict[str, object] = {
    "scripts": {"start": "node server.js"},
    "dependencies": {"express": "^4"},
}
VITE: dict[str, object] = {
    "scripts": {"dev": "vite", "build": "tsc && vite build", "preview": "vite preview"},
    "devDependencies": {"vite": "^6"},
}


def test_own_dockerfile_wins(tmp_path: Path) -> None:
    app = look(
        tmp_path,
        {
            "Dockerfile": "# syntax=evil/frontend\nFROM node:24-bookworm-slim\nEXPOSE 8080\n",
            "package.json": EXPRESS,
            ".dockerignore": "secret\n",
        },
    )
    assert app.recipe is Recipe.DOCKERFILE
    assert app.port == 8080
    assert app.dockerfile.splitlines()[0] == "#"
    assert app.ignore == "secret\n"


def test_node_with_lockfile_installs_by_it_and_starts_without_npm(tmp_path: Path) -> None:
    app = look(tmp_path, {"package.json": EXPRESS, "package-lock.json": "{}"})
    assert app.recipe is Recipe.NODE
    assert (app.port, app.health_path) == (3000, "/")
    assert "COPY --chown=1000:1000 package.json package-lock.json ./" in app.dockerfile
    assert "npm ci --omit=dev" in app.dockerfile
    assert 'CMD ["node", "server.js"]' in app.dockerfile
    assert "npm run build" not in app.dockerfile
    assert "USER 1000:1000" in app.dockerfile


def test_node_without_lockfile_and_with_build(tmp_path: Path) -> None:
    package = {
        "scripts": {"start": "tsx server.ts", "build": "tsc"},
        "dependencies": {"fastify": "5"},
    }
    app = look(tmp_path, {"package.json": package})
    assert app.recipe is Recipe.NODE
    assert "npm install\n" in app.dockerfile
    assert "npm run build\n" in app.dockerfile
    assert 'CMD ["npm", "start"]' in app.dockerfile


def test_a_dev_dependency_that_starts_the_app_is_installed(tmp_path: Path) -> None:
    package = {
        "scripts": {"start": "node node_modules/tsx/dist/cli.mjs server.ts"},
        "devDependencies": {"tsx": "4"},
    }
    assert "--omit=dev" not in look(tmp_path, {"package.json": package}).dockerfile


def test_server_dependency_without_start_script(tmp_path: Path) -> None:
    package = {"dependencies": {"express": "4"}, "main": "./web.js"}
    app = look(tmp_path, {"package.json": package, "web.js": ""})
    assert 'CMD ["node", "web.js"]' in app.dockerfile


@pytest.mark.parametrize(
    "extra",
    [
        {"scripts": {"start": "node a.js", "postinstall": "node setup.js"}},
        {"scripts": {"start": "node a.js"}, "dependencies": {"mine": "file:./mine"}},
        {"scripts": {"start": "node a.js"}, "workspaces": ["packages/*"]},
    ],
)
def test_install_that_reads_the_repository_gets_all_of_it(
    tmp_path: Path, extra: dict[str, object]
) -> None:
    text = look(tmp_path, {"package.json": extra}).dockerfile
    assert text.count("COPY") == 1
    assert text.index("COPY --chown=1000:1000 . ./") < text.index("npm install")


def test_vite_is_a_site_with_its_base_path(tmp_path: Path) -> None:
    app = look(tmp_path, {"package.json": VITE, "package-lock.json": "{}", "index.html": ""})
    assert app.recipe is Recipe.STATIC
    assert 'npm run build -- --base="$BASE_PATH"' in app.dockerfile
    assert "FROM studio-static:1" in app.dockerfile
    assert "npm ci\n" in app.dockerfile


@pytest.mark.parametrize("start", ["vite", "vite preview --host", "react-scripts start"])
def test_a_start_script_that_is_only_for_development_makes_no_server(
    tmp_path: Path, start: str
) -> None:
    package = {"scripts": {"start": start, "build": "react-scripts build"}}
    assert look(tmp_path, {"package.json": package}).recipe is Recipe.STATIC


def test_plain_files(tmp_path: Path) -> None:
    app = look(tmp_path, {"index.html": "<p>", ".dockerignore": "!**/node_modules"})
    assert app.recipe is Recipe.STATIC
    assert "npm" not in app.dockerfile
    assert app.ignore.splitlines()[-1] == ".studio-site"


@pytest.mark.parametrize(
    ("files", "start"),
    [
        (
            {
                "requirements.txt": "fastapi\nuvicorn[standard]\n",
                "main.py": "app = FastAPI(title='x')\n",
            },
            "uvicorn main:app",
        ),
        (
            {"pyproject.toml": "[project]\ndependencies=['flask']", "src/app.py": "web = Flask(1)"},
            "gunicorn app:web",
        ),
        ({"requirements.txt": "", "Procfile": "web: python -m shop\n"}, "python -m shop"),
        ({"requirements.txt": "django", "manage.py": "", "site/wsgi.py": ""}, "gunicorn site.wsgi"),
        ({"requirements.txt": "", "studio.toml": 'command = "python x.py"'}, "python x.py"),
        ({"main.py": "import http.server\n"}, '["python", "main.py"]'),
    ],
)
def test_python(tmp_path: Path, files: Files, start: str) -> None:
    app = look(tmp_path, files)
    assert app.recipe is Recipe.PYTHON
    assert start in app.dockerfile.splitlines()[-1]


def test_python_server_that_is_not_required_is_added(tmp_path: Path) -> None:
    app = look(tmp_path, {"requirements.txt": "flask\n", "app.py": "app = Flask(__name__)"})
    assert "install gunicorn" in app.dockerfile


def test_studio_toml_decides(tmp_path: Path) -> None:
    app = look(
        tmp_path,
        {
            "package.json": EXPRESS,
            "studio.toml": 'port = 8080\nhealth_path = "/healthz"\ncommand = "node a.js | cat"\n'
            '[build_args]\nFLAVOUR = "dark"\n',
        },
    )
    assert (app.port, app.health_path, app.build_args) == (8080, "/healthz", {"FLAVOUR": "dark"})
    assert "ARG FLAVOUR\n" in app.dockerfile
    assert app.dockerfile.splitlines()[-1] == 'CMD ["sh", "-c", "node a.js | cat"]'


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"README.md": "hello"},
        {"package.json": "{"},
        {"package.json": "[]"},
        {"package.json": "[" * 100_000},
        {"package.json": {"name": "library"}},
        {"requirements.txt": "numpy"},
        {"pyproject.toml": "[project", "main.py": ""},
        {"pyproject.toml": "[project]\ndependencies = 3", "main.py": ""},
        {"Dockerfile": "RUN true\n"},
        {"Dockerfile": "FROM scratch\n", "studio.toml": 'command = "x"'},
        {"index.html": "", "studio.toml": 'command = "x"'},
        {"index.html": "", "studio.toml": "port = ["},
    ],
)
def test_what_cannot_be_built_says_what_to_do(tmp_path: Path, files: Files) -> None:
    with pytest.raises(SourceError):
        look(tmp_path, files)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('port = "3000"', "port"),
        ("port = true", "port"),
        ("port = 80", "port"),
        ("port = 70000", "port"),
        ('health_path = "http://other/"', "health_path"),
        ('health_path = "//other"', "health_path"),
        ('health_path = "/a b"', "health_path"),
        ('health_path = "/ä"', "health_path"),
        ('health_path = "/a\\n"', "health_path"),
        (f'health_path = "/{"a" * 600}"', "health_path"),
        ("build_args = 3", "build_args"),
        ("[build_args]\nA = 1", "build_args.A"),
        ('[build_args]\n"--x" = "1"', "build_args.--x"),
        ('[build_args]\nBUILDKIT_SYNTAX = "evil"', "build_args.BUILDKIT_SYNTAX"),
        ('[build_args]\nA = "a\\nb"', "build_args.A"),
        ("command = ['a']", "command"),
        ('prot = "3"', "prot"),
    ],
)
def test_studio_toml_with_a_wrong_value_names_the_key(text: str, key: str) -> None:
    with pytest.raises(SourceError) as caught:
        parse(text)
    assert caught.value.field == key
    assert key in caught.value.what


@given(st.text())
def test_any_studio_toml_is_either_parsed_or_refused(text: str) -> None:
    with contextlib.suppress(SourceError):
        parse(text)


@given(st.recursive(st.none() | st.booleans() | st.text(max_size=5), lambda x: st.lists(x)))
def test_any_scripts_in_package_json_are_survived(value: object) -> None:
    package = json.dumps({"scripts": value, "dependencies": value, "main": value})
    with contextlib.suppress(SourceError):
        node_app.look(Tree(Path("/nonexistent")), package, None)


def test_links_are_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("FROM scratch")
    root = tmp_path / "tree"
    root.mkdir()
    (root / "folder").symlink_to(outside)
    tree = Tree(root)
    assert not tree.has("folder/secret")
    assert tree.folders() == []
    (root / "Dockerfile").symlink_to("/etc/passwd")
    with pytest.raises(SourceError, match="link"):
        detect(tree)


def test_huge_and_binary_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "package.json").write_bytes(b" " * (1024 * 1024 + 1))
    with pytest.raises(SourceError, match="larger"):
        detect(Tree(tmp_path))
    (tmp_path / "package.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SourceError, match="UTF-8"):
        detect(Tree(tmp_path))
