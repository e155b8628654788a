"""What people ask of Git, and what Git answers."""

from __future__ import annotations

import pytest

from activities.workspace_repository import (
    commit_id,
    message_of,
    parse_log,
    parse_status,
    paths_of,
)
from api.workspace_node.search import argv, matches
from ops.errors import Invalid

STATUS = (
    "# branch.oid 3f9a\0# branch.head main\0# branch.upstream origin/main\0# branch.ab +2 -1\0"
    "1 .M N... 100644 100644 100644 aa bb with space.txt\0"
    "2 R. N... 100644 100644 100644 aa bb R100 新.txt\0old.txt\0"
    "u UU N... 100644 100644 100644 100644 aa bb cc both.txt\0"
    "? new\nline.txt\0"
)


def test_a_status_is_understood() -> None:
    status = parse_status(STATUS.encode())
    assert (status.branch, status.commit, status.ahead, status.behind) == ("main", "3f9a", 2, 1)
    assert status.files == [
        {"path": "with space.txt", "index": ".", "worktree": "M"},
        {"path": "新.txt", "index": "R", "worktree": ".", "from": "old.txt"},
        {"path": "both.txt", "index": "U", "worktree": "U", "conflict": True},
        {"path": "new\nline.txt", "index": "?", "worktree": "?"},
    ]
    fresh = parse_status(b"# branch.oid (initial)\0# branch.head (detached)\0")
    assert (fresh.branch, fresh.commit, fresh.ahead) == (None, None, None)


def test_a_log_is_understood() -> None:
    line = "aa\x1fbb cc\x1fAda\x1fada@x\x1f2026-01-01T00:00:00Z\x1fa \x1d subject"
    (commit,) = parse_log(f"{line}\0broken\0".encode())
    assert commit["parents"] == ["bb", "cc"]
    assert commit["subject"] == "a \x1d subject"


@pytest.mark.parametrize("text", ["", " \n\t", "a\0b", "\udc80", "x" * 70_000])
def test_messages_that_are_none(text: str) -> None:
    with pytest.raises(Invalid):
        message_of(text)


@pytest.mark.parametrize("text", ["main", "HEAD", "--all", "a..b", "abc", "ABCDEF1", "g" * 8, ""])
def test_only_a_commit_is_a_commit(text: str) -> None:
    with pytest.raises(Invalid):
        commit_id(text)


def test_paths_stay_paths() -> None:
    assert paths_of(["-rf", "a//b", ""]) == ["-rf", "a/b", "."]
    with pytest.raises(Invalid):
        paths_of(["../other"])
    with pytest.raises(Invalid):
        paths_of(["a"] * 1001)


def test_what_is_searched_for_is_no_option() -> None:
    made = argv("--files /etc", "/workspace/apps/1", regex=False, case=False)
    assert "--regexp=--files /etc" in made
    assert made[-2:] == ["--", "/workspace/apps/1"]
    assert "--fixed-strings" in made


def test_a_cut_answer_of_a_search() -> None:
    line = (
        '{"type":"match","data":{"path":{"text":"/w/a.js"},"lines":{"text":"x = 1\\n"},'
        '"line_number":3,"submatches":[{"start":0,"end":1}]}}'
    )
    found, more = matches(f"{line}\n{line[:50]}".encode(), "/w")
    assert found == [{"path": "a.js", "line": 3, "text": "x = 1", "columns": [[0, 1]]}]
    assert not more
