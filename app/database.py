"""MongoDB: one client, every collection and index made at start-up."""

from typing import Any

from beanie import init_beanie
from pymongo import AsyncMongoClient, ReadPreference
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import CollectionInvalid, ConnectionFailure, PyMongoError

from app import indexes, migrations
from app.indexes import CannotPrepare
from app.models import ALL

__all__ = ["CannotPrepare", "Client", "connect"]

DEFAULT_NAME = "carillon"

Client = AsyncMongoClient[dict[str, Any]]


async def connect(url: str) -> Client:
    """Connect, create what is missing, and bind the documents to this event loop.

    Raises ``ConnectionFailure`` while the database is away, and ``CannotPrepare`` when it is there and waiting would not help.
    """
    try:
        return await _connect(url)
    except ConnectionFailure:
        raise
    except PyMongoError as error:
        raise CannotPrepare(f"the database refuses: {getattr(error, 'details', None) or error}") from error


async def _connect(url: str) -> Client:
    """An index on millions of documents takes longer than any answer in daily work, and so does bringing them to a new form: both
    is done by a client that waits.
    """
    async with _open(url, answer_within=None) as patient:
        await _prepare(_database(patient))
        await _bind(patient)
        await migrations.run_if_due()
    client = _open(url, answer_within=20)
    try:
        await _bind(client)
    except BaseException:  # a worker tries again every moment: clients that are not closed would go on looking for the database
        await client.close()
        raise
    return client


async def _bind(client: Client) -> None:
    await init_beanie(database=_database(client), document_models=list(ALL), skip_indexes=True)


def _open(url: str, *, answer_within: float | None) -> Client:
    """``w=majority`` with ``journal``: what a delivery says happened must survive the loss of a node or of power.

    ``answer_within`` in seconds. A server that vanished without a word is noticed by TCP's keep-alive in any case.
    """
    return AsyncMongoClient(
        url,
        tz_aware=True,
        w="majority",
        journal=True,
        serverSelectionTimeoutMS=5_000,
        connectTimeoutMS=5_000,
        socketTimeoutMS=0 if answer_within is None else round(answer_within * 1000),
        appname="carillon",
    )


def _database(client: Client) -> AsyncDatabase[dict[str, Any]]:
    """The primary is read from, whatever the address says: what is decided here must not rest on a secondary's past."""
    return client.get_default_database(DEFAULT_NAME, read_preference=ReadPreference.PRIMARY)


async def _prepare(database: AsyncDatabase[dict[str, Any]]) -> None:
    existing = set(await database.list_collection_names())
    for document in ALL:
        name = document.Settings.name
        if name not in existing:
            await _create(database, name)
        await indexes.settle(database, name, getattr(document.Settings, "indexes", []))


async def _create(database: AsyncDatabase[dict[str, Any]], name: str) -> None:
    """Another process may be starting at the same time: whoever comes second is content."""
    try:
        await database.create_collection(name)
    except CollectionInvalid:
        return
    except Exception as error:
        if name not in await database.list_collection_names():
            raise error
