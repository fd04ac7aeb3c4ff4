"""Connecting to the database: when it is away, when it holds an older version's indexes, and when it refuses."""

import asyncio
import logging
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from pymongo import ASCENDING, AsyncMongoClient, IndexModel, ReadPreference
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import ConnectionFailure

from app import database as app_database
from app.models import User
from tests.servers.process import end, spawn

Database = AsyncDatabase[dict[str, Any]]

WORKER = [sys.executable, "-m", "dramatiq", "actors", "--processes", "1", "--threads", "1"]


async def test_a_connection_that_is_given_up_leaves_nothing_behind(unused_tcp_port: int) -> None:
    before = asyncio.all_tasks()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await app_database.connect(f"mongodb://127.0.0.1:{unused_tcp_port}/carillon_test")
    assert asyncio.all_tasks() <= before


async def test_a_database_that_is_away_is_an_error_of_connection(unused_tcp_port: int) -> None:
    """Workers wait for it; every other error ends them."""
    with pytest.raises(ConnectionFailure):
        await app_database.connect(f"mongodb://127.0.0.1:{unused_tcp_port}/carillon_test?serverSelectionTimeoutMS=300")


async def test_what_is_read_is_read_from_the_primary_whatever_the_address_says(database_url: str) -> None:
    client = await app_database.connect(f"{database_url}{'&' if '?' in database_url else '?'}readPreference=secondaryPreferred")
    assert User.get_pymongo_collection().read_preference == ReadPreference.PRIMARY
    await client.close()


# --- indexes ----------------------------------------------------------------------------------------------------------


def account(number: int) -> dict[str, Any]:
    """As far as its unique index is concerned."""
    return {"_id": f"{number:028x}", "workspace_id": "w", "platform": "p", "server": "s", "remote_id": str(number)}


async def make_older(database: Database) -> None:
    """An earlier version's unique index on accounts: its name is today's, its keys are not."""
    await database.create_collection("accounts")
    keys = [("workspace_id", ASCENDING), ("platform", ASCENDING)]
    await database.accounts.create_indexes([IndexModel(keys, name="profile", unique=True)])


async def fields(database: Database, collection: str) -> list[tuple[str, ...]]:
    """Of every index of a collection."""
    listed = await (await database[collection].list_indexes()).to_list()
    return sorted(tuple(index["key"]) for index in listed)


async def test_an_index_that_changed_is_made_anew(database: Database, database_url: str) -> None:
    await make_older(database)
    client = await app_database.connect(database_url)
    await database.accounts.insert_many([account(1), account(2)])
    assert ("workspace_id", "platform", "server", "remote_id") in await fields(database, "accounts")
    assert ("workspace_id", "platform") not in await fields(database, "accounts")
    await client.close()


async def test_an_index_whose_option_changed_is_made_anew(database: Database, database_url: str) -> None:
    await database.create_collection("users")
    await database.users.create_indexes([IndexModel([("email", ASCENDING)], name="email")])
    client = await app_database.connect(database_url)
    [email] = [index for index in (await database.users.index_information()).values() if "_id" not in dict(index["key"])]
    assert email["unique"]
    await client.close()


async def test_of_several_that_start_at_once_on_older_indexes_all_start(database: Database, database_url: str) -> None:
    await make_older(database)
    starts = f"import asyncio; from app import database; asyncio.run(database.connect({database_url!r}))"
    several = [await asyncio.create_subprocess_exec(sys.executable, "-c", starts) for _ in range(3)]
    assert [await one.wait() for one in several] == [0, 0, 0]
    await database.accounts.insert_many([account(1), account(2)])
    assert ("workspace_id", "platform") not in await fields(database, "accounts")


async def test_an_index_that_cannot_be_made_is_a_sentence_and_no_error_of_connection(
    database: Database, database_url: str
) -> None:
    await twice_the_same_person(database)
    with pytest.raises(app_database.CannotPrepare, match="indexes of users cannot be made"):
        await app_database.connect(database_url)


async def twice_the_same_person(database: Database) -> None:
    await database.users.insert_many([{"_id": number, "email": "alice@example.org"} for number in "ab"])


async def test_a_worker_whose_database_refuses_ends_with_a_sentence(
    database: Database, database_url: str, amqp_url: str, tmp_path: Path
) -> None:
    await twice_the_same_person(database)
    environment = {
        "CARILLON_SECRET_KEY": "a secret of the tests, long enough",
        "CARILLON_MONGODB_URL": database_url,
        "CARILLON_AMQP_URL": amqp_url,
        "PYTHONPATH": os.getcwd(),
    }
    worker = spawn(WORKER, log=tmp_path / "worker.log", env=environment)
    try:
        assert await asyncio.to_thread(worker.wait, 60) != 0
    finally:
        end(worker, by=signal.SIGKILL)
    said = (tmp_path / "worker.log").read_text()
    assert "indexes of users cannot be made" in said
    assert "Traceback" not in said


async def test_a_start_without_changes_says_nothing(
    database: Database, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    first = await app_database.connect(database_url)
    with caplog.at_level(logging.INFO, logger="app"):
        second: AsyncMongoClient[dict[str, Any]] = await app_database.connect(database_url)
    assert caplog.messages == []
    await asyncio.gather(first.close(), second.close())
