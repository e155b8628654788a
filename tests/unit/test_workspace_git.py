"""What is run in a workspace to clone and to save, against real repositories (and bad ones)."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from activities.workspace_git import ENVIRONMENT, checkout_argv, remove_argv, save_argv, saved

APP = 5


class Place:
    """A folder of apps, and the server's repository that app 5 comes from."""

    def __init__(self, folder: Path) -> None:
        self.apps = folder / "apps"
        self.home = folder / "home"
        self.remote = folder / "remote.git"
        self.app = self.apps / str(APP)
        for made in (self.apps, self.home):
            made.mkdir()
        (self.home / ".gitconfig").write_text(
            "[user]\n\tname = Ann\n\temail = ann@example.com\n[init]\n\tdefaultBranch = main\n"
        )
        self.git("init", "--quiet", "--bare", str(self.remote), at=folder)

    def run(self, argv: list[str], at: Path | None = None) -> subprocess.CompletedProcess[str]:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "GIT_CONFIG_NOSYSTEM": "1",
        }
        return subprocess.run(
            argv,
            cwd=at or self.apps,
            env=environment | ENVIRONMENT,
            capture_output=True,
            text=True,
            check=False,
        )

    def git(self, *args: str, at: Path | None = None) -> str:
        done = self.run(["git", *args], at or self.app)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def checkout(self) -> list[str]:
        done = self.run(checkout_argv(APP, str(self.remote), str(self.apps)))
        assert done.returncode == 0, done.stderr
        return done.stdout.split()

    def save(self, current: int | None = APP, **seconds: int) -> tuple[list[str], list[str]]:
        done = self.run(save_argv(current, str(self.apps), **seconds))
        said = saved(done.stdout)
        return said.saved, said.failed

    def autosave(self, path: str) -> str:
        return self.git("show", f"studio/autosave:{path}", at=self.remote)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """With one commit on the server, and cloned."""
    made = Place(tmp_path)
    first = tmp_path / "first"
    first.mkdir()
    made.git("init", "--quiet", at=first)
    (first / "a.txt").write_text("one\n")
    (first / ".gitignore").write_text("secret.env\n")
    made.git("add", ".", at=first)
    made.git("commit", "--quiet", "-m", "first", at=first)
    made.git("push", "--quiet", str(made.remote), "main", at=first)
    made.git("symbolic-ref", "HEAD", "refs/heads/main", at=made.remote)
    assert made.checkout()[0] == "cloned"
    return made


def test_a_clone_is_made_once_and_named_by_its_commit(place: Place) -> None:
    commit = place.git("rev-parse", "HEAD")
    assert place.checkout() == ["kept", commit]
    assert sorted(path.name for path in place.apps.iterdir()) == [str(APP)]


def test_an_empty_repository_is_cloned_without_a_commit(tmp_path: Path) -> None:
    assert Place(tmp_path).checkout() == ["cloned"]


def test_a_half_made_clone_is_made_anew(tmp_path: Path) -> None:
    place = Place(tmp_path)
    left = place.apps / f".{APP}.new"
    left.mkdir()
    (left / "half").write_text("")
    place.app.mkdir()
    assert place.checkout() == ["cloned"]
    assert not left.exists()


def test_files_without_a_repository_are_left_alone(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.app.mkdir()
    (place.app / "mine.txt").write_text("mine")
    assert place.checkout() == ["kept"]
    assert [path.name for path in place.app.iterdir()] == ["mine.txt"]


def test_a_clone_that_fails_leaves_the_folder_as_it_was(tmp_path: Path) -> None:
    place = Place(tmp_path)
    done = place.run(checkout_argv(APP, str(tmp_path / "nothing"), str(place.apps)))
    assert done.returncode != 0
    assert not place.app.exists()


def test_saving_touches_neither_branch_nor_index_nor_files(place: Place) -> None:
    (place.app / "a.txt").write_text("two\n")
    (place.app / "staged.txt").write_text("staged\n")
    place.git("add", "staged.txt")
    (place.app / "new.txt").write_text("new\n")
    (place.app / "secret.env").write_text("KEY=1\n")
    (place.app / "node_modules").mkdir()
    (place.app / "node_modules" / "big.js").write_text("x")
    before = [place.git(*ask) for ask in (["status", "--porcelain"], ["rev-parse", "HEAD"])]
    index = (place.app / ".git" / "index").read_bytes()
    assert place.save() == ([f"app {APP}"], [])
    assert [place.git(*ask) for ask in (["status", "--porcelain"], ["rev-parse", "HEAD"])] == before
    assert (place.app / ".git" / "index").read_bytes() == index or before[0]
    assert place.autosave("a.txt") == "two"
    assert place.autosave("staged.txt") == "staged"
    assert place.autosave("new.txt") == "new"
    names = place.git("ls-tree", "-r", "--name-only", "studio/autosave", at=place.remote)
    assert "secret.env" not in names
    assert "node_modules" not in names
    assert place.git("rev-parse", "studio/autosave~1", at=place.remote) == before[1]
    assert place.git("rev-parse", "main", at=place.remote) == before[1]


def test_nothing_is_pushed_when_all_is_committed_or_saved_already(place: Place) -> None:
    assert place.save() == ([], [])
    (place.app / "a.txt").write_text("two\n")
    assert place.save() == ([f"app {APP}"], [])
    assert place.save() == ([], [])
    (place.app / "a.txt").write_text("three\n")
    assert place.save() == ([f"app {APP}"], [])
    assert place.autosave("a.txt") == "three"


def test_work_of_a_repository_without_a_commit_is_saved(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.checkout()
    assert place.save() == ([], [])
    (place.app / "a.txt").write_text("one\n")
    assert place.save() == ([f"app {APP}"], [])
    assert place.autosave("a.txt") == "one"


def test_hooks_and_watchers_do_not_run_while_it_is_saved(place: Place, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    hook = place.app / ".git" / "hooks" / "pre-push"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {ran}\nexit 1\n")
    hook.chmod(0o755)
    place.git("config", "core.fsmonitor", str(hook))
    place.git("config", "commit.gpgSign", "true")
    (place.app / "a.txt").write_text("two\n")
    ran.unlink(missing_ok=True)
    assert place.save() == ([f"app {APP}"], [])
    assert not ran.exists()


def test_what_cannot_be_saved_is_said_and_others_are_saved(place: Place) -> None:
    broken = place.apps / "6"
    place.git("init", "--quiet", str(broken), at=place.apps)
    (broken / "x").write_text("x")
    (place.app / "a.txt").write_text("two\n")
    assert place.save() == ([f"app {APP}"], ["app 6"])


def test_names_with_spaces_and_a_repository_that_is_a_file(place: Place) -> None:
    (place.apps / "not a repository").mkdir()
    (place.apps / "not a repository" / ".git").write_text("gitdir: /etc")
    (place.app / "名 字.txt").write_text("x\n")
    assert place.save() == ([f"app {APP}"], [])


def test_what_a_users_own_git_prints_is_not_taken_for_the_answer() -> None:
    said = saved("warning: x\nsaved 5\n\nfailed 6\nsaved\nremoved 7\n")
    assert said.saved == ["app 5"]
    assert said.failed == ["app 6"]


def test_commits_that_were_never_pushed_are_saved(place: Place) -> None:
    (place.app / "a.txt").write_text("two\n")
    place.git("commit", "--quiet", "-am", "mine")
    commit = place.git("rev-parse", "HEAD")
    assert place.save() == ([f"app {APP}"], [])
    assert place.git("rev-parse", "studio/autosave", at=place.remote) == commit
    assert place.save() == ([], [])
    # What was saved as work, and committed as it was, is a commit that nobody else has.
    (place.app / "a.txt").write_text("three\n")
    assert place.save() == ([f"app {APP}"], [])
    place.git("commit", "--quiet", "-am", "mine too")
    assert place.save() == ([f"app {APP}"], [])
    assert place.git("log", "-1", "--format=%s", "studio/autosave", at=place.remote) == "mine too"
    place.git("push", "--quiet", "origin", "HEAD:main")
    place.git("update-ref", "-d", "refs/studio/autosave")
    assert place.save() == ([], [])


def test_one_slow_app_does_not_take_the_time_of_all(place: Place) -> None:
    """Its Git never ends: a filter of its own that waits."""
    place.git("clone", "--quiet", str(place.remote), str(place.apps / "6"))
    place.git("config", "filter.slow.clean", "sleep 60", at=place.apps / "6")
    (place.apps / "6" / ".gitattributes").write_text("* filter=slow\n")
    (place.app / "a.txt").write_text("two\n")
    assert place.save(6, each=1) == ([f"app {APP}"], ["app 6"])
    (place.app / "a.txt").write_text("three\n")
    assert place.save(6, each=1, seconds=1) == ([], ["app 6", f"app {APP}"])
    assert place.save(APP, each=1, seconds=1)[0] == [f"app {APP}"]


@pytest.mark.parametrize("mode", [0o755, 0o000])
def test_a_folder_is_removed_however_deep_and_closed_it_is(place: Place, mode: int) -> None:
    place.run(["mkdir", "-p", "d/" * 2000], place.app)
    (place.app / "closed").mkdir()
    (place.app / "closed" / "x").write_text("x")
    (place.app / "closed").chmod(mode)
    done = place.run(remove_argv(APP, str(place.apps)))
    assert (done.returncode, place.app.exists()) == (0, False)
    assert place.run(remove_argv(APP, str(place.apps))).returncode == 0
