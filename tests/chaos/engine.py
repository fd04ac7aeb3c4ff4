"""The database of a chaos run: a private server, or a database of its own on the one that ``CARILLON_MONGODB_URL`` names."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit
from uuid import uuid4

from pymongo import AsyncMongoClient, MongoClient

from tests.chaos.wire import Wire, mongo_messages
from tests.given import DATABASES, MONGODB_URL
from tests.servers import embedded, mongodb
from tests.servers.process import Server

GIVEN = "CARILLON_MONGODB_URL"
_LEADS_PAST = {"replicaset", "directconnection", "loadbalanced", "readpreference", "srvmaxhosts", "srvservicename"}
"""Options with which a driver goes to another address than the one it was given."""
_HIDES = {"compressors", "zlibcompressionlevel"}
"""Options that make the wire unreadable."""
_ENCRYPTED = {"tls", "ssl"}


def _given() -> str | None:
    """The server we were lent; within a test run it is known from before the environment was cleaned."""
    return os.environ.get(GIVEN) or MONGODB_URL


def missing() -> str | None:
    """Why the named database cannot be used."""
    given = _given() or ""
    options = {name.lower(): value for name, value in parse_qsl(urlsplit(given).query)}
    if given.startswith("mongodb+srv:") or any(options.get(name) == "true" for name in _ENCRYPTED):
        return f"The chaos reads and cuts the connection to the database, so {GIVEN} must name one without TLS and SRV records."
    if given and not _keeps_apart(given):
        return f"The server that {GIVEN} names keeps all databases in one, so the chaos would destroy what is there."
    return None


def _keeps_apart(url: str) -> bool:
    """Whether a database does not see another one's documents; the embedded engine has only one."""
    name = f"{DATABASES}_chaos_{uuid4().hex[:12]}"
    with MongoClient[dict[str, Any]](url, serverSelectionTimeoutMS=20_000) as client:
        client[name].probe.insert_one({"_id": name})
        try:
            return client[f"{name}_beside"].probe.find_one({"_id": name}) is None
        finally:
            client[name].probe.drop()


def wired(url: str, port: int, database: str) -> str:
    """``url`` by way of the wire on ``port``, with ``database`` in the place of the one it names.

    A driver that knows of a replica set asks for its members and goes to them directly, past the wire, and no cut would ever
    strike. So it is told to stay where it is. Whoever signs in goes on signing in at the database that was named.
    """
    parts = urlsplit(url)
    signed_in, _, _ = parts.netloc.rpartition("@")
    options = {name: value for name, value in parse_qsl(parts.query) if name.lower() not in _LEADS_PAST | _HIDES}
    if signed_in and (named := parts.path.strip("/")):
        options.setdefault("authSource", named)
    netloc = f"{signed_in}@127.0.0.1:{port}" if signed_in else f"127.0.0.1:{port}"
    return urlunsplit(("mongodb", netloc, f"/{database}", urlencode({**options, "directConnection": "true"}), ""))


class Engine:
    """``url`` is the way past the wire, for the harness. Being away is being killed, or else an unplugged wire."""

    def __init__(self, folder: Path) -> None:
        given = _given()
        self._server = None if given else _private(folder)
        self.url = given or str(self._server and self._server.url)
        self.database = f"{DATABASES}_chaos_{uuid4().hex[:12]}" if given else "carillon"
        self._wire: Wire | None = None

    async def lay_wire(self, look: Callable[[bytes], Any]) -> Wire:
        """The wire that Carillon will use, to the node that takes writes."""
        host, port = await asyncio.to_thread(self._primary)
        self._wire = await Wire(port, mongo_messages, look, host=host).start()
        return self._wire

    @property
    def carillons_url(self) -> str:
        """What Carillon is told."""
        assert self._wire is not None
        return wired(self.url, self._wire.port, self.database)

    def open(self) -> AsyncMongoClient[dict[str, Any]]:
        """The harness's own client."""
        return AsyncMongoClient(self.url, serverSelectionTimeoutMS=1000)

    async def go(self) -> None:
        """Be away from now on."""
        if self._server is not None:
            await asyncio.to_thread(self._server.kill)
        elif self._wire is not None:
            self._wire.unplug()

    async def come_back(self) -> None:
        """Be there again, with everything that was acknowledged."""
        if self._server is not None:
            await asyncio.to_thread(self._server.start)
        elif self._wire is not None:
            self._wire.plug_in()

    async def close(self) -> None:
        """Leave nothing behind on a server that is not ours."""
        if self._server is not None:
            self._server.kill()
            return
        async with self.open() as client:
            await client.drop_database(self.database)

    def _primary(self) -> tuple[str, int]:
        with MongoClient[dict[str, Any]](self.url, serverSelectionTimeoutMS=20_000) as client:
            client.admin.command("ping")
            address = client.primary or client.address
        assert address is not None
        return address


def _private(folder: Path) -> Server:
    return (embedded if mongodb.missing() else mongodb).start(folder)
