"""What is said of a server that does not become ready."""

from __future__ import annotations

from pathlib import Path

import pytest

from ops.errors import PlatformError
from ops.settings import Settings
from ops.stack.probes import wait_ready
from ops.stack.supervisor import Supervisor


@pytest.mark.parametrize(
    ("states", "is_"), [({"gitea": "FATAL"}, "FATAL"), ({}, "absent"), ({"gitea": "RUNNING"}, "")]
)
def test_a_server_that_does_not_become_ready_is_told_with_the_end_of_its_log(
    states: dict[str, str], is_: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    supervisor = Supervisor(Settings(home=tmp_path))
    monkeypatch.setattr(supervisor, "states", lambda: states)
    log = supervisor.log("gitea")
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("started\n" * 100 + "database is locked\n")
    with pytest.raises(PlatformError) as told:
        wait_ready(supervisor, "gitea", lambda: False, seconds=0.1)
    assert told.value.what.startswith("gitea did not become ready")
    assert is_ in told.value.what
    assert str(log) in told.value.hint
    assert told.value.log_tail[-1] == "database is locked"
    assert len(told.value.log_tail) < 100


def test_a_server_that_answers_is_waited_for_no_longer(tmp_path: Path) -> None:
    answers = iter([False, False, True])
    wait_ready(_Starting(Settings(home=tmp_path)), "gitea", lambda: next(answers))


class _Starting(Supervisor):
    def states(self) -> dict[str, str]:
        return {"gitea": "STARTING"}
