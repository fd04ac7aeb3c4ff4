"""Host names to addresses, such that a name whose name server is silent costs nobody but those who ask for it.

The system's resolver blocks a thread for as long as a name server likes, twelve seconds and more, and anybody may name a host.

* lookups have threads of their own, never those of the event loop that everything else shares;
* one name takes one thread, however many ask for it, and the names under one domain together an eighth of the threads;
* nobody waits longer than ``patience``, and a name that took longer is not waited for again for a while.
"""

import asyncio
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

PATIENCE = 4.0
"""Seconds; a name that takes longer counts as unreachable. A second less than a connection may take altogether."""
MEMORY = 15.0
"""Seconds for which a name that took too long is not waited for again."""
THREADS = 64
"""Lookups at the same time. A thread exists only while it looks."""
_SHARE = 8
"""The names of one domain take at most this fraction of the threads: 1,000 names are as cheap to make up as one."""

Lookup = Callable[[str], list[str]]
"""Turns a host name into addresses, and may block. Raises ``OSError``, or ``UnicodeError`` for what cannot be a name."""


def ask_system(host: str) -> list[str]:
    """The addresses of ``host`` in the system's order of preference; see :data:`Lookup`."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class Resolver:
    """Looks names up for one event loop; times in seconds."""

    def __init__(
        self,
        lookup: Lookup = ask_system,
        *,
        threads: int = THREADS,
        patience: float = PATIENCE,
        memory: float = MEMORY,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._lookup, self._patience, self._memory, self._clock = lookup, patience, memory, clock
        self._threads = asyncio.Semaphore(threads)
        self._per_domain = max(1, threads // _SHARE)
        self._domains: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()
        self._underway: dict[str, asyncio.Task[list[str]]] = {}
        self._silent: dict[str, float] = {}

    async def addresses(self, host: str) -> list[str]:
        """The addresses of ``host``. Raises ``TimeoutError``, another ``OSError``, or ``UnicodeError``."""
        name = host.rstrip(".").lower()
        if self._silent.get(name, 0) > self._clock():
            raise TimeoutError(f"{name} did not answer a moment ago")
        task = self._underway.get(name) or self._begin(name)
        done, _ = await asyncio.wait({task}, timeout=self._patience)
        if not done:
            self._remember(name)
            raise TimeoutError(f"no name server answers for {name}")
        return task.result()

    def _begin(self, name: str) -> "asyncio.Task[list[str]]":
        task = self._underway[name] = asyncio.create_task(self._look_up(name))
        task.add_done_callback(lambda done: self._finished(name, done))
        return task

    async def _look_up(self, name: str) -> list[str]:
        """Holds its turns until the thread is done, and goes on when nobody waits any more: a thread cannot be stopped."""
        domain = ".".join(name.rsplit(".", 2)[-2:])
        turns = self._domains.setdefault(domain, asyncio.Semaphore(self._per_domain))
        async with self._turn(turns), self._turn(self._threads):
            return await _in_thread(self._lookup, name)

    @asynccontextmanager
    async def _turn(self, turns: asyncio.Semaphore) -> AsyncIterator[None]:
        async with asyncio.timeout(self._patience):
            await turns.acquire()
        try:
            yield
        finally:
            turns.release()

    def _remember(self, name: str) -> None:
        now = self._clock()
        self._silent = {known: until for known, until in self._silent.items() if until > now}
        self._silent[name] = now + self._memory

    def _finished(self, name: str, done: "asyncio.Task[list[str]]") -> None:
        del self._underway[name]
        if not done.cancelled() and not isinstance(done.exception(), TimeoutError):
            self._silent.pop(name, None)  # it does answer after all


def _in_thread(lookup: Lookup, name: str) -> asyncio.Future[list[str]]:
    """Run ``lookup`` in a daemon thread: a pool's threads would be waited for when the process ends."""
    answer: Future[list[str]] = Future()

    def run() -> None:
        try:
            answer.set_result(lookup(name))
        except BaseException as error:  # noqa: BLE001
            answer.set_exception(error)

    answer.set_running_or_notify_cancel()
    threading.Thread(target=run, name="resolver", daemon=True).start()
    return asyncio.wrap_future(answer)
