"""What a worker process needs besides actors: the runtime and the dispatcher on the event loop, and punctual delays."""

import asyncio
import logging
import resource
import sys
from collections.abc import Iterable
from typing import Any, NoReturn

from dramatiq import Broker, Middleware, Worker
from dramatiq.asyncio import get_event_loop_thread
from dramatiq.common import q_name
from dramatiq.middleware import TimeLimit
from pymongo.errors import ConnectionFailure

from app import renditions, runtime
from app.courier import Courier
from app.database import CannotPrepare
from app.engine import access, dispatching, publishing
from app.services.media import bringing
from app.services.operations import retention, upkeep
from app.settings import Settings

log = logging.getLogger(__name__)

_DATABASE_PAUSE = 2.0
"""Seconds between two tries to reach the database while a worker starts."""


class Engine(Middleware):
    """Starts the runtime before the first message, the dispatcher after it, and stops both before the event loop.

    On SIGTERM what is not fenced yet is handed back; what may have been sent is finished, because only its answer tells.
    """

    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[None]] = []

    def before_worker_boot(self, broker: Broker, worker: Worker) -> None:  # noqa: ARG002
        """Wait for the database: a worker without it could only fail messages. Dramatiq would go on after any ordinary error."""
        allow_files()
        try:
            _on_loop(_start(broker))
        except CannotPrepare as error:
            _give_up(f"carillon: {error}")

    def after_worker_boot(self, broker: Broker, worker: Worker) -> None:  # noqa: ARG002
        """The consumers are running: begin to dispatch."""
        self._tasks = _on_loop(_spawn())

    def before_worker_shutdown(self, broker: Broker, worker: Worker) -> None:  # noqa: ARG002
        """Take no new work, and let go of what was not sent."""
        _on_loop(_let_go(self._tasks))

    def after_worker_shutdown(self, broker: Broker, worker: Worker) -> None:  # noqa: ARG002
        """Every message is done: let tokens that are being renewed be saved, then close the connections."""
        _on_loop(stop())


class Punctual(Middleware):
    """Makes the consumers of delayed messages look at their clocks often; Dramatiq's default is once a second."""

    INTERVAL = 50
    """Milliseconds; the mean lateness it causes is half of it."""

    def after_consumer_thread_boot(self, broker: Broker, consumer_thread: Any) -> None:  # noqa: ARG002
        """``consumer_thread.worker_timeout`` is how long it waits for a message before it looks at the delayed ones."""
        if q_name(consumer_thread.queue_name) != consumer_thread.queue_name:
            consumer_thread.worker_timeout = self.INTERVAL


class Lanes(Middleware):
    """Leaves room for the others: one lane may never occupy all threads of a process.

    A platform that stalls keeps every one of its messages waiting for a time-out. The share is what a consumer may hold at once.
    """

    def __init__(self) -> None:
        self._share = 1

    def before_worker_boot(self, broker: Broker, worker: Worker) -> None:
        """The threads of this process are known now."""
        lanes = {q_name(queue) for queue in broker.get_declared_queues()}
        self._share = share(worker.worker_threads, len(lanes) - 1)  # the lane of long uploads is nearly always empty

    def after_consumer_thread_boot(self, broker: Broker, consumer_thread: Any) -> None:  # noqa: ARG002
        """``prefetch`` counts the messages that are handed out and not acknowledged, those being worked on included."""
        if q_name(consumer_thread.queue_name) == consumer_thread.queue_name:
            consumer_thread.prefetch = self._share


def share(threads: int, platforms: int) -> int:
    """Threads one lane may occupy: half with two platforms, about a fifth with nine; so half of them may stall at once."""
    return max(1, threads if platforms <= 1 else threads * 2 // (platforms + 2))


def allow_files() -> None:
    """Let this process open as many files as the system allows it; sockets are files, and 1,024 are soon used up."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _on_loop(work: Any) -> Any:
    loop = get_event_loop_thread()
    if loop is None:
        raise RuntimeError("the Loop middleware must come before Engine")
    return loop.run_coroutine(work)


def _give_up(sentence: str) -> NoReturn:
    """End this worker process, which ends its parent. The loop's thread would keep it alive."""
    if (loop := get_event_loop_thread()) is not None:
        loop.stop()  # type: ignore[no-untyped-call]
    sys.exit(sentence)


async def _start(broker: Broker) -> None:
    if not runtime.started():
        await _connect(Settings(), broker)
    for each in broker.middleware:
        if isinstance(each, TimeLimit):
            each.time_limit = round(runtime.current().settings.message_limit * 1000)


async def _connect(settings: Settings, broker: Broker) -> None:
    while True:
        try:
            await runtime.start(settings, Courier(broker))
        except ConnectionFailure as error:
            log.warning("waiting for the database: %s", type(error).__name__)
            await asyncio.sleep(_DATABASE_PAUSE)
        else:
            return


async def _spawn() -> list[asyncio.Task[None]]:
    """All three may run in any number of processes at once."""
    work = {"dispatcher": dispatching.run(), "upkeep": upkeep.run(), "retention": retention.run()}
    return [asyncio.create_task(coroutine, name=name) for name, coroutine in work.items()]


async def stop() -> None:
    """Save what is being renewed, give back what came in the last moment, then close the connections."""
    await asyncio.gather(access.settle(), bringing.hand_over())
    await renditions.stop()
    await runtime.stop()


async def _let_go(tasks: Iterable[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.gather(publishing.hand_over(), bringing.hand_over())
