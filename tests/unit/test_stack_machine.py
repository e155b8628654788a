"""What is said about a machine that will not do, and settings that are kept."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from ops.errors import PlatformError
from ops.settings import Settings
from ops.stack import accounts, base_images, checks, config, down, strays
from ops.stack.programs import Program
from ops.stack.secretfiles import ensure_secrets, new_certificate, put_once
from ops.stack.shell import attempt, clean_environment, run
from ops.stack.steps import Steps
from ops.stack.supervisor import Supervisor

CHECKOUT = Path(__file__).parents[2]


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def program(port: int) -> Program:
    return Program(name="mariadb", command=("mariadbd",), listens=(("127.0.0.1", port),))


def test_a_port_that_is_taken_is_said_with_its_owner(taken: int) -> None:
    with pytest.raises(PlatformError) as error:
        checks.check_ports([program(taken)], set())
    assert f"port {taken}, which mariadb needs, is taken by" in error.value.what
    assert f"process {os.getpid()}" in error.value.what
    assert "STUDIO_PORT_OFFSET" in error.value.hint


def test_a_port_of_our_own_process_is_not_taken(taken: int) -> None:
    checks.check_ports([program(taken)], {os.getpid()})


@pytest.mark.parametrize(
    ("one", "other", "clash"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "0.0.0.0", True),
        ("0.0.0.0", "172.28.255.1", True),
        ("127.0.0.1", "::", True),
        ("172.28.255.1", "172.29.255.1", False),
        ("127.0.0.1", "172.28.255.1", False),
    ],
)
def test_addresses_clash_only_where_they_overlap(one: str, other: str, clash: bool) -> None:
    assert checks.overlap(one, other) is clash


def test_kept_settings_are_read_back_the_same(tmp_path: Path) -> None:
    settings = Settings(
        home=tmp_path,
        platform="studiotest",
        name_prefix="studiotest-",
        port_offset=500,
        runners=2,
        admin_email="Ada <ada@example.com> #1",
        reachable_networks="10.1.0.0/16 192.168.7.0/24",
        trusted_proxies="192.0.2.0/28 127.0.0.1",
    )
    config.keep_settings(settings)
    again = Settings(home=tmp_path, _env_file=config.config_file(settings))
    assert again == settings
    assert "STUDIO_RUNTIMES" not in config.config_file(settings).read_text()


def test_a_setting_that_a_shell_would_read_otherwise_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PlatformError):
        config.config_text(Settings(home=tmp_path, admin_email="a'; rm -rf /; '"))


def test_secrets_are_made_once_for_their_owner_alone(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    assert ensure_secrets(settings) > 10
    before = {path.name: path.read_text() for path in settings.secrets.iterdir()}
    assert ensure_secrets(settings) == 0
    assert {path.name: path.read_text() for path in settings.secrets.iterdir()} == before
    assert {path.stat().st_mode & 0o777 for path in settings.secrets.iterdir()} == {0o600}
    assert settings.secrets.stat().st_mode & 0o777 == 0o700
    for node in settings.nodes:
        assert f"node-{node.node_id}" in before


def test_a_secret_that_is_there_is_not_made_again(tmp_path: Path) -> None:
    own = (os.getuid(), os.getgid())
    assert put_once(tmp_path / "token", lambda: "first", owner=own)
    assert not put_once(tmp_path / "token", lambda: pytest.fail("made twice"), owner=own)
    assert (tmp_path / "token").read_text() == "first\n"


def test_signing_keys_are_fresh_and_pem() -> None:
    one, other = new_certificate("tokens"), new_certificate("tokens")
    assert one != other
    assert one[0].startswith("-----BEGIN PRIVATE KEY")
    assert one[1].startswith("-----BEGIN CERTIFICATE")


def test_children_inherit_only_what_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s3cret")
    monkeypatch.setenv("STUDIO_RUNNERS", "4")
    environment = clean_environment(EXTRA="1")
    assert environment["EXTRA"] == "1"
    assert not {"AWS_SECRET_ACCESS_KEY", "STUDIO_RUNNERS"} & environment.keys()


def test_a_command_that_fails_shows_its_last_lines() -> None:
    with pytest.raises(PlatformError) as error:
        run(["sh", "-c", "echo one; echo two >&2; exit 3"])
    assert error.value.log_tail == ["two"]
    assert "ended with 3" in error.value.what
    assert attempt(["sh", "-c", "exit 3"]).returncode == 3


def test_a_program_that_is_not_there_is_said_plainly() -> None:
    with pytest.raises(PlatformError, match="is not there"):
        run(["no-such-program-at-all"])


def test_base_images_are_made_anew_for_other_certificates(tmp_path: Path) -> None:
    bundles = [tmp_path / "a.crt", tmp_path / "b.crt"]
    for bundle in bundles:
        bundle.write_text(bundle.name)
    keys = [
        {
            base_images.image_key(Settings(ca_bundle=bundle), image)
            for image in base_images.BASE_IMAGES
        }
        for bundle in bundles
    ]
    assert not keys[0] & keys[1]
    assert len(keys[0]) == len(base_images.BASE_IMAGES)


def test_strays_are_only_those_of_this_platform(tmp_path: Path) -> None:
    mine, other = Settings(home=tmp_path / "one"), Settings(home=tmp_path / "two")
    child = subprocess.Popen(["sleep", "60"], env={strays.MARK: strays.mark(mine, "TERM")})
    try:
        assert [(p.pid, s) for p, s in strays.find(mine)] == [(child.pid, "TERM")]
        assert strays.stop(other) == []
        assert child.poll() is None
        assert strays.stop(mine) == ["sleep"]
        child.wait(5)
    finally:
        child.kill()


def test_an_engine_is_known_by_its_configuration(tmp_path: Path) -> None:
    mine, other = Settings(home=tmp_path / "one"), Settings(home=tmp_path / "two")
    program = tmp_path / "dockerd"
    program.write_text("#!/bin/sh\nsleep 60 & wait\n")
    program.chmod(0o755)
    environment = {strays.MARK: strays.mark(mine, "TERM"), "PATH": os.environ["PATH"]}
    for name, is_it in (("build-engine.json", False), ("docker.json", True)):
        argv = [str(program), "--config-file", str(mine.etc / name)]
        child = subprocess.Popen(argv, env=environment, start_new_session=True)
        try:
            assert strays.has_engine(mine) is is_it
            assert not strays.has_engine(other)
        finally:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()


def test_an_engine_that_another_platform_uses_is_not_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, other = Settings(home=tmp_path / "one"), Settings(home=tmp_path / "two")
    monkeypatch.setattr(strays, "has_engine", lambda _: True)
    stopped: list[object] = []
    monkeypatch.setattr(Supervisor, "stop_all", lambda _, names: stopped.append(names))
    child = subprocess.Popen(["sleep", "60"], env={strays.MARK: strays.mark(other, "TERM")})
    try:
        with pytest.raises(PlatformError) as refused:
            down.down(mine, Steps(Console(quiet=True)), purge=True)
        assert str(other.home) in refused.value.what
        assert "--take-engine" in refused.value.hint
        assert not stopped
    finally:
        child.kill()
        child.wait()


@pytest.mark.parametrize(
    "script", ["up", "down", "studio", "supervisorctl", "env.sh", "machine.sh"]
)
def test_scripts_parse(script: str) -> None:
    subprocess.run(["bash", "-n", str(CHECKOUT / "ops" / script)], check=True)


def machine(*commands: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs shell functions of ops/up as it sources them."""
    lines = [f". {CHECKOUT}/ops/env.sh", f". {CHECKOUT}/ops/machine.sh", *commands]
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "\n".join(lines)],
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_another_user_than_root_is_told_so() -> None:
    done = machine("id() { echo 1000; }", "check_machine")
    assert done.returncode == 1
    assert "must run as root" in done.stderr


