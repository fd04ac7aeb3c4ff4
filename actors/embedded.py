"""``carillon run``: web, actors, dispatcher, database and sandbox networks, started by one command and kept in one folder.

One event loop serves the pages and runs the actors. Dramatiq's worker threads only wait for coroutines on that loop, so the
documents, the HTTP client and the database connection are shared without locks.
"""

import asyncio
import contextlib
import fcntl
import logging
import os
import secrets
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from urllib.parse import quote

import uvicorn
from dramatiq import Broker, Worker, get_broker
from dramatiq.asyncio import set_event_loop_thread
from litestar import Litestar
from litestar.types import ASGIApp, Receive, Scope, Send
from pymongo.errors import ConnectionFailure

from actors.embedded_database import CannotStart, running
from actors.loop import Loop, LoopThread
from app import runtime
from app.asgi import create_app
from app.courier import Courier, connect_broker
from app.database import CannotPrepare
from app.engine import dispatching
from app.services.people import users
from app.settings import Settings, amqp_url
from platforms.sandbox.server import create_sandbox

log = logging.getLogger(__name__)

SANDBOX = "/sandbox"
THREADS = 16
"""Deliveries in flight at once; each thread only waits for a coroutine."""


async def run(*, host: str, port: int, folder: Path) -> None:
    """Serve until SIGINT or SIGTERM. Raises ``CannotStart``."""
    with _only_one(folder), _listen(host, port) as listener:
        async with _database(folder) as database_url:
            settings = _settings(folder, port, database_url)
            if settings.amqp_url is not None:
                await _serve_only(settings, listener, folder)
            else:
                await _serve_all(settings, listener, folder)


async def _serve_all(settings: Settings, listener: socket.socket, folder: Path) -> None:
    """Pages and actors in this process."""
    broker = get_broker()
    courier = Courier(broker)
    await _start(settings, courier)
    await dispatching.take_all_over()
    async with _worker(broker):
        await _serve(create_app(settings, courier, runtime_started=True), listener, folder)
    await runtime.stop()


async def _serve_only(settings: Settings, listener: socket.socket, folder: Path) -> None:
    """Pages only: with RabbitMQ the actors are processes of their own (``dramatiq actors``)."""
    courier = Courier(connect_broker(amqp_url() or ""))
    await _start(settings, courier)
    log.info("CARILLON_AMQP_URL is set: start workers with `dramatiq actors` and the same environment")
    database_url = settings.mongodb_url.get_secret_value()
    if "@" not in database_url:  # with a password it was given, so the same environment tells it, and a log must not
        log.info("workers need CARILLON_MONGODB_URL=%s", database_url)
    await _serve(create_app(settings, courier, runtime_started=True), listener, folder)
    await runtime.stop()


async def _start(settings: Settings, courier: Courier) -> None:
    _say("Preparing collections and indexes ...")
    try:
        await runtime.start(settings, courier, name="carillon")
    except CannotPrepare as error:
        raise CannotStart(str(error)) from None
    except ConnectionFailure as error:
        raise CannotStart(f"the database does not answer ({type(error).__name__}); look at CARILLON_MONGODB_URL") from None


async def _serve(web: Litestar, listener: socket.socket, folder: Path) -> None:
    application = _Mounted(web, create_sandbox(base_path=SANDBOX, store=folder / "sandbox.db"))
    config = uvicorn.Config(
        application,
        log_level="warning",
        timeout_graceful_shutdown=5,
        server_header=False,
    )
    await _welcome(listener.getsockname()[1], listener.getsockname()[0])
    await _Server(config).serve(sockets=[listener])


