"""Everything as separate processes, as an operator runs it, with wires between them that can be cut."""

import asyncio
import os
import sys
import time
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

import httpx

from tests.chaos import clock, engine
from tests.chaos.clock import Clock
from tests.chaos.crew import Crew
from tests.chaos.cuts import DatabaseCuts, NetworkCuts
from tests.chaos.engine import Engine
from tests.chaos.networks import KNOWN
from tests.chaos.points import Points
from tests.chaos.wire import Wire, chunks
from tests.servers import rabbitmq
from tests.servers.process import Server, accepts, free_port

RATE = 20.0
"""Carillon's clock runs this much faster than ours: its minute is three of our seconds."""

WORKERS, SITE = "tests.twin.actors", "tests.twin.site:served"
"""``actors`` and ``app.asgi:served`` that know the foundry as well."""

TOKEN = "a token of the chaos tests"
_TIMES = {
    "CARILLON_HTTP_TIMEOUT": "2",  # real seconds
    "CARILLON_STEP_LIMIT": "3",  # real seconds
    "CARILLON_DISPATCH_INTERVAL": "0.25",  # real seconds
    "CARILLON_LEASE": "90",  # Carillon's seconds: 4.5 of ours, so that the times nest as they do in production
    "CARILLON_SWEEP_AFTER": "60",
    "CARILLON_HORIZON": "120",
}


def missing() -> str | None:
    """Why the chaos cannot be played on this machine."""
    return rabbitmq.missing() or clock.missing() or engine.missing()


class Installation:
    """Use as a context manager."""

    def __init__(self, folder: Path, *, workers: int = 3, worker_module: str = WORKERS) -> None:
        self.folder = folder
        self.points = Points(_made(folder / "points"))
        self.database_cuts, self.network_cuts = DatabaseCuts(), NetworkCuts()
        self._workers, self._worker_module = workers, worker_module
        self._closing = AsyncExitStack()

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self._closing.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._closing.aclose()

    async def _start(self) -> None:
        self._start_clocks()
        self.broker = self._kept(rabbitmq.start(_made(self.folder / "rabbitmq")))
        self.engine = Engine(_made(self.folder / "engine"))
        self._closing.push_async_callback(self.engine.close)
        self.sandbox = self._kept(self._python("sandbox", self._network_clock, "-m", "platforms.sandbox", "--store", self._store))
        await self._lay_wires()
        self.database = self._open_database()
        self.web = self._kept(await asyncio.to_thread(self._start_web))  # our loop carries its wires meanwhile
        self.judge = await self._closing.enter_async_context(httpx.AsyncClient(base_url=f"{self.sandbox.url}/api", timeout=30))
        self.crew = Crew(self._start_worker, self._workers)
        self._closing.callback(self.crew.stop)

    def _start_clocks(self) -> None:
        """One for the networks, which nobody sets, one for web and workers, and one for a worker that may go its own way."""
        library, base = clock.build(self.folder), time.time_ns()

        def new(name: str) -> Clock:
            return Clock.start(library, self.folder / f"{name}.clock", rate=RATE, base=base)

        self._network_clock, self.clock, self.odd_clock = new("network"), new("carillon"), new("odd")

    def set_clocks(self, offset: timedelta) -> None:
        """Set the clock of web and all workers."""
        self.clock.set(offset)
        self.odd_clock.set(offset)

    def let_pass(self, time: timedelta) -> None:
        """So much later it is at once, for Carillon and for the networks, and remains so."""
        for one in (self._network_clock, self.clock, self.odd_clock):
            one.let_pass(time)

    async def _lay_wires(self) -> None:
        self._closing.push_async_callback((await self.engine.lay_wire(self.database_cuts.look)).stop)
        wire = await Wire(_port(self.sandbox.url), chunks, self.network_cuts.look).start()
        self._closing.push_async_callback(wire.stop)
        self.addresses = {name: f"http://127.0.0.1:{wire.port}/{network.server}" for name, network in KNOWN.items()}

    def _open_database(self) -> Any:
        """The harness's own way to the documents, past the wire that is cut."""
        client = self.engine.open()
        self._closing.push_async_callback(client.close)
        return client[self.engine.database]

    @property
    def _store(self) -> str:
        return str(self.folder / "sandbox.db")

    def _environment(self, host: Clock) -> dict[str, str]:
        return {
            **_TIMES,
            **host.environment,
            "CARILLON_SECRET_KEY": "a secret of the chaos tests, long enough",
            engine.GIVEN: self.engine.carillons_url,
            "CARILLON_AMQP_URL": self.broker.url,
            "CARILLON_ALLOW_PRIVATE_HOSTS": "true",
            "CARILLON_DATA_DIR": str(self.folder / "data"),
            "CARILLON_SETUP_TOKEN": TOKEN,
            "CARILLON_FAULT_POINTS": str(self.points.folder),
            "PYTHONPATH": os.getcwd(),
        }

    def _start_web(self) -> Server:
        environment = self._environment(self.clock)
        arguments = ("-m", "uvicorn", "--factory", SITE, "--log-level", "warning", "--no-access-log")
        return self._python("web", self.clock, *arguments, environment=environment)

    def _python(self, name: str, host: Clock, *arguments: str, environment: dict[str, str] | None = None) -> Server:
        port = free_port()
        return Server(
            url=f"http://127.0.0.1:{port}",
            command=[sys.executable, *arguments, "--port", str(port)],
            env=environment or {**host.environment, "PYTHONPATH": os.getcwd()},
            ready=lambda: accepts(port),
            log=self.folder / f"{name}.log",
        ).start()

    def _start_worker(self, number: int) -> Server:
        """The first worker of the crew has the odd clock. It is not waited for."""
        command = [sys.executable, "-m", "dramatiq", self._worker_module, "--processes", "1", "--threads", "32"]
        return Server(
            url="",
            command=command,
            env=self._environment(self.odd_clock if number == 0 else self.clock),
            ready=lambda: True,
            log=self.folder / f"worker{number}.log",
        ).start()

    def _kept(self, server: Server) -> Server:
        self._closing.callback(server.kill)
        return server


def _port(url: str) -> int:
    return httpx.URL(url).port or 0


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder
