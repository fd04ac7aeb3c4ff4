"""Workers that a test can stop dead, and a clock that it can turn on."""

import asyncio
import os
import time
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from app.ids import Id
from app.models import EPOCH, Delivery, Post
from tests.integration.services.world import PATIENCE, World

_POST_CLOCKS = ("settling_at", "planned_at")


class Clockwork(asyncio.SelectorEventLoop):
    """An event loop whose time passes at a word: a worker that stands still runs into its own limits, as it would."""

    passed = 0.0

    def __init__(self) -> None:
        super().__init__()
        self.set_task_factory(make_task)

    def time(self) -> float:
        return super().time() + self.passed


class Worker(asyncio.Task[None]):
    """One process's work on one message. A ``dead`` one hears nothing any more and writes nothing: it was killed."""

    dead = False
    stopped = False

    def cancel(self, msg: Any | None = None) -> bool:
        if self.dead:
            return False
        self.stopped = True
        return super().cancel(msg)


class Hand(asyncio.Task[Any]):
    """A worker's try at one of the deliveries of its message. It dies with its worker."""

    worker: Worker | None = None

    def cancel(self, msg: Any | None = None) -> bool:
        if self.worker is not None:
            if self.worker.dead:
                return False
            self.worker.stopped = True
        return super().cancel(msg)


def make_task(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, Any], **more: Any) -> "asyncio.Task[Any]":
    """For the loop's factory of tasks: an attempt that a worker begins is its hand."""
    begun_by = asyncio.current_task(loop)
    if getattr(work, "__name__", "") != "_attempt" or not isinstance(begun_by, Worker):
        return asyncio.Task(work, loop=loop, **more)
    hand = Hand(work, loop=loop, **more)
    hand.worker = begun_by
    return hand


@dataclass
class Shift:
    """Workers that began together, and the fault points (``slots``) at which some of them stand; ``holds``: with what."""

    workers: list[Worker]
    slots: list[Path] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)
    holds: Delivery | None = None

    @property
    def busy(self) -> list[Worker]:
        return [worker for worker in self.workers if not worker.done()]


@dataclass
class Crew:
    """Everybody who works; ``standing`` are those who stand at a fault point, ``killed`` those who always will."""

    points: Path
    standing: list[Shift] = field(default_factory=list)
    killed: list[Shift] = field(default_factory=list)

    def ask_to_stand(self, step: str, account_id: Id) -> bool:
        """The next worker that reaches ``step`` for the account stands still there; ``False`` if one does already."""
        name = f"{step}.{account_id}"
        if (self.points / f"{name}.{os.getpid()}").exists():
            return False
        (self.points / name).touch()
        return True

    def ask_nobody(self) -> None:
        for asked in self._points(taken=False):
            asked.unlink()

    async def work(self, *jobs: Coroutine[Any, Any, None]) -> Shift:
        """Do the ``jobs`` at the same time, until all are done or stand still."""
        loop = asyncio.get_running_loop()
        shift = Shift([Worker(job, loop=loop) for job in jobs])
        await self._watch(shift)
        return shift

    async def release(self, shift: Shift) -> None:
        """Let those who stand still go on."""
        self.standing.remove(shift)
        self._unlink(shift)
        await self._watch(shift)

    async def stop(self, shift: Shift) -> None:
        """Stop them as a deploy does: they may still write down how far they came."""
        self.standing.remove(shift)
        for worker in shift.busy:
            worker.cancel()
        self._unlink(shift)
        await self._watch(shift)

    def kill(self, shift: Shift) -> None:
        """They do nothing any more, for ever."""
        self.standing.remove(shift)
        self.killed.append(shift)
        for worker in shift.workers:
            worker.dead = True

    async def notice_time(self) -> None:
        """Who stood still for longer than a step may take is stopped by its own limit."""
        for _ in range(3):
            await asyncio.sleep(0)
        for shift in [one for one in self.standing if any(worker.stopped for worker in one.workers)]:
            await self.release(shift)

    async def bury(self) -> None:
        """The test is over: now the killed ones may end."""
        for shift in self.killed + self.standing:
            for worker in shift.workers:
                worker.dead = False
                worker.cancel()
            await asyncio.gather(*shift.workers, return_exceptions=True)
        self.killed.clear()
        self.standing.clear()
        for left in self.points.iterdir():
            left.unlink()

    async def _watch(self, shift: Shift) -> None:
        deadline = time.monotonic() + PATIENCE
        while busy := shift.busy:
            others = {slot for one in self.standing + self.killed for slot in one.slots}
            shift.slots = sorted(set(self._points(taken=True)) - others)
            if len(shift.slots) == len(busy):
                for worker in busy:
                    worker.stopped = False  # so far it may have waited in vain for an answer
                shift.steps = [slot.name.partition(".")[0] for slot in shift.slots]
                self.standing.append(shift)
                return
            assert time.monotonic() < deadline, "a worker never came to an end"
            await asyncio.wait(busy, timeout=0.01, return_when=asyncio.FIRST_COMPLETED)
        self._unlink(shift)
        for worker in shift.workers:
            with suppress(asyncio.CancelledError):
                worker.result()

    def _points(self, *, taken: bool) -> list[Path]:
        mark = f".{os.getpid()}"
        return [point for point in self.points.iterdir() if point.name.endswith(mark) == taken]

    def _unlink(self, shift: Shift) -> None:
        for slot in shift.slots:
            slot.unlink(missing_ok=True)
        shift.slots = []


async def pass_time(world: World, crew: Crew, by: timedelta) -> None:
    """For documents, messages, and everybody who waits."""
    await world.pass_time(by)
    for post in await Post.find({}).to_list():
        earlier = {name: at - by for name in _POST_CLOCKS if (at := getattr(post, name)) is not None and at > EPOCH}
        if earlier:
            await Post.get_pymongo_collection().update_one({"_id": post.id}, {"$set": earlier})
    loop = asyncio.get_running_loop()
    assert isinstance(loop, Clockwork)
    loop.passed += by.total_seconds()
    await crew.notice_time()
