"""What a task runs, found from an app's files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from activities.beneath import Folder
from activities.contracts.workspace import RunTask
from activities.run_plan import plan
from activities.tree import Tree
from activities.workspace_home import OpenTree
from ops.errors import Invalid, SourceError

Files = Callable[..., Tree]
SAMPLES = Path(__file__).parents[2] / "ops" / "samples"
VITE = ["--host", "0.0.0.0", "--port", "3000", "--strictPort"]


@pytest.fixture
def tree(tmp_path: Path) -> Files:
    def make(**files: Any) -> Tree:
        for name, content in files.items():
            path = tmp_path / name.replace("__", "/").replace("_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content if isinstance(content, str) else json.dumps(content))
        return Tree(tmp_path)

    return make


def scripts(**named: str) -> dict[str, Any]:
    return {"scripts": named}


@pytest.mark.parametrize(
    "script", ["vite", "vite dev", "npx vite", "A=1 vite --open", "tsc && vite"]
)
def test_vite_listens_where_the_preview_looks(tree: Files, script: str) -> None:
    made = plan(tree(package_json=scripts(dev=script)), RunTask.DEV)
    assert made.steps == [["npm", "run", "dev", "--", *VITE]]
    assert not made.keeps_prefix
    assert made.env["PORT"] == "3000"


def test_below_a_path_vite_gets_its_base(tree: Files) -> None:
    app = tree(package_json=scripts(dev="vite"))
    made = plan(app, RunTask.DEV, base_path="/ws/7/", public_url="http://u7.ws.example:8000/")
    assert made.steps[-1][-2:] == ["--base", "/ws/7/"]
    assert made.keeps_prefix
    assert made.env["__VITE_ADDITIONAL_SERVER_ALLOWED_HOSTS"] == "u7.ws.example"


@pytest.mark.parametrize("script", ["vite-node server.js", "node vite", "vite build && node x.js"])
def test_what_only_looks_like_vite_gets_no_options(tree: Files, script: str) -> None:
    made = plan(tree(package_json=scripts(dev=script)), RunTask.DEV)
    assert made.steps == [["npm", "run", "dev"]]


def test_next_takes_other_options(tree: Files) -> None:
    made = plan(tree(package_json=scripts(dev="next dev --turbo")), RunTask.DEV)
    assert made.steps == [["npm", "run", "dev", "--", "-H", "0.0.0.0", "-p", "3000"]]


def test_react_router_is_vite_but_has_its_base_in_its_own_configuration(tree: Files) -> None:
    made = plan(tree(package_json=scripts(dev="react-router dev")), RunTask.DEV, base_path="/ws/7/")
    assert made.steps == [["npm", "run", "dev", "--", *VITE]]
    assert not made.keeps_prefix


def test_packages_are_installed_first_when_there_are_none(tree: Files, tmp_path: Path) -> None:
    app = tree(package_json={**scripts(dev="x"), "dependencies": {"express": "5"}})
    assert plan(app, RunTask.DEV).steps == [["npm", "install"], ["npm", "run", "dev"]]
    (tmp_path / "node_modules").mkdir()
    assert plan(app, RunTask.DEV).steps == [["npm", "run", "dev"]]
    assert plan(app, RunTask.INSTALL).steps == [["npm", "install"]]


def test_a_missing_script_is_named(tree: Files) -> None:
    app = tree(package_json=scripts(build="vite build"))
    for task, name in ((RunTask.DEV, "dev"), (RunTask.START, "start")):
        with pytest.raises(SourceError, match=f"no {name} script"):
            plan(app, task)
    with pytest.raises(SourceError, match="no build script"):
        plan(tree(package_json=scripts(dev="x")), RunTask.BUILD)


def test_a_name_of_a_script_is_never_a_shell_command(tree: Files) -> None:
    """What a repository says reaches a shell only as the repository's own command."""
    made = plan(tree(package_json=scripts(dev="$(reboot); vite")), RunTask.DEV)
    assert made.steps == [["npm", "run", "dev", "--", *VITE]]


def test_the_command_of_studio_toml_wins(tree: Files) -> None:
    app = tree(package_json=scripts(dev="vite"), studio_toml='command = "node my.js"')
    assert plan(app, RunTask.DEV).steps == [["sh", "-c", "node my.js"]]


def test_python_gets_an_environment_of_its_own(tree: Files, tmp_path: Path) -> None:
    app = tree(main_py="from fastapi import FastAPI\napp = FastAPI()\n", requirements_txt="fastapi")
    venv, install, start = plan(app, RunTask.DEV).steps
    assert venv == ["python3", "-m", "venv", ".venv"]
    assert install[-3:] == ["-r", "requirements.txt", "uvicorn"]
    assert start[:2] == ["sh", "-c"]
    assert start[2].startswith('PATH="$PWD/.venv/bin:$PATH"; exec uvicorn main:app')
    assert start[2].endswith("--reload")
    (tmp_path / ".venv").mkdir()
    assert len(plan(app, RunTask.START).steps) == 1
    assert "--reload" not in plan(app, RunTask.START).steps[0][2]


def test_a_plain_page(tree: Files) -> None:
    app = tree(index_html="<p>")
    assert plan(app, RunTask.DEV).steps[0][:4] == ["python3", "-u", "-m", "http.server"]
    with pytest.raises(SourceError):
        plan(app, RunTask.BUILD)


def test_an_empty_folder(tree: Files) -> None:
    with pytest.raises(SourceError, match="nothing here"):
        plan(tree(), RunTask.DEV)


@pytest.mark.parametrize(
    "sample", sorted(p.name for p in SAMPLES.iterdir() if p.is_dir() and p.name[0] != "_")
)
def test_every_sample_develops(sample: str) -> None:
    with Folder.at(SAMPLES / sample) as folder:
        assert plan(OpenTree.of(folder), RunTask.DEV).steps


def test_package_json_may_be_a_trap(tree: Files, tmp_path: Path) -> None:
    (tmp_path / "package.json").symlink_to("/etc/passwd")
    (tmp_path / "index.html").write_text("")
    with Folder.at(tmp_path) as folder:
        assert plan(OpenTree.of(folder), RunTask.DEV).steps[0][0] == "python3"
    (tmp_path / "studio.toml").symlink_to("studio.toml")
    with Folder.at(tmp_path) as folder:
        try:
            plan(OpenTree.of(folder), RunTask.DEV)
        except Invalid:
            pytest.fail("a link that leads nowhere is as no file")