class _Server(uvicorn.Server):
    """Ends on SIGINT and SIGTERM like uvicorn's own, but does not raise the signal again: the actors still have to stop."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Ask for an orderly end; a second signal ends open connections too."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield


class _Mounted:
    """The sandbox below its prefix, everything else to the web application."""

    def __init__(self, web: ASGIApp, sandbox: ASGIApp) -> None:
        self._web = web
        self._sandbox = sandbox

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        mounted = "path" in scope and f"{scope['path']}/".startswith(f"{SANDBOX}/")
        await (self._sandbox if mounted else self._web)(scope, receive, send)


async def _welcome(port: int, host: str) -> None:
    """Where it runs; before there is an owner, the link that makes one."""
    path = "/" if await users.any_exists() else f"/setup?token={quote(runtime.current().setup_token)}"
    _say(f"\n  Carillon is running:  http://localhost:{port}{path}")
    if host == "0.0.0.0":  # noqa: S104
        _say(f"  On your network:      http://{_network_address()}:{port}{path}")
    _say("  Stop it with Ctrl-C; everything is kept in the data folder.\n")


def _say(text: str) -> None:
    """To the person at the terminal, at once."""
    print(text, flush=True)  # noqa: T201


def _network_address() -> str:
    """This machine's address on its network; no packet is sent to find it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, contextlib.suppress(OSError):
        probe.connect(("192.0.2.1", 9))
        return str(probe.getsockname()[0])
    return socket.gethostname()


# --- what it stands on ------------------------------------------------------------------------------------------------


def _settings(folder: Path, port: int, database_url: str) -> Settings:
    """The environment, and what the embedded mode makes itself. Workers beside it read the same environment."""
    own = {
        "CARILLON_SECRET_KEY": _secret(folder),
        "CARILLON_MONGODB_URL": database_url,
        "CARILLON_DATA_DIR": str(folder),
        "CARILLON_SANDBOX_URL": f"http://127.0.0.1:{port}{SANDBOX}",
        "CARILLON_SANDBOX_PUBLIC_URL": "/",
    }
    for name, value in own.items():
        if f"{name}_FILE" not in os.environ:
            os.environ.setdefault(name, value)
    return Settings()


def _secret(folder: Path) -> str:
    """The installation's key, made on the first start and readable by its owner only."""
    file = folder / "secret.key"
    if not file.exists():
        part = folder / "secret.key.part"
        part.touch(mode=0o600)
        part.write_text(secrets.token_hex(32), encoding="utf-8")
        part.replace(file)  # a first start that is interrupted leaves no half of a key
    return file.read_text(encoding="utf-8").strip()


@contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    """Hold the data folder: a second process on the same files would be a second truth."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise CannotStart(f"another Carillon is using {folder.resolve()}; stop it, or choose another --data-dir") from None
        yield


@contextmanager
def _listen(host: str, port: int) -> Iterator[socket.socket]:
    # asyncio sets TCP_NODELAY only on a socket that says it is TCP; without it every answer takes 40 ms longer
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    with listener:
        try:
            listener.bind((host, port))
            listener.listen(256)
        except OSError as error:
            raise CannotStart(
                f"cannot listen on {host}:{port}: {error.strerror}. Choose another port: make run PORT=8080"
            ) from None
        yield listener


@asynccontextmanager
async def _database(folder: Path) -> AsyncIterator[str]:
    """The database's address: the one that is configured, or our own child process."""
    given = os.environ.get("CARILLON_MONGODB_URL") or os.environ.get("CARILLON_MONGODB_URL_FILE")
    if given:
        yield given
        return
    _say("Starting the database (a second or two) ...")
    async with running(folder) as url:
        yield url


# --- the actors -------------------------------------------------------------------------------------------------------


class _ThisLoop(LoopThread):
    """The loop that is running already."""

    def __init__(self) -> None:
        super().__init__(asyncio.get_running_loop())

    def stop(self) -> None:
        """The loop belongs to the web server."""


@asynccontextmanager
async def _worker(broker: Broker) -> AsyncIterator[None]:
    """A Dramatiq worker on this process's event loop. Started and stopped in a thread, because its hooks wait for the loop."""
    broker.middleware = [one for one in broker.middleware if not isinstance(one, Loop)]
    set_event_loop_thread(_ThisLoop())
    worker = Worker(broker, worker_threads=THREADS)
    await asyncio.to_thread(worker.start)
    try:
        yield
    finally:
        await asyncio.to_thread(worker.stop, timeout=60_000)
        set_event_loop_thread(None)
