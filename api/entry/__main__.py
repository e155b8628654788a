"""``python -m api.entry``: the API on 127.0.0.1, until SIGTERM; open requests get 3 s to end."""

from __future__ import annotations

import uvicorn

from api.entry.app import create_app
from ops.logs import setup_logging
from ops.settings import load_settings
from ops.telemetry import setup_tracing

GRACE_SECONDS = 3


def main() -> None:
    settings = load_settings()
    setup_logging(settings, "entry")
    setup_tracing(settings, "entry", public=True)
    uvicorn.run(
        create_app(settings),
        host="127.0.0.1",
        port=settings.ports.entry,
        log_config=None,
        access_log=False,
        server_header=False,
        # nginx is the only client; it names the real one in X-Real-IP.
        proxy_headers=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )


if __name__ == "__main__":
    main()
