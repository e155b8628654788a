"""Files of a hostile folder: nothing outside it is ever read, written or removed."""

from __future__ import annotations

import ctypes
import os
import socket
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from activities.beneath import Folder, clean, told
from ops.errors import Conflict, Invalid, NotFound, StudioError

AT_FDCWD = -100
RENAME_EXCHANGE = 2
SECRET = "the host's own secret"


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """Another user's folder, beside ours."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "secret").write_text(SECRET)
    return folder


@pytest.fixture
def root(tmp_path: Path, outside: Path) -> Path:
    folder = tmp_path / "app"
    folder.mkdir()
    (folder / "index.js").write_text("hello")
    (folder / "src").mkdir()
    (folder / "src" / "main.js").write_text("main")
    return folder


@pytest.fixture
def app(root: Path) -> Iterator[Folder]:
    with Folder.at(root) as folder:
        yield folder


def read(app: Folder, path: str) -> str:
    with told(path):
        fd = app.regular(clean(path))
    with os.fdopen(fd) as file:
        return file.read()


def write(app: Folder, path: str, text: str, *, replace: bool = True) -> None:
    with told(path), app.parent(clean(path), make=True) as (folder, name), folder.new_file() as new:
        new.write(text.encode())
        new.put(name, replace=replace)


@pytest.mark.parametrize(
    "path",
    [
        "../outside/secret",
        "src/../../outside/secret",
        "/etc/passwd",
        "//etc/passwd",
        "a\0b",
        "..",
        "x" * 256,
        "界" * 86,
        "/".join(["d" * 200] * 11),
        "\udc80",
    ],
)
def test_a_path_that_makes_no_sense_is_refused(path: str) -> None:
    with pytest.raises(Invalid):
        clean(path)


@pytest.mark.parametrize(
    ("path", "meant"), [("", ""), (".", ""), ("a//b/", "a/b"), ("./a", "a"), ("...", "...")]
)
def test_a_path_is_made_plain(path: str, meant: str) -> None:
    assert clean(path) == meant


@pytest.mark.parametrize("name", ["界" * 85, "n" * 255, "a b", "ünïcode.txt", "-rf", "new\nline"])
def test_unusual_names_are_only_names(app: Folder, name: str) -> None:
    write(app, name, "x")
    assert read(app, name) == "x"
    app.delete(name)
    with pytest.raises(NotFound):
        read(app, name)


def test_the_kernel_keeps_dots_inside_too(app: Folder) -> None:
    """Not even a path that was not cleaned leaves the folder."""
    for path in ("../outside/secret", "../../../../etc/passwd", "/etc/passwd"):
        with pytest.raises(OSError, match="No such file"):
            app.regular(path)


def test_links_lead_nowhere_outside(app: Folder, root: Path, outside: Path) -> None:
    (root / "passwd").symlink_to("/etc/passwd")
    (root / "other").symlink_to(outside)
    (root / "up").symlink_to("../outside")
    (root / "self").symlink_to("/proc/self/root")
    (root / "loop").symlink_to("loop")
    with pytest.raises(Invalid, match="link"):
        read(app, "passwd")
    for path in ("other/secret", "up/secret", "self/etc/passwd", "loop/x"):
        with pytest.raises((NotFound, Invalid)):
            read(app, path)
        with pytest.raises(StudioError):
            write(app, path, "mine")
    assert (outside / "secret").read_text() == SECRET
    assert os.listdir(outside) == ["secret"]


def test_a_link_inside_is_followed_for_its_folder(app: Folder, root: Path) -> None:
    (root / "packages").symlink_to("src")
    assert read(app, "packages/main.js") == "main"


def test_only_regular_files_are_opened(app: Folder, root: Path) -> None:
    os.mkfifo(root / "fifo")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(root / "socket"))
    for path in ("fifo", "socket"):
        with pytest.raises(Invalid, match="regular"):
            read(app, path)
    with pytest.raises(Invalid, match="folder"):
        read(app, "src")


def test_deleting_never_follows(app: Folder, root: Path, outside: Path) -> None:
    (root / "link").symlink_to(outside)
    (root / "src" / "deep").symlink_to(outside)
    assert app.delete("link") is None
    assert app.delete("src/deep") is None
    assert app.delete("src") == root / "src"
    (root / "inside").symlink_to("/src")
    (root / "src" / "below").mkdir()
    assert app.delete("inside/below") == root / "src" / "below"
    assert (outside / "secret").read_text() == SECRET
    with pytest.raises(Invalid):
        app.delete("")


def test_moving_never_replaces(app: Folder, root: Path) -> None:
    write(app, "a", "a")
    with told("index.js"), pytest.raises(FileExistsError):
        app.move("a", "index.js")
    app.move("a", "new/deep/a")
    assert (root / "new/deep/a").read_text() == "a"
    with pytest.raises(Invalid), told("src"):
        app.move("src", "src/below")
    with pytest.raises(NotFound), told("nothing"):
        app.move("nothing", "b")


def test_writing_replaces_in_one_step_and_leaves_nothing_behind(app: Folder, root: Path) -> None:
    (root / "link").symlink_to("index.js")
    write(app, "index.js", "new")
    assert (root / "index.js").read_text() == "new"
    assert stat.S_IMODE((root / "index.js").stat().st_mode) == 0o644
    with pytest.raises(Conflict), told("index.js"):
        write(app, "index.js", "again", replace=False)
    with pytest.raises(Invalid), told("src"):
        write(app, "src", "a file onto a folder")
    with app.new_file() as unfinished:
        unfinished.write(b"half")
    assert sorted(os.listdir(root)) == ["index.js", "link", "src"]


def test_a_folder_that_becomes_a_link_in_the_middle(app: Folder, root: Path, outside: Path) -> None:
    """A link and a folder change places as fast as they can while files are written."""
    stop = threading.Event()

    (root / "spare").symlink_to(outside)
    libc = ctypes.CDLL(None)

    def swap() -> None:
        while not stop.is_set():
            libc.renameat2(
                AT_FDCWD, bytes(root / "src"), AT_FDCWD, bytes(root / "spare"), RENAME_EXCHANGE
            )
            time.sleep(0)

    swapping = threading.Thread(target=swap)
    swapping.start()
    done = refused = 0
    try:
        for number in range(3000):
            try:
                write(app, f"src/new-{number % 50}", "mine")
                assert read(app, "src/main.js") == "main"
                done += 1
            except (NotFound, Invalid, Conflict):
                refused += 1
    finally:
        stop.set()
        swapping.join()
    assert done > 0
    assert refused > 0
    assert os.listdir(outside) == ["secret"]
    assert (outside / "secret").read_text() == SECRET
