"""What the scripts in ops make of their environment: where Python lives, and names that mean nothing."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from ops.stack import misspelt

CHECKOUT = Path(__file__).parents[2]


def sourced(
    *commands: str, user: int = 1000, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Runs commands after ops/env.sh, as such a user."""
    lines = [f"id() {{ echo {user}; }}", f". {CHECKOUT}/ops/env.sh", *commands]
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "\n".join(lines)],
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def closed(tmp_path: Path) -> str:
    """A cache where not even root may write."""
    (tmp_path / "file").touch()
    return str(tmp_path / "file" / "cache")


def test_an_ordinary_user_makes_python_where_it_may_be_written(tmp_path: Path, closed: str) -> None:
    own = tmp_path / "own"
    said = ('echo "$STUDIO_CACHE $PYTHON"',)
    for xdg, home, place in (
        (str(own), "/nowhere", own / "fun-ai-studio"),
        ("", str(own), own / ".cache" / "fun-ai-studio"),
    ):
        done = sourced(*said, STUDIO_CACHE=closed, XDG_CACHE_HOME=xdg, HOME=home)
        cache, python = done.stdout.split()
        assert (cache, Path(python).is_relative_to(place)) == (str(place), True), done
    for user, cache in ((0, closed), (1000, str(tmp_path / "not" / "yet"))):
        done = sourced(*said, user=user, STUDIO_CACHE=cache, HOME=str(own))
        assert done.stdout.split()[0] == cache


def test_what_a_python_environment_lacks_is_said(tmp_path: Path) -> None:
    done = sourced(
        "command() { return 1; }", "SYSTEM_PYTHON=/bin/false", "find_uv", STUDIO_CACHE=str(tmp_path)
    )
    assert done.returncode == 1
    assert "apt-get install python3-venv" in done.stderr


def test_what_is_compiled_is_kept_where_others_keep_nothing() -> None:
    said = 'echo "kept${PYTHONDONTWRITEBYTECODE-}"'
    assert sourced(said, PYTHONDONTWRITEBYTECODE="1", HOME="/").stdout == "kept\n"


def test_a_misspelt_setting_is_told_with_what_was_meant(tmp_path: Path) -> None:
    config = tmp_path / "config.env"
    config.write_text("# of an operator\nSTUDIO_RUNNERS='2'\nexport STUDIO_APP_MEMORY='64'\n")
    given = ["STUDIO_MAX_APP", "studio_max_apps", "STUDIO_XYZ", "PATH", "STUDIO_SOAK_SECONDS"]
    assert misspelt.warnings(given, config) == [
        "STUDIO_APP_MEMORY is no setting and changes nothing: did you mean STUDIO_APP_MEMORY_MB?",
        "STUDIO_MAX_APP is no setting and changes nothing: did you mean STUDIO_MAX_APPS?",
        "STUDIO_XYZ is no setting and changes nothing: ops/settings.py has them all",
    ]


def test_what_scripts_and_tests_read_is_not_misspelt(tmp_path: Path) -> None:
    given = {"STUDIO_HOME", "STUDIO_CACHE", "STUDIO_DEV", "STUDIO_URL", "STUDIO_TOKEN"}
    given |= {f"STUDIO_TEST_{what}" for what in ("KEEP", "UP", "ATTACH", "DEPLOYMENTS")}
    given |= {"STUDIO_SCREENSHOTS", "STUDIO_OS_RELEASE"}
    assert misspelt.warnings(given, tmp_path / "none") == []
    (told,) = misspelt.warnings(["STUDIO_TEST_KEPT"], tmp_path / "none")
    assert told.endswith("did you mean STUDIO_TEST_KEEP?")
