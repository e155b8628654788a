"""Who waits for a deployment to change: one small query a moment for all who watch, not one each."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import col, select

from activities.contracts.base import DeploymentStatus
from ops.db.session import Database
from ops.db.tables import Deployment

log = structlog.get_logger()

POLL_SECONDS = 0.15
AWAY_SECONDS = 1.0

State = tuple[int, DeploymentStatus]
"""The number of the last snapshot and the status."""


class Watcher:
    """``async with watcher.watch(id) as changes: async for state in changes``.

    The first state comes at once, then one for each change. It ends after an ended one, and when
    the record is gone. While the database is away nothing comes.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: dict[int, set[asyncio.Queue[State | None]]] = defaultdict(set)
        self._poller: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def watch(self, deployment_id: int) -> AsyncIterator[AsyncIterator[State]]:
        queue: asyncio.Queue[State | None] = asyncio.Queue()
        self._waiting[deployment_id].add(queue)
        if self._poller is None or self._poller.done():
            self._poller = asyncio.create_task(self._poll(), name="watch deployments")
        try:
            yield self._changes(queue)
        finally:
            self._waiting[deployment_id].discard(queue)
            if not self._waiting[deployment_id]:
                del self._waiting[deployment_id]

    async def close(self) -> None:
        if self._poller is not None:
            self._poller.cancel()
            await asyncio.gather(self._poller, return_exceptions=True)

    @staticmethod
    async def _changes(queue: asyncio.Queue[State | None]) -> AsyncIterator[State]:
        last: State | None = None
        while (state := await queue.get()) is not None:
            if state != last:
                last = state
                yield state
            if state[1].ended:
                return

    async def _poll(self) -> None:
        while self._waiting:
            watched = {
                deployment_id: set(queues) for deployment_id, queues in self._waiting.items()
            }
            try:
                found = await self._read(list(watched))
            except (SQLAlchemyError, OSError) as error:
                log.warning("watch.database_away", error=type(error).__name__)
                await asyncio.sleep(AWAY_SECONDS)
                continue
            except Exception:
                # Who waits would wait for ever: nobody but a new watch begins another poller.
                log.exception("watch.failed")
                await asyncio.sleep(AWAY_SECONDS)
                continue
            for deployment_id, queues in watched.items():
                for queue in queues:
                    queue.put_nowait(found.get(deployment_id))
            await asyncio.sleep(POLL_SECONDS)

    async def _read(self, deployment_ids: list[int]) -> dict[int, State]:
        query = select(Deployment.id, Deployment.version, Deployment.status).where(
            col(Deployment.id).in_(deployment_ids)
        )
        async with self._database.session() as session:
            rows = (await session.exec(query)).all()
        return {row[0]: (row[1], DeploymentStatus(row[2])) for row in rows if row[0] is not None}
