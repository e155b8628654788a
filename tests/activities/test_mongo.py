"""An app's database: its own, and nobody else's."""

from __future__ import annotations

import secrets
from typing import Any

import pytest
from psycopg import sql
from pymongo import AsyncMongoClient
from pymongo.errors import OperationFailure, PyMongoError

from activities.contracts.servers import DatabaseInput
from activities.database_sizes import MEASURE
from activities.mongo import Mongo
from api.deploy_control.secrets import mongodb_uri
from ops.crypto import Vault, database_context
from ops.db.session import Database
from ops.db.tables import App
from ops.names import app_database
from ops.settings import Settings
from tests.activities.conftest import Given

Client = AsyncMongoClient[dict[str, Any]]


def database_of(app: App) -> DatabaseInput:
    assert app.id is not None
    return DatabaseInput(app_id=app.id, database=app_database(app.id))


def connect(settings: Settings, vault: Vault, app: App) -> Client:
    assert app.id is not None
    assert app.database_password is not None
    password = vault.decrypt(app.database_password, database_context(app.id))
    uri = mongodb_uri(settings, app.id, password)
    return AsyncMongoClient(uri, serverSelectionTimeoutMS=5000)


async def test_an_app_reads_and_writes_its_own_database_only(
    settings: Settings, database: Database, vault: Vault, given: Given
) -> None:
    mongo = Mongo(settings, database, vault)
    apps = [await given.app(), await given.app()]
    try:
        for app in apps:
            for _ in range(2):
                await mongo.ensure_database(database_of(app))
        apps = [await given.again(app) for app in apps]
        own, other = (database_of(app).database for app in apps)
        async with connect(settings, vault, apps[0]) as client:
            await client.get_default_database()["notes"].insert_one({"text": "mine"})
            found = await client[own]["notes"].find_one()
            assert found is not None
            assert found["text"] == "mine"
            for foreign in (other, "another", "public"):
                with pytest.raises(OperationFailure):
                    await client[foreign]["notes"].insert_one({"text": "not mine"})
            with pytest.raises(OperationFailure):
                await client[other]["studio"].find_one()
        wrong = AsyncMongoClient[dict[str, Any]](
            mongodb_uri(settings, apps[0].id or 0, "wrong"), serverSelectionTimeoutMS=3000
        )
        async with wrong:
            with pytest.raises(PyMongoError):
                await wrong[own]["notes"].find_one()
    finally:
        for app in apps:
            for _ in range(2):
                assert (await mongo.drop_database(database_of(app))).gone


async def test_all_files_of_a_database_are_measured(
    settings: Settings, database: Database, vault: Vault, given: Given
) -> None:
    """Those of long values and of indexes too: as much as PostgreSQL itself says."""
    mongo = Mongo(settings, database, vault)
    app = await given.app()
    name = database_of(app).database
    await mongo.ensure_database(database_of(app))
    app = await given.again(app)
    async with connect(settings, vault, app) as client:
        notes = client.get_default_database()["notes"]
        await notes.insert_many([{"text": secrets.token_hex(100_000)} for _ in range(5)])
        await notes.create_index("number")
    async with mongo._postgres() as connection:
        found = await connection.execute(MEASURE)
        measured = {row[0]: row for row in await found.fetchall()}
        said = await connection.execute(
            "SELECT sum(pg_total_relation_size(c.oid))::bigint FROM pg_class c"
            " JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE n.nspname = %s AND c.relkind = 'r'",
            (name,),
        )
        assert await said.fetchall() == [(measured[name][1],)]
        assert measured[name][1] > 500_000
        assert measured[name][2:] == (True, True)
    await mongo.drop_database(database_of(app))


async def test_a_dropped_database_is_gone_and_can_be_made_again(
    settings: Settings, database: Database, vault: Vault, given: Given
) -> None:
    mongo = Mongo(settings, database, vault)
    app = await given.app()
    await mongo.ensure_database(database_of(app))
    app = await given.again(app)
    async with connect(settings, vault, app) as client:
        await client.get_default_database()["notes"].insert_one({"text": "old"})
        await mongo.drop_database(database_of(app))
        await mongo.ensure_database(database_of(app))
    async with connect(settings, vault, app) as client:
        assert await client.get_default_database()["notes"].find_one() is None
    await mongo.drop_database(database_of(app))


async def test_a_database_of_many_collections_is_dropped(
    settings: Settings, database: Database, vault: Vault, given: Given
) -> None:
    """More than go at once, of every kind that makes tables of its own, and with names that hurt."""
    mongo = Mongo(settings, database, vault)
    app = await given.app()
    await mongo.ensure_database(database_of(app))
    app = await given.again(app)
    async with connect(settings, vault, app) as client:
        own = client.get_default_database()
        await own.create_collection("capped", capped=True, size=4096)
        await own['Quote"; DROP SCHEMA public; --'].insert_one({"text": "x" * 10_000})
        for number in range(300):
            await own.create_collection(f"notes{number}")
        await own["notes0"].create_index("text")
    for _ in range(2):
        assert (await mongo.drop_database(database_of(app))).gone
    assert await schema_is_gone(mongo, database_of(app).database)


async def test_a_drop_that_broke_off_is_repeated(
    settings: Settings, database: Database, vault: Vault, given: Given
) -> None:
    """Its schema went, and the server was not told: it remembers the database."""
    mongo = Mongo(settings, database, vault)
    app = await given.app()
    name = database_of(app).database
    await mongo.ensure_database(database_of(app))
    async with mongo._postgres() as connection:
        await connection.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(name)))
    for _ in range(2):
        await mongo.drop_database(database_of(app))
    assert await schema_is_gone(mongo, name)
    await mongo.ensure_database(database_of(app))
    await mongo.drop_database(database_of(app))


async def schema_is_gone(mongo: Mongo, name: str) -> bool:
    async with mongo._postgres() as connection:
        found = await connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", (name,))
        return await found.fetchone() is None
