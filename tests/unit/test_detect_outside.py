"""Detection knows what is inside the checkout, and nothing of what is around it."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities import dockerfile
from activities.detect import Blueprint, detect
from activities.tree import Tree
from ops.errors import SourceError

#: What detection looks for, and texts that make it an app of each kind.
FILES = {
    "Dockerfile": "FROM node:24-bookworm-slim\nEXPOSE 8080\n",
    ".dockerignore": "secret\n",
    "package.json": '{"main": "../outside/server.js", "dependencies": {"express": "4"}}',
    "package-lock.json": "{}",
    "pnpm-lock.yaml": "",
    ".npmrc": "",
    "requirements.txt": "flask\n",
    "pyproject.toml": "[project]\ndependencies = ['fastapi']\n",
    "Procfile": "web: python -m shop\n",
    "main.py": "app = FastAPI()\n",
    "src/app.py": "web = Flask(__name__)\n",
    "manage.py": "",
    "site/wsgi.py": "",
    "index.html": "<p>",
    "server.js": "",
    "studio.toml": "port = 8080\n",
}
MANNERS = st.sampled_from(["absent", "file", "link", "relative link", "folder", "linked folder"])
TREES = st.fixed_dictionaries(dict.fromkeys(FILES, MANNERS))


def outcome(root: Path) -> Blueprint | tuple[str, str]:
    """How it is built, or what a person is told."""
    try:
        return detect(Tree(root))
    except SourceError as error:
        return error.what, error.hint


def lay_out(root: Path, outside: Path, manners: dict[str, str]) -> None:
    for name, manner in manners.items():
        path, target = root / name, outside / name
        if manner == "linked folder":
            # Of a file right below the root it is the file itself.
            path, target = (path.parent, target.parent) if "/" in name else (path, target)
        if manner == "absent" or path.is_symlink() or any(one.is_symlink() for one in path.parents):
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            continue
        if manner == "file":
            path.write_text(FILES[name])
        elif manner == "folder":
            path.mkdir()
        elif manner == "relative link":
            path.symlink_to(Path("/".join([".."] * (name.count("/") + 1))) / "outside" / name)
        else:
            path.symlink_to(target)


@given(TREES)
def test_what_is_outside_makes_no_difference(
    tmp_path_factory: pytest.TempPathFactory, manners: dict[str, str]
) -> None:
    """With links of every kind: the same with all that detection likes behind them, and with nothing."""
    folder = tmp_path_factory.mktemp("trees")
    outside, root = folder / "outside", folder / "tree"
    root.mkdir()
    for name, text in FILES.items():
        path = outside / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    lay_out(root, outside, manners)
    with_it = outcome(root)
    shutil.rmtree(outside)
    assert outcome(root) == with_it
    shutil.rmtree(folder)


@pytest.mark.parametrize(
    "main", ["../secret.js", "lib/../../secret.js", "a\0b", "\ud800", "x" * 5000]
)
def test_a_package_cannot_ask_for_what_is_not_in_it(tmp_path: Path, main: str) -> None:
    root = tmp_path / "tree"
    (root / "lib").mkdir(parents=True)
    (tmp_path / "secret.js").write_text("")
    (root / "index.js").write_text("")
    package = {"main": main, "dependencies": {"express": "4"}}
    (root / "package.json").write_text(json.dumps(package))
    assert detect(Tree(root)).dockerfile.splitlines()[-1] == 'CMD ["node", "index.js"]'


@pytest.mark.parametrize(
    "files",
    [
        {"package.json": '{"scripts": {"start": "node a.js", "build": "tsc"}}'},
        {"package.json": '{"scripts": {"start": "node a.js"}}', "package-lock.json": "{}"},
        {"package.json": '{"scripts": {"start": "node a.js"}}', "pnpm-lock.yaml": ""},
        {"package.json": '{"scripts": {"build": "vite build"}, "devDependencies": {"vite": "6"}}'},
        {"requirements.txt": "flask\n", "app.py": "app = Flask(__name__)"},
        {"pyproject.toml": "[project]\ndependencies = ['fastapi']\n", "main.py": "app = FastAPI()"},
    ],
)
def test_whatever_fetches_packages_keeps_them_in_a_cache(
    tmp_path: Path, files: dict[str, str]
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    text = detect(Tree(tmp_path)).dockerfile
    fetches = [
        rest
        for word, rest in dockerfile.instructions(text)
        if word == "RUN" and re.search(r"\b(npm|npx|pip --python)\b", rest)
    ]
    assert fetches
    for rest in fetches:
        (cache,) = re.findall(r"--mount=type=cache,id=(\w+),target=(\S+?),uid=1000,gid=1000", rest)
        assert cache in [("npm", "/var/cache/npm"), ("pip", "/var/cache/pip")]
    tool = "npm_config_cache" if "npm" in fetches[0] else "PIP_CACHE_DIR"
    assert re.search(rf"ENV .*{tool}={cache[1]}", text.replace("\\\n", " "))


def test_every_template_is_among_them() -> None:
    """One that fetches nothing has nothing to run either."""
    for template in dockerfile.TEMPLATES.glob("*.Dockerfile"):
        text = template.read_text()
        assert "macros.run(" in text or "macros.npm_install(" in text or "RUN" not in text
