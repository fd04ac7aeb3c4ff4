"""MongoDB: one client, every collection and index made at start-up."""

from typing import Any

from beanie import init_beanie
from pymongo import AsyncMongoClient
from pymongo.errors import CollectionInvalid

from app import migrations
from app.models import ALL

DEFAULT_NAME = "carillon"

Client = AsyncMongoClient[dict[str, Any]]


async def connect(url: str) -> Client:
    """Connect, create what is missing, and bind the documents to this event loop. Raises pymongo's errors.

    ``w=majority`` with ``journal``: what a delivery says happened must survive the loss of a node or of power.
    """
    client: Client = AsyncMongoClient(
        url,
        tz_aware=True,
        w="majority",
        journal=True,
        serverSelectionTimeoutMS=5_000,
        connectTimeoutMS=5_000,
        socketTimeoutMS=20_000,
        appname="carillon",
    )
    try:
        await _prepare(client)
    except BaseException:  # a worker tries again every moment: clients that are not closed would go on looking for the database
        await client.close()
        raise
    return client


async def _prepare(client: Client) -> None:
    database = client.get_default_database(DEFAULT_NAME)
    existing = set(await database.list_collection_names())
    for document in ALL:
        name = document.Settings.name
        if name not in existing:
            await _create(client, database.name, name)
    await init_beanie(database=database, document_models=list(ALL))
    await migrations.run()


async def _create(client: Client, database: str, name: str) -> None:
    """Another process may be starting at the same time: whoever comes second is content."""
    try:
        await client[database].create_collection(name)
    except CollectionInvalid:
        return
    except Exception as error:
        if name not in await client[database].list_collection_names():
            raise error
