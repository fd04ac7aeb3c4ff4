"""Everything as separate processes, as an operator runs it: web, workers, RabbitMQ, database, and the sandbox as the judge."""

import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from pymongo.asynchronous.database import AsyncDatabase

from tests.integration.processes.visitor import TOKEN, Visitor
from tests.servers.process import Server, accepts, free_port

SHORT = {
    "CARILLON_HTTP_TIMEOUT": "2",
    "CARILLON_STEP_LIMIT": "3",
    "CARILLON_LEASE": "4",
    "CARILLON_SWEEP_AFTER": "2",
    "CARILLON_DISPATCH_INTERVAL": "0.3",
}
"""Times of seconds instead of minutes; they nest in the same way."""


@dataclass(frozen=True)
class Installation:
    """A running installation with a ``worker``. ``environment`` starts further ones; ``points`` is the folder of fault points."""

    web: Server
    environment: dict[str, str]
    points: Path
    database: AsyncDatabase[dict[str, Any]]
    start_worker: Callable[[], Server]
    worker: Server

    async def posts(self) -> list[dict[str, Any]]:
        """What the networks really have, according to the judge."""
        async with httpx.AsyncClient(base_url=self.web.url) as client:
            found: list[dict[str, Any]] = (await client.get("/sandbox/api/posts")).json()
        return found

    async def switch_on(self, **fault: Any) -> None:
        """Switch a fault of the sandbox on."""
        async with httpx.AsyncClient(base_url=self.web.url) as client:
            (await client.post("/sandbox/api/faults", json=fault)).raise_for_status()


@pytest.fixture
def installation(
    tmp_path: Path, database: AsyncDatabase[dict[str, Any]], database_url: str, amqp_url: str
) -> Iterator[Installation]:
    """Web and one worker on clean servers."""
    port, points = free_port(), tmp_path / "points"
    points.mkdir()
    environment = {
        **SHORT,
        "CARILLON_SECRET_KEY": "a secret of the tests, long enough",
        "CARILLON_MONGODB_URL": database_url,
        "CARILLON_AMQP_URL": amqp_url,
        "CARILLON_SANDBOX_URL": f"http://127.0.0.1:{port}/sandbox",
        "CARILLON_DATA_DIR": str(tmp_path / "data"),
        "CARILLON_SETUP_TOKEN": TOKEN,
        "CARILLON_FAULT_POINTS": str(points),
        "CARILLON_ALLOW_PRIVATE_HOSTS": "1",  # the tests' own servers are on loopback
    }
    started: list[Server] = []

    def start_worker() -> Server:
        worker = _worker(tmp_path / f"worker{len(started)}.log", environment)
        started.append(worker)
        return worker

    web = _web(tmp_path, port, environment)
    yield Installation(web, environment, points, database, start_worker, start_worker())
    for server in (*started, web):
        server.kill()


def _web(folder: Path, port: int, environment: dict[str, str]) -> Server:
    command = [sys.executable, "-m", "actors.cli", "run", "--host", "127.0.0.1", "--port", str(port), "--data-dir"]
    return Server(
        url=f"http://127.0.0.1:{port}",
        command=[*command, str(folder / "data")],
        env=environment,
        ready=lambda: accepts(port),
        log=folder / "web.log",
    ).start()


def _worker(log: Path, environment: dict[str, str]) -> Server:
    command = [sys.executable, "-m", "dramatiq", "actors", "--processes", "1", "--threads", "8"]
    return Server(
        url="",
        command=command,
        env={**environment, "PYTHONPATH": os.getcwd()},
        ready=lambda: log.exists() and "Worker process is ready" in log.read_text(),
        log=log,
    ).start()


@pytest.fixture
async def owner(installation: Installation) -> AsyncIterator[Visitor]:
    """The owner of a workspace with one sandbox account per network."""
    async with Visitor(installation.web.url) as visitor:
        await visitor.set_up()
        yield visitor
