"""The embedded database: a process beside ``carillon run`` that holds the documents in its folder, and ends with it.

What a folder holds decides which engine it is: ``carillon.db`` is nx-27017's, MongoDB's wire protocol on one SQLite file;
``mongo/`` is a real ``mongod``'s. An empty folder gets ``mongod`` if there is one on PATH. nx-27017 is for trying out and for one
person: it knows a subset of MongoDB (``tests/integration/test_engines.py`` pins the part Carillon uses) and slows down with tens
of thousands of documents. Teams set ``CARILLON_MONGODB_URL``.
"""

import asyncio
import contextlib
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from pymongo import AsyncMongoClient
from pymongo.errors import PyMongoError

from actors import embedded_child, leftover
from app.ports import free_port

log = logging.getLogger(__name__)

_LOOK_PAUSE = 0.05
_PATIENCE = 60.0
"""Seconds until the database must answer; it takes one or two, on a busy machine more."""
_PORTS = 3
"""How many ports are tried: another process may take one between our choice and the database's start."""
_MONGO = "mongo"
"""The folder of a real mongod."""


class CannotStart(Exception):
    """The message tells the person at the terminal what to do."""


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[str]:
    """A database's address, while it is kept running. The caller holds ``folder``. Raises ``CannotStart``."""
    database = EmbeddedDatabase(folder)
    await database.start()
    keeper = asyncio.create_task(_keep(database))
    try:
        yield database.url
    finally:
        keeper.cancel()
        database.stop()


async def _keep(database: "EmbeddedDatabase") -> None:
    while True:
        await asyncio.sleep(1)
        database.keep_running()


class EmbeddedDatabase:
    """The child process for ``folder``. Start it from the main thread: it is killed when the thread ends that started it.

    Raises ``CannotStart`` when the folder's engine is missing. ``choose_port`` is asked once for each try.
    """

    def __init__(self, folder: Path, choose_port: Callable[[], int] = free_port) -> None:
        self._folder = folder
        self._command = engine(folder)
        self._choose_port = choose_port
        self._port = 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The address; ``directConnection`` because one process is no replica set to look for."""
        return f"mongodb://127.0.0.1:{self._port}/carillon?directConnection=true"

    async def start(self) -> None:
        """End what an earlier run left, start the process and wait until it answers. Raises ``CannotStart``."""
        leftover.end(self._folder)
        for _ in range(_PORTS):
            self._port = self._choose_port()
            self._spawn()
            if await self._answers():
                return
            self.stop()
        raise CannotStart(f"the embedded database does not start; {self._folder / 'database.log'} tells why")

    def keep_running(self) -> None:
        """Call now and then: brings a database back that ended by itself, at the same address."""
        if self._process is not None and self._process.poll() is not None:
            log.error("the database ended with status %s; starting it again", self._process.returncode)
            self._spawn()

    def stop(self) -> None:
        """End the process and wait for it."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _spawn(self) -> None:
        child = [sys.executable, "-P", embedded_child.__file__, str(os.getpid()), str(self._folder / leftover.LOCK)]
        with (self._folder / "database.log").open("ab") as output:
            self._process = subprocess.Popen(
                [*child, *self._command(self._folder, self._port)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    async def _answers(self) -> bool:
        """Wait until our own process answers; ``False`` if it ends or takes too long. A stranger on the port does not count."""
        async with AsyncMongoClient[dict[str, Any]](self.url, serverSelectionTimeoutMS=500, timeoutMS=5_000) as client:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_PATIENCE):
                    while self._process is not None and self._process.poll() is None:
                        if await _process_behind(client) == self._process.pid:
                            return True
                        await asyncio.sleep(_LOOK_PAUSE)
        return False


async def _process_behind(client: AsyncMongoClient[dict[str, Any]]) -> int | None:
    try:
        return int((await client.admin.command("serverStatus"))["pid"])
    except (PyMongoError, KeyError):
        return None


def engine(folder: Path) -> Callable[[Path, int], list[str]]:
    """What makes the command that serves what ``folder`` holds, of folder and port. Raises ``CannotStart`` if it is missing."""
    found = shutil.which("mongod") is not None
    if (folder / leftover.DATA).exists():
        return _stand_in
    if (folder / _MONGO).exists() and not found:
        raise CannotStart(
            f"{folder / _MONGO} was written by MongoDB, and there is no mongod on PATH any more. "
            "Install MongoDB again, or choose another --data-dir"
        )
    return _mongod if found else _stand_in


def _mongod(folder: Path, port: int) -> list[str]:
    data = folder / _MONGO
    data.mkdir(parents=True, exist_ok=True)
    return ["mongod", "--dbpath", str(data), "--bind_ip", "127.0.0.1", "--port", str(port), "--wiredTigerCacheSizeGB", "0.25"]


def _stand_in(folder: Path, port: int) -> list[str]:
    """Its own log would hold every command with its data, so it goes nowhere. It refuses to start beside its own pid file."""
    pid_file = folder / "database.pid"
    pid_file.unlink(missing_ok=True)
    files = ["--db", str(folder / leftover.DATA), "--pid-file", str(pid_file), "--log-file", "/dev/null"]
    return [embedded_child.STAND_IN, "--host", "127.0.0.1", "--port", str(port), *files]
