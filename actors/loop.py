"""The event loop that a worker's actors run on: uvloop's, on a thread of its own.

Dramatiq's worker threads only hand coroutines to it and wait.
"""

import asyncio
import logging

import uvloop
from dramatiq import Broker, Worker
from dramatiq.asyncio import EventLoopThread, set_event_loop_thread
from dramatiq.middleware import AsyncIO

log = logging.getLogger(__name__)

_PATIENCE = 5.0
"""Seconds for the thread to start; on a machine under load one is not enough."""


class LoopThread(EventLoopThread):
    """Dramatiq's bridge from worker threads to coroutines, over ``loop`` instead of one that it makes itself."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(log)
        self.loop.close()
        self.loop = loop


class Loop(AsyncIO):
    """Dramatiq's middleware, with another loop."""

    def before_worker_boot(self, broker: Broker, worker: Worker) -> None:  # noqa: ARG002
        """The first thing a worker process does, after it was forked."""
        thread = LoopThread(uvloop.new_event_loop())
        thread.start(timeout=_PATIENCE)
        set_event_loop_thread(thread)
