"""Searching an app's files: ripgrep, in the container, as its user."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import APIRouter, Query

from activities.workspace_exec import Execs
from api.workspace_node.state import AppId, Here, UserId
from ops.error_codes import ErrorCode
from ops.errors import Invalid

router = APIRouter(prefix="/files")

MOST_MATCHES = 500
LONGEST_LINE = 500
SECONDS = 10.0
OUTPUT_LIMIT = 2 * 1024 * 1024
NO_MATCH, WRONG = 1, 2


def argv(query: str, folder: str, *, regex: bool, case: bool) -> list[str]:
    """Nothing in ``query`` or a repository's own files can become an option."""
    return [
        *("/usr/bin/rg", "--no-config", "--json", "--hidden", "--glob=!.git/"),
        *("--max-count=50", "--max-filesize=5M", "--sort=path"),
        "--case-sensitive" if case else "--ignore-case",
        *([] if regex else ["--fixed-strings"]),
        f"--regexp={query}",
        "--",
        folder,
    ]


def matches(output: bytes, folder: str) -> tuple[list[dict[str, Any]], bool]:
    """ripgrep's messages (JSON lines, the last one maybe cut) as path, line, text, and columns."""
    found: list[dict[str, Any]] = []
    for line in output.splitlines():
        try:
            message = json.loads(line)
        except ValueError:
            continue
        if message.get("type") != "match":
            continue
        if len(found) >= MOST_MATCHES:
            return found, True
        data = message["data"]
        path = data["path"].get("text")
        if path is None:
            continue
        found.append(
            {
                "path": path.removeprefix(f"{folder}/"),
                "line": data["line_number"],
                "text": data["lines"].get("text", "").rstrip("\r\n")[:LONGEST_LINE],
                "columns": [[part["start"], part["end"]] for part in data["submatches"][:20]],
            }
        )
    return found, False


@router.get("/search")
async def search(
    user_id: UserId,
    app_id: AppId,
    here: Here,
    query: Annotated[str, Query(alias="q", min_length=1, max_length=500)],
    regex: bool = False,
    case: bool = False,
) -> dict[str, Any]:
    here.touch(user_id)
    return await find(here.execs, user_id, app_id, query, regex=regex, case=case)


async def find(
    execs: Execs, user_id: int, app_id: int, query: str, *, regex: bool, case: bool
) -> dict[str, Any]:
    if "\0" in query or "\n" in query:
        raise Invalid("one line is searched for", code=ErrorCode.SEARCH_ONE_LINE, field="q")
    folder = f"/workspace/apps/{app_id}"
    done = await execs.run(
        user_id,
        argv(query, folder, regex=regex, case=case),
        limit=OUTPUT_LIMIT,
        seconds=SECONDS,
    )
    found, more = matches(done.stdout, folder)
    if done.exit_code == WRONG and not found and regex:
        raise Invalid(
            f"this is no regular expression: {done.said[-300:]}",
            code=ErrorCode.REGEX_INVALID,
            values={"why": done.said[-300:]},
            field="q",
        )
    return {"matches": found, "truncated": more or done.cut or done.exit_code not in (0, NO_MATCH)}
