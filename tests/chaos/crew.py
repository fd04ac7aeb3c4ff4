"""The worker processes: whoever falls is replaced at once."""

import asyncio
import os
import signal
from collections.abc import Callable

from tests.servers.process import Server

GATHERING = 0.3
"""Seconds in which strikes against one worker are gathered, so that it falls once for all of them."""


class Crew:
    """``start(number)`` starts the worker with that number, without waiting until it works.

    ``last_fall``: by the loop's clock, when somebody fell last.
    """

    def __init__(self, start: Callable[[int], Server], size: int) -> None:
        self._start = start
        self._workers = {number: start(number) for number in range(size)}
        self._leaving: list[Server] = []
        self._falling: dict[int, asyncio.Task[bool]] = {}
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
