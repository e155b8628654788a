"""What the database of each app takes of the disk, and that none grows beyond its limit.

In a database that is full nothing is inserted and updated, and no collection or index is made;
reading, deleting and dropping go on. Whether it is so stands in PostgreSQL itself, as the rights of
the app's role, so that it outlives this process.

The figure is of files, since those fill a disk. They do not shrink with what is deleted, so room in
them that is free for other documents is taken off once a database is over its limit; up to that
limit, as what is free in one collection is of no use to another. Its files take twice that at most.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import psycopg
import structlog
from psycopg import sql

from activities.mongo import Connection, admin_connection
from activities.watches import for_ever
from ops.error_codes import ErrorCode
from ops.errors import LimitReached
from ops.names import app_database
from ops.settings import Settings

LOOK_SECONDS = 30.0
LOOK_STATEMENT_SECONDS = 20
VACUUM_STATEMENT_SECONDS = 120
MEGABYTE = 1024 * 1024

SERVERS_OWN_TABLE = "_ferretdb_database_metadata"
"""What collections and indexes there are. It stays writable: each drop is noted there."""

MEASURE = f"""
    WITH files AS (
        SELECT substring(file FROM '^[0-9]+')::oid AS node,
               sum((pg_stat_file(folder || '/' || file, true)).size) AS bytes
        FROM (
            SELECT 'base/' || oid FROM pg_database WHERE datname = current_database()
        ) AS own (folder), pg_ls_dir(folder) AS file
        WHERE file ~ '^[0-9]+([._]|$)'
        GROUP BY 1
    ), sizes AS (
        SELECT c.relowner, sum(f.bytes)::bigint AS bytes
        FROM pg_class c JOIN files f ON f.node = c.relfilenode
        GROUP BY c.relowner
    ), databases AS (
        SELECT n.oid, n.nspname, n.nspowner,
               has_schema_privilege(n.nspowner, n.oid, 'CREATE') AS writable
        FROM pg_namespace n JOIN pg_roles r ON r.oid = n.nspowner AND r.rolname = n.nspname
        WHERE n.nspname ~ '^db_[0-9]{{1,18}}$'
    ), tables AS (
        SELECT d.oid, has_table_privilege(d.nspowner, c.oid, 'INSERT') AS writable
        FROM databases d JOIN pg_class c ON c.relnamespace = d.oid
        WHERE c.relkind = 'r' AND c.relname <> '{SERVERS_OWN_TABLE}'
    )
    SELECT d.nspname, coalesce(max(s.bytes), 0),
           d.writable OR coalesce(bool_or(t.writable), false),
           d.writable AND coalesce(bool_and(t.writable), true)
    FROM databases d
    LEFT JOIN sizes s ON s.relowner = d.nspowner
    LEFT JOIN tables t ON t.oid = d.oid
    GROUP BY d.oid, d.nspname, d.writable
"""  # noqa: S608 - a name of ours
"""All databases at once: name, bytes, whether anything in it and whether all of it is writable.

Of files instead of by ``pg_total_relation_size``, which waits for locks of people's own statements:
who held one would be measured never, and all others with them. A table's long values and indexes
belong to other schemas than it does, but to the same role.
"""

FREE = """
    SELECT coalesce(sum(f.avail), 0)::bigint
    FROM pg_class c, pg_freespace(c.oid::regclass) f
    WHERE c.relowner = (SELECT oid FROM pg_roles WHERE rolname = %s)
      AND c.relkind IN ('r', 't', 'i')
"""
"""Of one database: bytes in its files that are free for other documents, as far as noted."""

LEFT_BEHIND = """
    SELECT relname FROM pg_stat_user_tables
    WHERE schemaname = %s AND n_dead_tup > 0
    ORDER BY n_dead_tup DESC LIMIT 5
