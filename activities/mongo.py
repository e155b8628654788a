"""An app's own database: a schema behind the Mongo server, and a role that owns it and no more.

The schema is made through the Mongo protocol by the administrator (so that the server knows it)
and handed over to the app's role in PostgreSQL. The password is made once and kept encrypted in
the app's record; PostgreSQL gets only its SCRAM verifier, so that no log of a failed statement
can show it.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import psycopg
from psycopg import sql
from pymongo import AsyncMongoClient
from pymongo.errors import CollectionInvalid, PyMongoError
from temporalio import activity

from activities.boundary import heartbeating, reports_errors
from activities.contracts.base import Confirmed
from activities.contracts.servers import DROP_DATABASE, ENSURE_DATABASE, DatabaseInput
from ops.crypto import Vault, database_context
from ops.db.session import Database
from ops.db.tables import App
from ops.errors import Invalid, NotFound, PlatformError
from ops.settings import Settings, read_secret

ADMIN = "postgres"
SERVER_DATABASE = "ferretdb"
CONNECTION_LIMIT = 5
STATEMENT_TIMEOUT = "30s"
TIMEOUT_SECONDS = 5
FIRST_COLLECTION = "studio"
LOCKS_AT_ONCE = 700
"""What one statement that drops tables may lock: about 100 of them, which it does well within its time.
The server has room for 25 600 locks (64 for each of its 400 connections), and all apps share it."""

LOCKS_OF_A_TABLE = 6
"""Beside its indexes: the table, its two types, what holds its long values, and some to spare."""

_NAME = re.compile(r"db_[0-9]{1,18}")

Connection = psycopg.AsyncConnection[tuple[Any, ...]]


@asynccontextmanager
async def admin_connection(
    settings: Settings, statement_seconds: int = TIMEOUT_SECONDS
) -> AsyncIterator[Connection]:
    """To the database of all apps. Each statement is a transaction, and ends within its time."""
    try:
        connection = await psycopg.AsyncConnection.connect(
            host="127.0.0.1",
            port=settings.ports.postgres,
            dbname=SERVER_DATABASE,
            user=ADMIN,
            password=read_secret(settings, "postgres-admin").get_secret_value(),
            connect_timeout=TIMEOUT_SECONDS,
            autocommit=True,
            options=f"-c statement_timeout={statement_seconds}s",
        )
        async with connection:
            yield connection
    except psycopg.Error as error:
        raise PlatformError(
            f"the app databases' server failed: {type(error).__name__}",
            hint="it may be restarting; the step is tried again",
        ) from error


class Mongo:
    def __init__(self, settings: Settings, database: Database, vault: Vault) -> None:
        self._settings = settings
        self._database = database
        self._vault = vault

    @activity.defn(name=ENSURE_DATABASE.name)
    @reports_errors
    async def ensure_database(self, given: DatabaseInput) -> None:
        """Makes what is missing of database, role and password."""
        name = _checked(given.database)
        password = await self._password(given.app_id)
        async with self._postgres() as connection:
            if await _belongs_to_its_role(connection, name):
                return
            await self._make_schema(name)
            await _make_role(connection, name, password)
            await _hand_over(connection, name)

    @activity.defn(name=DROP_DATABASE.name)
    @reports_errors
    async def drop_database(self, given: DatabaseInput) -> Confirmed:
        """Removes the data and the role; connections of the app are ended.

        However many collections there are: what an attempt has removed, the next one goes on from.
        """
        name = _checked(given.database)
        role = sql.Identifier(name)
        async with heartbeating(), self._postgres() as connection:
            if await _role_exists(connection, name):
                await connection.execute(sql.SQL("ALTER ROLE {} NOLOGIN").format(role))
                await connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s",
                    (name,),
                )
            await _drop_tables(connection, name)
            # A schema that went while the server's answer was lost is still in the server's memory,
            # and each further drop would fail there, until it restarts: it needs one to drop.
            await connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(role))
            await self._drop_in_server(name)
            await connection.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(role))
            if await _role_exists(connection, name):
                await connection.execute(sql.SQL("DROP OWNED BY {}").format(role))
                await connection.execute(sql.SQL("DROP ROLE {}").format(role))
        return Confirmed(gone=[f"database {name}"])

    async def _password(self, app_id: int) -> str:
        """The app's password; made at the first time, and recorded before anything uses it."""
        async with self._database.session() as session:
            app = await session.get(App, app_id, with_for_update=True)
            if app is None:
                raise NotFound(f"there is no app {app_id}")
            if app.database_password is None:
                app.database_password = self._vault.encrypt(
                    secrets.token_urlsafe(24), database_context(app_id)
                )
            return self._vault.decrypt(app.database_password, database_context(app_id))

    def _postgres(self) -> AbstractAsyncContextManager[Connection]:
        return admin_connection(self._settings)

    @asynccontextmanager
    async def _server(self) -> AsyncIterator[AsyncMongoClient[dict[str, Any]]]:
        client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(
            host=str(self._settings.service_address),
            port=self._settings.ports.mongo,
            username=ADMIN,
            password=read_secret(self._settings, "postgres-admin").get_secret_value(),
            authMechanism="PLAIN",
            authSource="$external",
            serverSelectionTimeoutMS=TIMEOUT_SECONDS * 1000,
            socketTimeoutMS=TIMEOUT_SECONDS * 1000,
            connectTimeoutMS=TIMEOUT_SECONDS * 1000,
        )
        try:
            yield client
        except PyMongoError as error:
            raise PlatformError(
                f"the MongoDB server failed: {type(error).__name__}",
                hint="it may be restarting; the step is tried again",
            ) from error
        finally:
            await client.close()

    async def _make_schema(self, name: str) -> None:
        """A database exists for the server once it has a collection."""
        async with self._server() as client:
            try:
                await client[name].create_collection(FIRST_COLLECTION)
            except CollectionInvalid:  # already there
                return

    async def _drop_in_server(self, name: str) -> None:
        async with self._server() as client:
            await client.drop_database(name)


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise Invalid("this is no name of an app's database", field="database")
    return name


