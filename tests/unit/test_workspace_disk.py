"""Disks and agents as the kernel and OpenSSH see them: these tests need root and loop devices."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import SecretStr

from activities.workspace_agent import Agents, agent_argv
from activities.workspace_disk import Disks, make_argv

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0
    or shutil.which("mkfs.ext4") is None
    or not Path("/dev/loop-control").exists(),
    reason="mounting needs root",
)
USER = 7
IDENTITY = '[user]\n\temail = "ann@example.com"\n'


@pytest.fixture
def disks(tmp_path: Path) -> Iterator[Disks]:
    made = Disks(tmp_path, 16)
    yield made
    for user_id in made.users():
        made.remove(user_id)


def as_user(*argv: str | Path) -> int:
    return subprocess.run(argv, user=1000, group=1000, extra_groups=[], check=False).returncode


def test_a_disk_is_made_once_and_belongs_to_its_user(disks: Disks) -> None:
    path = disks.ensure(USER, IDENTITY)
    (path / "apps" / "x").write_text("kept")
    assert disks.ensure(USER, "other") == path
    assert (path / "apps" / "x").read_text() == "kept"
    assert (path / ".home" / ".gitconfig").read_text() == IDENTITY
    for each in (path, path / "apps", path / ".home", path / ".studio" / "runs"):
        assert (each.stat().st_uid, each.stat().st_gid) == (1000, 1000)
    assert not (path / "lost+found").exists()
    assert disks.image(USER).stat().st_mode & 0o777 == 0o600


def test_the_quota_is_the_kernels_and_a_full_disk_can_be_cleared(disks: Disks) -> None:
    path = disks.ensure(USER, IDENTITY)
    with pytest.raises(OSError, match="No space left"):
        (path / "big").write_bytes(bytes(64 * 1024 * 1024))
    assert disks.is_full(USER)
    (path / "big").unlink()
    assert not disks.is_full(USER)
    assert shutil.disk_usage(disks.image(USER).parent).free > 0


def test_files_outlive_unmounting_and_a_host_gets_back_what_was_deleted(disks: Disks) -> None:
    path = disks.ensure(USER, IDENTITY)
    (path / "kept").write_text("kept")
    (path / "big").write_bytes(os.urandom(6 * 1024 * 1024))
    os.sync()
    before = disks.image(USER).stat().st_blocks
    (path / "big").unlink()
    assert disks.release(USER)
    assert disks.release(USER)
    assert disks.image(USER).stat().st_blocks < before - 8000
    assert not disks.is_mounted(USER)
    assert as_user("touch", path / "x") != 0
    assert (disks.ensure(USER, "") / "kept").read_text() == "kept"


def test_a_disk_grows_with_the_setting_and_keeps_its_files(disks: Disks, tmp_path: Path) -> None:
    (disks.ensure(USER, IDENTITY) / "kept").write_text("kept")
    assert disks.release(USER)
    os.truncate(disks.image(USER), 24 * 2**20)  # killed before the file system followed
    larger = Disks(tmp_path, 32)
    path = larger.ensure(USER, "")
    assert (path / "kept").read_text() == "kept"
    assert shutil.disk_usage(path).total > 24 * 2**20
    assert larger.release(USER)
    smaller = Disks(tmp_path, 16)
    assert shutil.disk_usage(smaller.ensure(USER, "")).total > 24 * 2**20


def test_a_device_that_is_still_held_is_not_mounted_with_what_it_remembers(
    disks: Disks, tmp_path: Path
) -> None:
    """Whoever has a loop device open (each ``mount -o loop`` looks at all of them) keeps it."""
    path = disks.ensure(USER, IDENTITY)
    device = next(
        line.split()[0]
        for line in Path("/proc/mounts").read_text().splitlines()
        if f" {path} " in line
    )
    with ExitStack() as holding:
        holding.enter_context(Path(device).open("rb")).read(4096)
        assert disks.release(USER)
        let_go = threading.Timer(0.3, holding.close)
        let_go.start()
        larger = Disks(tmp_path, 32)
        assert shutil.disk_usage(larger.ensure(USER, "")).total > 24 * 2**20
        let_go.join()


def test_a_disk_that_is_in_use_stays(disks: Disks) -> None:
    path = disks.ensure(USER, IDENTITY)
    with (path / "open").open("w"):
        assert not disks.release(USER)
        assert disks.is_mounted(USER)
        disks.remove(USER)
    assert not disks.exists(USER)
    assert not path.exists()
    disks.remove(USER)


def test_a_half_made_image_is_made_anew(disks: Disks, tmp_path: Path) -> None:
    (tmp_path / "disks" / f".u-{USER}.new").write_bytes(b"half of an image")
    assert (disks.ensure(USER, IDENTITY) / "apps").is_dir()
    assert disks.users() == [USER]
    assert not list((tmp_path / "disks").glob(".u-*.new"))


def test_nothing_on_a_disk_gives_rights_on_the_host(disks: Disks) -> None:
    path = disks.ensure(USER, IDENTITY)
    options = next(
        line.split()[3]
        for line in Path("/proc/mounts").read_text().splitlines()
        if line.split()[1] == str(path)
    )
    assert {"nosuid", "nodev"} <= set(options.split(","))


def test_an_image_keeps_nothing_back_for_root() -> None:
    argv = make_argv(Path("/x.img"), Path("/content"))
    assert "-m0" in argv
    assert argv[-1] == "/x.img"


def new_key() -> SecretStr:
    key = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.OpenSSH,
        serialization.NoEncryption(),
    )
    return SecretStr(key.decode())


@pytest.fixture
def agents() -> Iterator[Agents]:
    # The agent's user has to get through every folder above its socket.
    home = Path("/run") / f"studio-test-{os.getpid()}"
    home.mkdir(mode=0o711)
    made = Agents(home)
    yield made
    made.remove(USER)
    shutil.rmtree(home)


def ask(agents: Agents, *argv: str, user: int = 1000) -> int:
    return subprocess.run(
        argv,
        env={"PATH": os.environ["PATH"], "SSH_AUTH_SOCK": str(agents.folder(USER) / "agent.sock")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        user=user,
        group=user,
        extra_groups=[],
        check=False,
    ).returncode


def pid(agents: Agents) -> int:
    return int((agents.folder(USER).parent / f"u-{USER}.pid").read_text().split()[0])


def test_an_agent_holds_the_key_and_is_started_once(agents: Agents) -> None:
    assert not agents.is_ready(USER)
    key = new_key()
    agents.ensure(USER, key)
    first = pid(agents)
    agents.ensure(USER, key)
    assert pid(agents) == first
    assert ask(agents, "ssh-add", "-l") == 0
    assert ask(agents, "ssh-add", "-l", user=1001) != 0
    assert Path(f"/proc/{first}").stat().st_uid == 1000
    assert "PRIVATE" not in Path(f"/proc/{first}/cmdline").read_text()
    agents.end(USER)
    assert not Path(f"/proc/{first}").exists() or not agents.is_ready(USER)


@pytest.mark.parametrize("how", ["-D", "-x"])
def test_a_key_that_was_taken_away_or_locked_comes_back(agents: Agents, how: str) -> None:
    agents.ensure(USER, new_key())
    if how == "-D":
        assert ask(agents, "ssh-add", "-D") == 0
    else:
        os.kill(pid(agents), 9)
        time.sleep(0.1)
    assert not agents.is_ready(USER)
    agents.ensure(USER, new_key())
    assert agents.is_ready(USER)


def test_an_agent_loads_no_library_that_a_request_names(agents: Agents) -> None:
    agents.ensure(USER, new_key())
    assert ask(agents, "ssh-add", "-s", "/usr/lib/x86_64-linux-gnu/libc.so.6") != 0
    assert ask(agents, "ssh-add", "-l") == 0
    argv = agent_argv(Path("/x"))
    assert argv[argv.index("-P") + 1] == ""