"""

log = structlog.get_logger()


@dataclass(frozen=True)
class Measured:
    """A database as ``MEASURE`` finds it."""

    name: str
    bytes: int
    open_somewhere: bool
    open_everywhere: bool


@dataclass(frozen=True)
class DatabaseSize:
    bytes: int
    full: bool


class DatabaseSizes:
    """The databases of all apps; used by the one process that administers them."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.limit = settings.database_mb * MEGABYTE
        self._sizes: dict[str, DatabaseSize] = {}

    def of(self, app_id: int) -> DatabaseSize | None:
        """As the last look found it; None before the first, and for an app that has none."""
        return self._sizes.get(app_database(app_id))

    def refuse_when_full(self, app_id: int) -> None:
        """Raises LimitReached where the database itself would only say that it is not allowed."""
        size = self.of(app_id)
        if size is not None and size.full:
            megabytes = self._settings.database_mb
            raise LimitReached(
                f"the app's database is full: it may take {megabytes} MB",
                code=ErrorCode.DATABASE_FULL,
                values={"megabytes": megabytes},
                hint="delete documents or collections; it takes new ones again a minute later",
            )

    async def watch(self) -> None:
        """For as long as the process runs. What may take long does not keep the looks waiting."""
        await asyncio.gather(
            for_ever("database_sizes", self.look, LOOK_SECONDS),
            for_ever("database_vacuum", self.vacuum, LOOK_SECONDS),
        )

    async def look(self) -> None:
        """Measures all databases; closes those that are full, and opens those that no longer are."""
        async with admin_connection(self._settings, LOOK_STATEMENT_SECONDS) as connection:
            found = await connection.execute(MEASURE)
            sizes = {}
            for row in await found.fetchall():
                database = Measured(*row)
                sizes[database.name] = await self._settle(connection, database)
        self._sizes = sizes

    async def _settle(self, connection: Connection, database: Measured) -> DatabaseSize:
        used = database.bytes
        try:
            if used > self.limit:
                used -= min(self.limit, await _free_or_none(connection, database.name))
            if used > self.limit and database.open_somewhere:
                await _close(connection, database.name)
                log.warning("database_sizes.closed", database=database.name, bytes=used)
            elif used <= self.limit and not database.open_everywhere:
                await _open(connection, database.name)
                log.info("database_sizes.opened", database=database.name, bytes=used)
        except psycopg.Error as error:
            # Of one database, which may be going just now: the others are seen to all the same.
            log.warning("database_sizes.not_settled", database=database.name, error=str(error))
        return DatabaseSize(bytes=used, full=used > self.limit)

    async def vacuum(self) -> None:
        """In what is full: lets what people have deleted count as free."""
        full = [name for name, size in self._sizes.items() if size.full]
        if not full:
            return
        async with admin_connection(self._settings, VACUUM_STATEMENT_SECONDS) as connection:
            for name in full:
                await _vacuum(connection, name)


async def _free_or_none(connection: Connection, name: str) -> int:
    """Whoever holds a lock on a table of theirs is not spared for it: nothing counts as free then."""
    try:
        async with connection.transaction():
            await connection.execute("SET LOCAL lock_timeout = '1s'")
            return await _free(connection, name)
    except psycopg.Error as error:
        log.info("database_sizes.free_not_known", database=name, error=str(error))
        return 0


async def _free(connection: Connection, name: str) -> int:
    await connection.execute("CREATE EXTENSION IF NOT EXISTS pg_freespacemap")
    found = await (await connection.execute(FREE, (name,))).fetchone()
    return 0 if found is None else int(found[0])


async def _close(connection: Connection, name: str) -> None:
    """The schema first, and for good: else tables that come and go could keep the rest from it."""
    role = sql.Identifier(name)
    await connection.execute(sql.SQL("REVOKE CREATE ON SCHEMA {0} FROM {0}").format(role))
    async with connection.transaction():
        await connection.execute(
            sql.SQL("REVOKE INSERT, UPDATE ON ALL TABLES IN SCHEMA {0} FROM {0}").format(role)
        )
        await connection.execute(
            sql.SQL("GRANT INSERT, UPDATE ON {} TO {}").format(
                sql.Identifier(name, SERVERS_OWN_TABLE), role
            )
        )


async def _open(connection: Connection, name: str) -> None:
    role = sql.Identifier(name)
    await connection.execute(
        sql.SQL("GRANT INSERT, UPDATE ON ALL TABLES IN SCHEMA {0} TO {0}").format(role)
    )
    await connection.execute(sql.SQL("GRANT CREATE ON SCHEMA {0} TO {0}").format(role))


async def _vacuum(connection: Connection, name: str) -> None:
    tables = await connection.execute(LEFT_BEHIND, (name,))
    for (table,) in await tables.fetchall():
        try:
            await connection.execute(
                sql.SQL("VACUUM (SKIP_LOCKED) {}").format(sql.Identifier(name, table))
            )
        except psycopg.Error as error:  # dropped meanwhile, or it takes too long
            log.info("database_sizes.not_vacuumed", database=name, error=str(error))
