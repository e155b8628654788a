"""Packs of hostile repositories: laid out as plain files, or refused with a reason."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from dulwich.object_format import SHA1
from dulwich.objects import Blob, Commit, ObjectID, ShaFile, Tag, Tree
from dulwich.pack import write_pack_objects

from activities.checkout import Checkout, Limits, _delta_result, unpack
from activities.threads import Stop, Stopped
from ops.errors import SourceError

LIMITS = Limits(file=1000, total=5000)
FILE, PROGRAM, LINK, FOLDER, MODULE = 0o100644, 0o100755, 0o120000, 0o40000, 0o160000


class Repository:
    def __init__(self) -> None:
        self.objects: list[ShaFile] = []

    def add(self, item: ShaFile) -> ObjectID:
        self.objects.append(item)
        return item.id

    def blob(self, data: bytes) -> ObjectID:
        return self.add(Blob.from_string(data))

    def tree(self, *entries: tuple[bytes, int, ObjectID]) -> ObjectID:
        tree = Tree()
        for entry in entries:
            tree.add(*entry)
        return self.add(tree)

    def commit(self, tree: ObjectID) -> ObjectID:
        commit = Commit()
        commit.tree = tree
        commit.author = commit.committer = "Änne <a@b>".encode()
        commit.author_time = commit.commit_time = 0
        commit.author_timezone = commit.commit_timezone = 0
        commit.message = b"subject\n\nbody"
        return self.add(commit)

    def tag(self, commit: ObjectID) -> ObjectID:
        tag = Tag()
        tag.name, tag.message, tag.tagger = b"v1", b"m", b"a <b>"
        tag.tag_time = tag.tag_timezone = 0
        tag.object = (Commit, commit)
        return self.add(tag)

    def check_out(
        self, folder: Path, wanted: ObjectID, limits: Limits = LIMITS, stop: Stop | None = None
    ) -> Checkout:
        pack = folder / "pack"
        with pack.open("wb") as file:
            write_pack_objects(file, self.objects, SHA1, deltify=False)
        return unpack(pack, wanted.decode(), folder / "src", limits, stop or Stop())


def test_files_programs_links_and_folders(tmp_path: Path) -> None:
    repository = Repository()
    blob = repository.blob(b"hello")
    inner = repository.tree((b"run", PROGRAM, blob), (b"\xff", FILE, blob))
    link = repository.blob(b"/etc/passwd")
    commit = repository.commit(
        repository.tree((b"a", FILE, blob), (b"in", FOLDER, inner), (b"out", LINK, link))
    )
    for name in (commit, repository.tag(commit)):
        found = repository.check_out(tmp_path, name)
        source = tmp_path / "src"
        assert (found.commit, found.message, found.author) == (commit.decode(), "subject", "Änne")
        assert (source / "a").read_text() == "hello"
        assert (source / "a").stat().st_mode & 0o777 == 0o644
        assert (source / "in/run").stat().st_mode & 0o777 == 0o755
        assert os.readlink(source / "out") == "/etc/passwd"
        assert b"\xff" in os.listdir(os.fsencode(source / "in"))
        source.rename(tmp_path / name.decode())


@pytest.mark.parametrize("name", [b"..", b".", b".git", b".GIT", b"a/b", b"x" * 300])
def test_names_that_lead_somewhere_else(tmp_path: Path, name: bytes) -> None:
    repository = Repository()
    commit = repository.commit(repository.tree((name, FILE, repository.blob(b""))))
    with pytest.raises(SourceError, match="not possible"):
        repository.check_out(tmp_path, commit)
    assert list((tmp_path / "src").iterdir()) == []


def test_a_link_in_place_of_a_folder_cannot_be_written_through(tmp_path: Path) -> None:
    repository = Repository()
    target = tmp_path / "outside"
    target.mkdir()
    link = repository.blob(os.fsencode(target))
    inner = repository.tree((b"file", FILE, repository.blob(b"x")))
    # One tree object can name both, since Git sorts folders as "a/".
    tree = Tree.from_string(b"120000 a\0" + bytes.fromhex(link.decode()))
    doubled = tree.as_raw_string() + b"40000 a\0" + bytes.fromhex(inner.decode())
    commit = repository.commit(repository.add(Tree.from_string(doubled)))
    repository.check_out(tmp_path, commit)
    assert list(target.iterdir()) == []
    assert not (tmp_path / "src/a").is_symlink()


@pytest.mark.parametrize("target", [b"", b"a\0b", b"x" * 5000])
def test_links_that_the_system_would_not_take(tmp_path: Path, target: bytes) -> None:
    repository = Repository()
    commit = repository.commit(repository.tree((b"l", LINK, repository.blob(target))))
    with pytest.raises(SourceError):
        repository.check_out(tmp_path, commit, Limits(file=10_000, total=20_000))


def test_submodules_are_named(tmp_path: Path) -> None:
    repository = Repository()
    commit = repository.commit(repository.tree((b"lib", MODULE, ObjectID(b"a" * 40))))
    with pytest.raises(SourceError, match="lib is a submodule"):
        repository.check_out(tmp_path, commit)


def test_a_file_that_was_left_out_for_its_size_is_named(tmp_path: Path) -> None:
    repository = Repository()
    commit = repository.commit(repository.tree((b"video", FILE, ObjectID(b"b" * 40))))
    with pytest.raises(SourceError, match="video is larger"):
        repository.check_out(tmp_path, commit)


def test_what_inflates_too_far_is_refused_before_it_does(tmp_path: Path) -> None:
    repository = Repository()
    commit = repository.commit(repository.tree((b"bomb", FILE, repository.blob(bytes(1001)))))
    with pytest.raises(SourceError, match="larger than"):
        repository.check_out(tmp_path, commit)


def test_the_same_file_many_times_counts_each_time(tmp_path: Path) -> None:
    repository = Repository()
    blob = repository.blob(b"x" * 900)
    commit = repository.commit(
        repository.tree(*((b"%d" % number, FILE, blob) for number in range(6)))
    )
    with pytest.raises(SourceError, match="larger than"):
        repository.check_out(tmp_path, commit)


def test_a_tree_of_trees_of_trees_ends(tmp_path: Path) -> None:
    repository = Repository()
    tree = repository.tree((b"f", FILE, repository.blob(b"")))
    for _ in range(70):
        tree = repository.tree((b"d", FOLDER, tree))
    commit = repository.commit(tree)
    with pytest.raises(SourceError, match="deeper"):
        repository.check_out(tmp_path, commit, Limits(file=10_000, total=1_000_000))


def test_what_is_no_commit(tmp_path: Path) -> None:
    repository = Repository()
    with pytest.raises(SourceError, match="no commit"):
        repository.check_out(tmp_path, repository.blob(b"x"))


def test_it_stops(tmp_path: Path) -> None:
    repository = Repository()
    stop = Stop()
    stop.set()
    with pytest.raises(Stopped):
        repository.check_out(tmp_path, repository.commit(repository.tree()), stop=stop)


def test_size_of_what_a_delta_makes() -> None:
    assert _delta_result(bytes([5, 0x80 | 1, 1, 0xFF])) == 129
    assert _delta_result(b"") == 0
