"""The servers of one measurement: RabbitMQ and the sandbox serve the whole run, each measurement has its own empty database."""

import os
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pika

from app import runtime
from app.courier import Courier, connect_broker, lane
from app.models import UPLOADS
from app.settings import Settings
from platforms import REGISTRY
from tests.integration.processes.visitor import TOKEN
from tests.servers import embedded, mongodb, rabbitmq, sandbox
from tests.servers.process import Server, accepts, free_port

ON_MONGODB = mongodb.missing() is None
"""Whether the measurements run on MongoDB; else on the embedded engine."""

ANSWER_MS = 300
"""How long the networks take to answer where it matters."""

_SECRET = "a secret of the bench, long enough"


@dataclass(frozen=True, slots=True)
class Crew:
    """A worker's settings: ``dramatiq actors --processes P --threads T``."""

    processes: int
    threads: int

    def __str__(self) -> str:
        return f"{self.processes} x {self.threads} threads"

    @property
    def size(self) -> int:
        """Deliveries in flight at once."""
        return self.processes * self.threads

    @property
    def bound(self) -> float:
        """Deliveries a second if nothing took time but the networks' answers."""
        return self.size / (ANSWER_MS / 1000)


@dataclass(frozen=True)
class Base:
    """What all measurements share."""

    folder: Path
    broker: Server
    sandbox: Server
    judge: httpx.AsyncClient

    def new_folder(self, name: str) -> Path:
        """An empty folder."""
        folder = self.folder / f"{len(list(self.folder.iterdir()))}-{name}"
        folder.mkdir()
        return folder

    async def sent(self) -> dict[str, float]:
        """When the first request for each text arrived at the networks; seconds since 1970."""
        answer = await self.judge.get("/requests")
        return {each["text"]: each["at"] for each in answer.json()["first"]}

    async def accepted(self) -> list[str]:
        """The texts of everything the networks ever accepted."""
        return [str(each["text"]) for each in (await self.judge.get("/posts")).json()]

    async def switch_on(self, **fault: Any) -> None:
        """Switch a fault on."""
        (await self.judge.post("/faults", json=fault)).raise_for_status()

    async def heal(self) -> None:
        """Switch all faults off."""
        (await self.judge.delete("/faults")).raise_for_status()


@asynccontextmanager
async def base(folder: Path) -> AsyncIterator[Base]:
    """Start what all measurements share."""
    with _started(rabbitmq, _made(folder / "rabbitmq")) as broker, _started(sandbox, _made(folder / "sandbox")) as networks:
        async with httpx.AsyncClient(base_url=f"{networks.url}/api", timeout=60) as judge:
            yield Base(folder, broker, networks, judge)


@dataclass(frozen=True)
class Site:
    """An installation on an empty database. Everything started is in ``servers`` and ends with the measurement."""

    base: Base
    folder: Path
    engine: Server
    servers: list[Server]

    @property
    def environment(self) -> dict[str, str]:
        """For web and workers; everything that is not named has its default."""
        return {
            "CARILLON_SECRET_KEY": _SECRET,
            "CARILLON_MONGODB_URL": _with_name(self.engine.url),
            "CARILLON_AMQP_URL": self.base.broker.url,
            "CARILLON_SANDBOX_URL": self.base.sandbox.url,
            "CARILLON_DATA_DIR": str(self.folder / "data"),
            "CARILLON_SETUP_TOKEN": TOKEN,
            "PYTHONPATH": os.getcwd(),
        }

    @property
    def settings(self) -> Settings:
        """The same for this process."""
        names = ("secret_key", "mongodb_url", "sandbox_url", "data_dir")
        given: Mapping[str, Any] = {name: self.environment[f"CARILLON_{name.upper()}"] for name in names}
        return Settings(**given)

    def start_workers(self, crew: Crew, *, of: str = "actors") -> Server:
        """Start the workers that are declared in ``of``, and wait until every process of them is ready."""
        log = self.folder / "workers.log"
        sizes = ["--processes", str(crew.processes), "--threads", str(crew.threads)]
        return self._start(
            ["-m", "dramatiq", of, *sizes],
            log,
            lambda: log.exists() and log.read_text().count("Worker process is ready") == crew.processes,
        )

    def start_web(self, *, of: str = "app.asgi:served") -> Server:
        """Start one web process, which ``of`` makes."""
        port = free_port()
        command = [
            "-m",
            "uvicorn",
            "--factory",
            of,
            "--port",
            str(port),
            "--loop",
            "uvloop",
            "--log-level",
            "warning",
        ]
        return self._start(
            [*command, "--no-access-log"], self.folder / "web.log", lambda: accepts(port), f"http://127.0.0.1:{port}"
        )

    def _start(self, command: list[str], log: Path, ready: Any, url: str = "") -> Server:
        server = Server(url=url, command=[sys.executable, *command], env=self.environment, ready=ready, log=log).start()
        self.servers.append(server)
        return server


@asynccontextmanager
async def site(base: Base, name: str) -> AsyncIterator[Site]:
    """An empty database, healthy and empty networks, empty queues; and the runtime in this process, to write documents with."""
    folder = base.new_folder(name)
    await base.judge.post("/reset")
    _wipe_queues(base.broker.url)
    with _started(mongodb if ON_MONGODB else embedded, folder) as engine:
        found = Site(base, folder, engine, [])
        courier = Courier(connect_broker(base.broker.url))
        await runtime.start(found.settings, courier, name="bench")
        try:
            yield found
        finally:
            await runtime.stop()
            for server in reversed(found.servers):
                server.kill()


@contextmanager
def _started(kind: Any, folder: Path) -> Iterator[Server]:
    server: Server = kind.start(folder)
    try:
        yield server
    finally:
        server.kill()


def _wipe_queues(url: str) -> None:
    with closing(pika.BlockingConnection(pika.URLParameters(url))) as connection:
        channel = connection.channel()
        for name in (*REGISTRY, UPLOADS):
            for suffix in ("", ".DQ", ".XQ"):
                channel.queue_delete(lane(name) + suffix)


def _with_name(url: str) -> str:
    address, _, options = url.partition("?")
    return f"{address}carillon_test_bench?{options or 'directConnection=true'}"


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder
