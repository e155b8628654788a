"""A repository takes no push that there is no room for; and Gitea's own hooks run as ever."""

from __future__ import annotations

import os
import secrets
import subprocess
from pathlib import Path

import pytest

from ops.settings import Settings
from ops.stack.git_hooks import HOOKS, write_hooks

MEGABYTE = 1024 * 1024

GITEA = """#!/usr/bin/env bash
data=$(cat)
hookname=$(basename $0)
GIT_DIR=${GIT_DIR:-$(dirname $0)/..}
for hook in ${GIT_DIR}/hooks/${hookname}.d/*; do
  test -x "${hook}" && test -f "${hook}" || continue
  echo "${data}" | "${hook}" "$@" || exit $?
done
"""
"""As Gitea writes them into each repository, but for ``proc-receive``, which it runs itself."""

NOTES = """#!/bin/sh
echo "{name} $*" >> {log}
cat >> {log}
"""


class Repository:
    """One on the server with one of Gitea's hooks of each kind, and a clone that pushes to it."""

    def __init__(self, folder: Path) -> None:
        self.log = folder / "ran"
        self.bare = folder / "served.git"
        self.clone = folder / "clone"
        config = folder / "gitconfig"
        config.write_text(f"[core]\nhooksPath = {folder / 'etc' / 'git-hooks'}\n")
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "GIT_CONFIG_GLOBAL": str(config),
            "GIT_CONFIG_NOSYSTEM": "1",
        } | {
            f"GIT_{role}_{what}": "ada@example.org"
            for role in ("AUTHOR", "COMMITTER")
            for what in ("NAME", "EMAIL")
        }
        self.git("init", "-q", "--bare", str(self.bare))
        self.git("init", "-q", "-b", "main", str(self.clone))
        for name in HOOKS[:3]:
            self.hook(name, GITEA)
            self.hook(f"{name}.d/gitea", NOTES.format(name=name, log=self.log))

    def hook(self, name: str, text: str) -> None:
        path = self.bare / "hooks" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)

    def git(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["git", *words], env=self.environment, capture_output=True, text=True, check=False
        )

    def commit(self, megabytes: int) -> str:
        (self.clone / "file").write_bytes(secrets.token_bytes(megabytes * MEGABYTE))
        for words in (["add", "-A"], ["commit", "-q", "-m", "x"]):
            assert self.git("-C", str(self.clone), *words).returncode == 0
        return self.git("-C", str(self.clone), "rev-parse", "HEAD").stdout.strip()

    def push(self, *refs: str) -> subprocess.CompletedProcess[str]:
        return self.git("-C", str(self.clone), "push", "-q", str(self.bare), *refs)

    def head(self) -> str:
        return self.git("-C", str(self.bare), "rev-parse", "main").stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    write_hooks(Settings(home=tmp_path, repository_mb=3))
    return Repository(tmp_path)


def test_the_first_push_is_taken_and_each_hook_of_gitea_runs(repository: Repository) -> None:
    commit = repository.commit(2)
    done = repository.push("main")
    assert (done.returncode, done.stderr) == (0, "")
    line = f"{'0' * 40} {commit} refs/heads/main"
    assert [ran for ran in repository.log.read_text().splitlines() if ran] == [
        "pre-receive ",
        line,
        f"update refs/heads/main {'0' * 40} {commit}",
        "post-receive ",
        line,
    ]


def test_a_push_beyond_the_limit_is_refused_in_words_and_leaves_nothing(
    repository: Repository,
) -> None:
    before = repository.commit(2)
    repository.push("main", "main:other")
    repository.commit(2)
    ran = repository.log.read_text()
    done = repository.push("main")
    assert done.returncode != 0
    assert "remote: This app's repository may take 3 MB, and would take 4 MB." in done.stderr
    assert "remote rejected" in done.stderr
    assert repository.head() == before
    assert repository.log.read_text() == ran
    assert not list((repository.bare / "objects").glob("*incoming*"))
    files = [path for path in (repository.bare / "objects").rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 2.5 * MEGABYTE


def test_what_brings_nothing_is_taken_by_a_full_one_too(repository: Repository) -> None:
    repository.commit(2)
    repository.push("main", "main:other")
    (repository.bare / "objects" / "more").write_bytes(bytes(2 * MEGABYTE))
    assert repository.push(":other").returncode == 0


def test_what_gitea_refuses_is_refused(repository: Repository) -> None:
    repository.commit(1)
    repository.hook("pre-receive.d/gitea", "#!/bin/sh\necho 'protected branch' >&2\nexit 1\n")
    done = repository.push("main")
    assert done.returncode != 0
    assert "remote: protected branch" in done.stderr
