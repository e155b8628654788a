"""The units of systemd that bring the platform back with its machine."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ops.settings import Settings
from ops.stack import boot, render
from ops.stack.render import UnsafeValue

SETTINGS = Settings(home=Path("/srv/my studio"), platform="other")
FIREWALL, PLATFORM = "fun-ai-studio-other-firewall.service", "fun-ai-studio-other.service"


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What systemctl is asked, on a machine that systemd started."""
    commands: list[str] = []

    def note(words: list[str]) -> None:
        commands.append(" ".join(words))

    monkeypatch.setattr(boot, "BOOTED", tmp_path)
    monkeypatch.setattr(boot, "UNITS", tmp_path)
    monkeypatch.setattr(boot, "run", note)
    monkeypatch.setattr(boot, "attempt", note)
    return commands


def test_systemd_takes_the_units(tmp_path: Path) -> None:
    """As its own checker says, also of a path that means something else to it."""
    settings = SETTINGS.model_copy(update={"home": Path('/srv/a "b" %h $HOME \\x')})
    files = []
    for name, text in boot.unit_texts(settings).items():
        files.append(tmp_path / name)
        files[-1].write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *files], capture_output=True, text=True
    )
    said = [line for line in done.stderr.splitlines() if str(tmp_path) in line]
    assert (done.returncode, said) == (0, []), done.stderr


def test_what_a_unit_could_expand_is_written_so_that_it_does_not() -> None:
    assert render.systemd_command(["/x", "%h $A", 'a"b\\']) == r'"/x" "%%h $$A" "a\"b\\"'
    assert render.systemd_environment({"A": "%h $B"}) == '"A=%%h $B"'
    for of_one_value in ("a\nExecStart=/bin/sh", "a\x00"):
        with pytest.raises(UnsafeValue):
            render.systemd_command([of_one_value])


def test_people_s_containers_come_back_behind_the_firewall() -> None:
    units = boot.unit_texts(SETTINGS)
    assert "\nBefore=docker.service\n" in units[FIREWALL]
    assert "\nWantedBy=docker.service " in units[FIREWALL]
    assert f"docker.service {FIREWALL}\n" in units[PLATFORM]


def test_they_are_switched_on_once_and_taken_away(asked: list[str], tmp_path: Path) -> None:
    settings = SETTINGS.model_copy(update={"home": tmp_path / "home"})
    # An earlier run was ended before it could switch them on.
    for name, text in boot.unit_texts(settings).items():
        (tmp_path / name).write_text(text)
    assert boot.ensure(settings) == PLATFORM
    assert asked == [f"systemctl enable --quiet {FIREWALL} {PLATFORM}"]
    asked.clear()
    # An operator may have switched them off meanwhile.
    boot.ensure(settings)
    assert asked == []
    (tmp_path / FIREWALL).write_text("of an earlier version")
    boot.ensure(settings)
    assert asked == ["systemctl daemon-reload"]
    asked.clear()
    boot.remove(settings)
    assert asked == [
        f"systemctl disable --quiet {FIREWALL} {PLATFORM}",
        "systemctl daemon-reload",
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["home"]


def test_where_systemd_did_not_start_the_machine_there_are_none(
    asked: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(boot, "BOOTED", tmp_path / "none")
    assert "ops/up" in boot.ensure(SETTINGS)
    assert asked == []
    assert list(tmp_path.iterdir()) == []


def test_the_main_platform_has_the_product_s_name() -> None:
    assert boot.unit_names(Settings())[1] == "fun-ai-studio.service"
