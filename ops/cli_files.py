"""Files between this machine and the workspace, and what was written there to the Git server."""

from __future__ import annotations

import os
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from ops.cli_client import CliError, Studio
from ops.cli_common import AppName, AsJson, find_app, studio
from ops.cli_view import as_json, say

LEFT_OUT = frozenset({"node_modules", ".git", ".venv", "__pycache__", "dist", ".next"})
FILES = "/api/workspace/files"


def push(
    context: typer.Context,
    app: AppName,
    message: Annotated[
        str | None, typer.Option("--message", "-m", help="Commit everything first.")
    ] = None,
    as_json_: AsJson = False,
) -> None:
    """Push what was committed in the workspace."""
    api = studio(context)
    found = find_app(api, app)
    where = {"app_id": found["id"]}
    if message is not None and api.get("/api/workspace/git/status", **where)["files"]:
        api.post("/api/workspace/git/commit", where | {"message": message})
    pushed = api.post("/api/workspace/git/push", where)
    if as_json_:
        return as_json(pushed)
    say(f"{pushed['branch']} is at {pushed['commit'][:10]}.", "green")
    return say(f"  studio deploy {found['slug']}")


def cp(
    context: typer.Context,
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="PATH, or APP:PATH")],
    target: Annotated[str, typer.Argument(metavar="TARGET", help="APP:PATH, or PATH")],
    as_json_: AsJson = False,
) -> None:
    """Copy a file or a folder to the workspace, or from there."""
    api = studio(context)
    from_app, from_path = split(source)
    to_app, to_path = split(target)
    if (from_app is None) == (to_app is None):
        raise CliError("one side is APP:PATH, the other a path here", "studio cp a.txt shop:a.txt")
    try:
        if to_app is not None:
            count = _send(api, Path(source), find_app(api, to_app)["id"], to_path)
        else:
            assert from_app is not None
            count = _fetch(api, find_app(api, from_app)["id"], from_path, Path(target))
    except OSError as error:
        raise CliError(f"{error.filename or source}: {error.strerror}") from None
    if as_json_:
        return as_json({"files": count})
    return say(f"{count} {'file' if count == 1 else 'files'} copied.", "green")


def split(place: str) -> tuple[str | None, str]:
    """App and path of ``APP:PATH``; no app for a path of this machine."""
    app, colon, path = place.partition(":")
    if not colon or "/" in app or not app or app == ".":
        return None, place
    return app, path


def _send(api: Studio, source: Path, app_id: int, path: str) -> int:
    """How many files."""
    if source.is_dir():
        with tempfile.TemporaryFile() as archive:
            count = packed(source, archive)
            archive.seek(0)
            api.upload("POST", f"{FILES}/archive", {"app_id": app_id, "path": path}, archive)
        return count
    if path in ("", ".") or path.endswith("/"):
        path = f"{path.removesuffix('.')}{source.name}"
    with source.open("rb") as file:
        api.upload("PUT", f"{FILES}/upload", {"app_id": app_id, "path": path}, file)
    return 1


def packed(folder: Path, archive: BinaryIO) -> int:
    """A folder as a zip; how many files. Links, and what is made anew by itself, are left out."""
    count = 0
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, strict_timestamps=False) as made:
        for path in _regular(folder):
            made.write(path, path.relative_to(folder))
            count += 1
    return count


def _regular(folder: Path) -> Iterator[Path]:
    for root, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in LEFT_OUT)
        for name in sorted(files):
            path = Path(root) / name
            if path.is_file() and not path.is_symlink():
                yield path


def _fetch(api: Studio, app_id: int, path: str, target: Path) -> int:
    """How many files."""
    where = {"app_id": app_id, "path": path}
    try:
        api.call("GET", f"{FILES}/tree", params=where)
    except CliError:
        _fetch_file(api, where, target / Path(path).name if target.is_dir() else target)
        return 1
    with tempfile.TemporaryFile() as archive:
        api.download(f"{FILES}/archive", where, archive)
        with zipfile.ZipFile(archive) as held:
            target.mkdir(parents=True, exist_ok=True)
            held.extractall(target)
            return sum(not info.is_dir() for info in held.infolist())


def _fetch_file(api: Studio, where: dict[str, object], target: Path) -> None:
    new = target.with_name(f".{target.name}.new")
    try:
        with new.open("wb") as file:
            api.download(f"{FILES}/download", where, file)
        new.replace(target)
    except OSError as error:
        raise CliError(f"{target}: {error.strerror}") from None
    finally:
        new.unlink(missing_ok=True)
