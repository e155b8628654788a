"""Zip archives that mean harm, and one that does not."""

from __future__ import annotations

import io
import os
import stat
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from activities.beneath import Folder
from api.workspace_node import archives
from api.workspace_node.archives import pack, unpack
from ops.errors import Conflict, Invalid, NotFound


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "app"
    folder.mkdir()
    return folder


@pytest.fixture
def app(root: Path) -> Iterator[Folder]:
    with Folder.at(root) as folder:
        yield folder


def zipped(files: dict[str, bytes | str], mode: int = 0) -> io.BytesIO:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo(name)
            info.create_system = 3
            info.external_attr = mode << 16
            archive.writestr(info, content)
    made.seek(0)
    return made


@pytest.mark.parametrize(
    "name", ["../evil", "a/../../evil", "/etc/evil", "..\\evil", "x" * 300, "a/" * 2000 + "b"]
)
def test_names_that_lead_out(app: Folder, root: Path, name: str) -> None:
    with pytest.raises(Invalid):
        unpack(zipped({"good": "x", name: "evil"}), app, "")
    assert os.listdir(root) == []
    assert not (root.parent / "evil").exists()


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_methods_that_unpack_without_a_limit(app: Folder, root: Path, method: int) -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method) as archive:
        archive.writestr("zeros", b"0" * 1000)
    made.seek(0)
    with pytest.raises(Invalid, match="packed in a way"):
        unpack(made, app, "")
    assert os.listdir(root) == []


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFSOCK])
def test_links_and_devices(app: Folder, root: Path, kind: int) -> None:
    with pytest.raises(Invalid, match="link or a device"):
        unpack(zipped({"thing": "/etc/passwd"}, kind | 0o777), app, "")
    assert os.listdir(root) == []


def test_a_link_that_is_there_already_leads_nowhere(
    app: Folder, root: Path, tmp_path: Path
) -> None:
    (root / "lib").symlink_to(tmp_path)
    with pytest.raises((Invalid, NotFound, Conflict)):
        unpack(zipped({"lib/evil": "x"}), app, "")
    assert not (tmp_path / "evil").exists()


def test_too_many_entries(app: Folder) -> None:
    many = io.BytesIO()
    with zipfile.ZipFile(many, "w") as archive:
        for number in range(100_000):
            archive.writestr(f"{number}", b"")
    with pytest.raises(Invalid, match="entries"):
        unpack(many, app, "")


def test_a_directory_that_lies_about_its_size(app: Folder) -> None:
    data = bytearray(zipped({"a": "x"}).getvalue())
    at = data.rfind(archives.END_SIGNATURE)
    struct.pack_into("<L", data, at + 12, 0x7FFFFFFF)
    with pytest.raises(Invalid):
        unpack(io.BytesIO(data), app, "")


def test_ten_gigabytes_of_zeros(app: Folder, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MOST_BYTES", 1_000_000)
    with pytest.raises(Invalid, match="MB"):
        unpack(zipped({"zeros": bytes(2_000_000)}), app, "")
    assert os.listdir(root) == []


def test_a_size_that_is_a_lie(app: Folder, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The directory says that ten bytes come."""
    monkeypatch.setattr(archives, "MOST_BYTES", 1_000_000)
    data = bytearray(zipped({"zeros": bytes(2_000_000)}).getvalue())
    central = data.rfind(b"PK\x01\x02")
    struct.pack_into("<L", data, central + 24, 10)
    with pytest.raises(Invalid):
        unpack(io.BytesIO(data), app, "")
    assert os.listdir(root) == []


@pytest.mark.parametrize("data", [b"", b"PK", b"not a zip" * 100, b"PK\x05\x06" + bytes(17)])
def test_what_is_no_archive(app: Folder, data: bytes) -> None:
    with pytest.raises(Invalid):
        unpack(io.BytesIO(data), app, "")


def test_broken_in_the_middle(app: Folder) -> None:
    data = bytearray(zipped({"a": os.urandom(10_000)}).getvalue())
    data[200:300] = bytes(100)
    with pytest.raises(Invalid, match="broken"):
        unpack(io.BytesIO(data), app, "")


def test_there_and_back(app: Folder, root: Path, tmp_path: Path) -> None:
    (root / "src").mkdir()
    (root / "src" / "名.txt").write_text("content")
    (root / "run.sh").write_text("#!/bin/sh\n")
    (root / "run.sh").chmod(0o755)
    (root / "node_modules").mkdir()
    (root / "node_modules" / "x").write_text("left out")
    (root / "empty").mkdir()
    (root / "link").symlink_to("/etc/passwd")
    os.mkfifo(root / "fifo")
    packed = b"".join(pack(app, ""))
    there = tmp_path / "there"
    there.mkdir()
    with Folder.at(there) as folder:
        assert unpack(io.BytesIO(packed), folder, "deep/er") == 2
    found = sorted(str(path.relative_to(there)) for path in there.rglob("*"))
    assert found == [
        *("deep", "deep/er", "deep/er/empty", "deep/er/run.sh", "deep/er/src"),
        "deep/er/src/名.txt",
    ]
    assert (there / "deep/er/src/名.txt").read_text() == "content"
    assert (there / "deep/er/run.sh").stat().st_mode & 0o777 == 0o755


def test_a_second_directory_is_not_believed() -> None:
    """zipfile takes its figures from a 64-bit record wherever it finds a locator of one."""
    plain = io.BytesIO()
    with zipfile.ZipFile(plain, "w") as archive:
        archive.writestr("a", b"a")
    whole = plain.getvalue()
    end = whole.rindex(b"PK\x05\x06")
    huge = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 1, 1, 2**31, 0)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, end, 1)
    with pytest.raises(Invalid, match="entries"):
        archives.look(io.BytesIO(whole[:end] + huge + locator + whole[end:]))
