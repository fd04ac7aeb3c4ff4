"""The workers' event loop."""

import asyncio
import threading

import pytest
from dramatiq import Worker
from dramatiq.asyncio import get_event_loop_thread
from dramatiq.brokers.stub import StubBroker

from actors.loop import Loop


async def _where() -> tuple[str, threading.Thread]:
    return type(asyncio.get_running_loop()).__module__.partition(".")[0], threading.current_thread()


def test_coroutines_run_on_uvloop_and_their_thread_ends_with_the_worker() -> None:
    broker = StubBroker(middleware=[Loop()])
    worker = Worker(broker, worker_threads=1)
    worker.start()
    thread = get_event_loop_thread()
    assert thread is not None
    assert thread.run_coroutine(_where()) == ("uvloop", thread)
    worker.stop()
    assert (thread.is_alive(), thread.loop.is_closed(), get_event_loop_thread()) == (False, True, None)


def test_what_a_coroutine_raises_reaches_the_worker() -> None:
    async def fails() -> None:
        raise TimeoutError("late")

    broker = StubBroker(middleware=[Loop()])
    worker = Worker(broker, worker_threads=1)
    worker.start()
    thread = get_event_loop_thread()
    assert thread is not None
    with pytest.raises(TimeoutError, match="late"):
        thread.run_coroutine(fails())
    worker.stop()
