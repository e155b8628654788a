"""Apps to start from: each folder here is the first commit of an app made with that template."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).parent


class Sample(NamedTuple):
    title: str
    description: str


SAMPLES: dict[str, Sample] = {
    "express-api": Sample("Express", "A small JSON API on Node"),
    "static": Sample("Plain HTML", "A page with a style sheet, nothing to build"),
    "vite-react": Sample("React and Vite", "A React page, built by Vite into static files"),
    "vite-vue": Sample("Vue and Vite", "A Vue page, built by Vite into static files"),
    "fastapi": Sample("FastAPI", "A small JSON API on Python"),
    "notes": Sample("Notes with MongoDB", "Express with the app's own database"),
}


@cache
def files(name: str) -> dict[str, bytes]:
    """The template's files by their path in the repository. Raises KeyError for an unknown one."""
    if name not in SAMPLES:
        raise KeyError(name)
    root = FOLDER / name
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and "node_modules" not in path.parts and "__pycache__" not in path.parts
    }