async def _role_exists(connection: Connection, name: str) -> bool:
    found = await connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (name,))
    return await found.fetchone() is not None


async def _belongs_to_its_role(connection: Connection, name: str) -> bool:
    """Whether the schema was handed over, which is the last thing done."""
    found = await connection.execute(
        "SELECT 1 FROM pg_namespace n JOIN pg_roles r ON r.oid = n.nspowner"
        " WHERE n.nspname = %s AND r.rolname = %s",
        (name, name),
    )
    return await found.fetchone() is not None


async def _make_role(connection: Connection, name: str, password: str) -> None:
    role = sql.Identifier(name)
    verifier = connection.pgconn.encrypt_password(
        password.encode(), name.encode(), b"scram-sha-256"
    ).decode()
    if not await _role_exists(connection, name):
        await connection.execute(sql.SQL("CREATE ROLE {}").format(role))
    await connection.execute(
        sql.SQL(
            "ALTER ROLE {} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE CONNECTION LIMIT {} PASSWORD {}"
        ).format(role, sql.Literal(CONNECTION_LIMIT), sql.Literal(verifier))
    )
    await connection.execute(
        sql.SQL("ALTER ROLE {} SET statement_timeout = {}").format(
            role, sql.Literal(STATEMENT_TIMEOUT)
        )
    )


async def _hand_over(connection: Connection, name: str) -> None:
    """Tables first: the schema's owner says that everything has been handed over."""
    role = sql.Identifier(name)
    tables = await connection.execute(
        "SELECT tablename FROM pg_tables WHERE schemaname = %s", (name,)
    )
    for (table,) in await tables.fetchall():
        await connection.execute(
            sql.SQL("ALTER TABLE {} OWNER TO {}").format(sql.Identifier(name, table), role)
        )
    await connection.execute(sql.SQL("ALTER SCHEMA {} OWNER TO {}").format(role, role))


async def _drop_tables(connection: Connection, name: str) -> None:
    """All tables of the schema, few at a time.

    A schema that is dropped with its tables locks them all in one transaction: with thousands there
    is no room for so many locks, and that fails however often it is tried.
    """
    found = await connection.execute(
        "SELECT c.relname, count(i.indexrelid) FROM pg_class c"
        " JOIN pg_namespace n ON n.oid = c.relnamespace"
        " LEFT JOIN pg_index i ON i.indrelid = c.oid"
        " WHERE n.nspname = %s AND c.relkind = 'r' GROUP BY c.relname ORDER BY c.relname",
        (name,),
    )
    for tables in table_batches(await found.fetchall()):
        await connection.execute(drop_statement(name, tables))


def table_batches(tables: Iterable[tuple[str, int]]) -> Iterator[list[str]]:
    """Tables, given with their numbers of indexes, in groups that may be dropped at once."""
    batch: list[str] = []
    locks = 0
    for table, indexes in tables:
        own = LOCKS_OF_A_TABLE + indexes
        if batch and locks + own > LOCKS_AT_ONCE:
            yield batch
            batch, locks = [], 0
        batch.append(table)
        locks += own
    if batch:
        yield batch


def drop_statement(schema: str, tables: Iterable[str]) -> sql.Composed:
    """Names as identifiers: people choose those of their collections."""
    names = sql.SQL(", ").join(sql.Identifier(schema, table) for table in tables)
    return sql.SQL("DROP TABLE IF EXISTS {} CASCADE").format(names)
