"""supervisord that looks at its programs five times a second.

Its own loop sleeps a second when nothing is logged, and a server that died is only restarted
after that; live requests should not wait so long.
"""

from __future__ import annotations

from typing import Any

from supervisor.poller import Poller
from supervisor.supervisord import main

LONGEST_SLEEP = 0.2


def wake_often() -> None:
    poll = Poller.poll

    def poll_briefly(self: Any, timeout: float) -> Any:
        return poll(self, min(timeout, LONGEST_SLEEP))

    Poller.poll = poll_briefly


if __name__ == "__main__":
    wake_often()
    main()
