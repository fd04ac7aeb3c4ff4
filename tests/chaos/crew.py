"""The worker processes: whoever falls is replaced at once."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import psutil

from tests.servers.process import Server

LONGER = 3.0
"""Seconds for which a worker that was frozen works on, beside the one in its place, before it is asked to end."""

GATHERING = 0.3
"""Seconds in which strikes against one worker are gathered, so that it falls once for all of them."""


@dataclass(eq=False)
class _Frozen:
    """A worker that stands still for so many; the last of them lets it go on."""

    server: Server
    processes: list[psutil.Process] = field(default_factory=list)
    held_by: int = 0


class Crew:
    """``start(number)`` starts the worker with that number, without waiting until it works.

    ``last_fall``: by the loop's clock, when somebody fell last.
    """

    def __init__(self, start: Callable[[int], Server], size: int) -> None:
        self._start = start
        self._workers = {number: start(number) for number in range(size)}
        self._leaving: list[Server] = []
        self._falling: dict[int, asyncio.Task[bool]] = {}
        self._freezing: dict[int, asyncio.Task[_Frozen | None]] = {}
        self.last_fall = 0.0

    async def fell(self, pid: int, by: signal.Signals) -> bool:
        """End the worker that the process ``pid`` belongs to; whether it was still there."""
        if pid not in self._falling:
            self._falling[pid] = asyncio.create_task(self._fell(pid, by))
        return await self._falling[pid]

    async def _fell(self, pid: int, by: signal.Signals) -> bool:
        """SIGKILL takes parent and child at once, like a power cut; SIGTERM goes to the parent, as an operator sends it."""
        await asyncio.sleep(GATHERING)
        number = self._number(pid)
        if number is None:
            return False
        fallen = self._replace(number)
        self.last_fall = asyncio.get_running_loop().time()
        if by == signal.SIGKILL:
            fallen.kill()
        elif fallen.process is not None:
            fallen.process.send_signal(by)
            self._leaving.append(fallen)
        return True

    @asynccontextmanager
    async def frozen(self, pid: int) -> AsyncIterator[bool]:
        """The worker that the process ``pid`` belongs to stands still meanwhile, with all its children; whether it was there.

        Another one takes its place. It goes on for a while when the last one that it was frozen for is done.
        """
        if pid not in self._freezing:
            self._freezing[pid] = asyncio.create_task(self._freeze(pid))
        found = await self._freezing[pid]
        if found is None:
            yield False
            return
        found.held_by += 1
        try:
            yield True
        finally:
            found.held_by -= 1
            if not found.held_by:
                del self._freezing[pid]
                _each(found.processes, psutil.Process.resume)
                asyncio.get_running_loop().call_later(LONGER, _each, found.processes[:1], psutil.Process.terminate)

    async def _freeze(self, pid: int) -> _Frozen | None:
        await asyncio.sleep(GATHERING)
        number = self._number(pid)
        if number is None:
            return None
        found = _Frozen(self._replace(number))
        self._leaving.append(found.server)
        self.last_fall = asyncio.get_running_loop().time()
        found.processes = [*self._family(found.server)]
        _each(found.processes, psutil.Process.suspend)
        return found

    def processes(self) -> Iterator[psutil.Process]:
        """Everybody who works."""
        for worker in self._workers.values():
            yield from self._family(worker)

    @staticmethod
    def _family(worker: Server) -> Iterator[psutil.Process]:
        if worker.process is None:
            return
        with suppress(psutil.NoSuchProcess):
            head = psutil.Process(worker.process.pid)
            yield from (head, *head.children(recursive=True))

    def tend(self) -> None:
        """Replace those that ended by themselves (Dramatiq does when it finds no broker at its start)."""
        for number, worker in list(self._workers.items()):
            if worker.process is not None and worker.process.poll() is not None:
                self._replace(number).kill()

    def stop(self) -> None:
        """Kill everybody, and those that take long to leave."""
        for worker in (*self._workers.values(), *self._leaving):
            worker.kill()

    def _replace(self, number: int) -> Server:
        fallen, self._workers[number] = self._workers[number], self._start(number)
        return fallen

    def _number(self, pid: int) -> int | None:
        """Every worker is a process group, named after its parent process."""
        try:
            group = os.getpgid(pid)
        except ProcessLookupError:
            return None
        heads = {number: worker.process.pid for number, worker in self._workers.items() if worker.process is not None}
        return next((number for number, head in heads.items() if head == group), None)


def _each(processes: list[psutil.Process], do: Callable[[psutil.Process], None]) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            do(process)
