"""A private MongoDB: a replica set of one node, as in production."""

import contextlib
import shutil
from pathlib import Path

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from tests.servers.process import Server, accepts, free_port

ALREADY_INITIALIZED = 23
"""Code of MongoDB's answer to a second ``replSetInitiate``."""


def missing() -> str | None:
    """Why there is no MongoDB to start, and how to get one."""
    if shutil.which("mongod"):
        return None
    return "MongoDB is missing: put mongod on PATH, or set CARILLON_MONGODB_URL to the address of a running one."


def start(folder: Path) -> Server:
    """Start a server that keeps everything in ``folder``."""
    port = free_port()
    data = folder / "data"
    data.mkdir(exist_ok=True)
    command = ["mongod", "--dbpath", str(data), "--bind_ip", "127.0.0.1", "--port", str(port), "--nounixsocket"]
    server = Server(
        url=f"mongodb://127.0.0.1:{port}/?replicaSet=carillon&w=majority&journal=true",
        command=[*command, "--replSet", "carillon", "--wiredTigerCacheSizeGB", "0.25"],
        ready=lambda: accepts(port) and _is_primary(port),
        log=folder / "output.log",
    )
    return server.start()


def _is_primary(port: int) -> bool:
    """Found the replica set if there is none yet, and look whether the node leads it."""
    config = {"_id": "carillon", "members": [{"_id": 0, "host": f"127.0.0.1:{port}"}]}
    client: MongoClient[dict[str, object]] = MongoClient("127.0.0.1", port, directConnection=True, serverSelectionTimeoutMS=1000)
    with client, contextlib.suppress(PyMongoError):
        try:
            client.admin.command("replSetInitiate", config)
        except OperationFailure as error:
            if error.code != ALREADY_INITIALIZED:
                raise
        return bool(client.admin.command("hello")["isWritablePrimary"])
    return False
