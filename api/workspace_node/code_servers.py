"""VS Code in a user's container: started when it is asked for, once, and ended by itself when unused.

It asks nobody who they are: only the gateway reaches its port, and the entry lets only the owner
through. That the port is taken is what keeps a second one from starting.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict

from activities.workspace_exec import Execs
from activities.workspace_spec import CODE_SERVER, WORKSPACE
from ops.error_codes import ErrorCode
from ops.errors import NodeUnavailable
from ops.names import CODE_PORT
from ops.settings import Node, Settings

LEAST_MEMORY_MB = 1536
START_SECONDS = 30.0
PAUSE_SECONDS = 0.05
# With less code-server does not start ("must be greater than 60 seconds").
LEAST_IDLE_SECONDS = 61
LOG = f"{WORKSPACE}/.studio/code-server.log"
#: What it keeps (settings, extensions) lies in the user's home, in no app's folder.
DATA = f"{WORKSPACE}/.home/.local/share/code-server"
LAUNCH = f"""
mkdir -p {WORKSPACE}/.studio {DATA}/User
cp --no-clobber {CODE_SERVER}/settings.json {DATA}/User/
exec "$@" > {LOG} 2>&1
"""


def code_server_argv(idle_seconds: float) -> list[str]:
    """``idle_seconds``: after so long without a connection it ends."""
    server = [
        *("/usr/local/bin/node", f"{CODE_SERVER}/node_modules/code-server/out/node/entry.js"),
        # Neither a file of the user's nor one that it makes itself says how it is reached.
        *(
            "--config",
            "/dev/null",
            "--user-data-dir",
            DATA,
            "--auth",
            "none",
            "--bind-addr",
            f"0.0.0.0:{CODE_PORT}",
        ),
        *("--idle-timeout-seconds", str(max(LEAST_IDLE_SECONDS, int(idle_seconds)))),
        *("--disable-telemetry", "--disable-update-check", "--disable-workspace-trust"),
        *("--disable-getting-started-override", "--disable-proxy", "--app-name", "Fun AI Studio"),
    ]
    return ["sh", "-c", LAUNCH, "code-server", *server]


class CodeServers:
    def __init__(self, settings: Settings, node: Node, execs: Execs) -> None:
        self._settings = settings
        self._node = node
        self._execs = execs
        self._starting: defaultdict[int, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def start(self, user_id: int) -> None:
        """Returns when it takes connections, also when it did before.

        Raises Conflict when the workspace is not open, NodeUnavailable when it is too small, was
        opened before VS Code was installed, or when VS Code does not start in it.
        """
        if self._settings.workspace_memory_mb < LEAST_MEMORY_MB:
            raise NodeUnavailable(
                f"VS Code takes more memory than a workspace has"
                f" ({self._settings.workspace_memory_mb} MB)",
                code=ErrorCode.CODE_MEMORY,
                values={"size": self._settings.workspace_memory_mb, "least": LEAST_MEMORY_MB},
                hint=f"an administrator can set STUDIO_WORKSPACE_MEMORY_MB={LEAST_MEMORY_MB}",
            )
        found = await self._execs.container_state(user_id)
        if all(mount["Destination"] != CODE_SERVER for mount in found["Mounts"]):
            raise NodeUnavailable(
                "this workspace was opened before VS Code was installed",
                code=ErrorCode.CODE_NOT_THERE,
                hint="close the workspace and open it again",
            )
        async with self._starting[user_id]:
            if not await self._accepts(user_id):
                await self._start(user_id)

    async def _start(self, user_id: int) -> None:
        argv = code_server_argv(self._settings.run_idle_seconds)
        exec_id = await self._execs.create(user_id, argv, output=False)
        await self._execs.start_detached(exec_id)
        try:
            async with asyncio.timeout(START_SECONDS):
                while not await self._accepts(user_id):
                    state = await self._execs.inspect(exec_id)
                    if state is None or not state.running:
                        break
                    await asyncio.sleep(PAUSE_SECONDS)
                else:
                    return
        except TimeoutError:
            await self._execs.kill(exec_id)
        raise NodeUnavailable(
            "VS Code does not start in your workspace",
            code=ErrorCode.CODE_NOT_STARTED,
            values={"log": LOG},
            hint=f"stop what else runs there, and see {LOG}",
        )

    async def _accepts(self, user_id: int) -> bool:
        return await self._execs.accepts(self._node, user_id, CODE_PORT)