def test_another_system_is_told_so(tmp_path: Path) -> None:
    release = tmp_path / "os-release"
    release.write_text('ID=ubuntu\nVERSION_ID="24.04"\nPRETTY_NAME="Ubuntu 24.04 LTS"\n')
    done = machine("id() { echo 0; }", "check_machine", STUDIO_OS_RELEASE=str(release))
    assert done.returncode == 1
    assert "this is Ubuntu 24.04 LTS" in done.stderr


def test_too_little_disk_is_told_so(tmp_path: Path) -> None:
    release = tmp_path / "os-release"
    release.write_text('ID=debian\nVERSION_ID="12"\n')
    done = machine(
        "id() { echo 0; }",
        'df() { printf "Avail\\n7\\n"; }',
        "check_machine",
        STUDIO_OS_RELEASE=str(release),
        STUDIO_HOME=str(tmp_path / "not" / "yet"),
    )
    assert done.returncode == 1
    assert "Only 7 GB are free" in done.stderr
    assert "10 GB are needed" in done.stderr


def test_a_line_of_gitea_s_log_is_no_token() -> None:
    token = "0123456789abcdef" * 2 + "01234567"
    line = "2026/11/26 13:34:37 picture.go:67:loadAvatarsFrom() [E] Deprecation: `[picture].X`"
    for output in (f"{token}\n", f"{line}\n{token}\n{line}\n"):
        assert accounts.token_in(output) == token
    for output in ("", f"{line}\n", f"{token}\n{token}\n"):
        with pytest.raises(PlatformError):
            accounts.token_in(output)


def test_a_purge_that_was_cut_short_can_be_repeated(tmp_path: Path) -> None:
    """``ops/down`` knows a platform by its settings: they go last, when nothing else is left."""
    settings = Settings(home=tmp_path, platform="other")
    config.keep_settings(settings)
    for path in (settings.data / "mysql", settings.run):
        path.mkdir(parents=True)
    (tmp_path / "traces.jsonl").touch()
    down.remove_data(settings)
    assert list(tmp_path.iterdir()) == [config.config_file(settings)]
