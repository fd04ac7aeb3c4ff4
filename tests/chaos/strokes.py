"""What can happen to the whole house, or to many at once, in one wave."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from datetime import timedelta

from tests.chaos.flight import Stroke
from tests.chaos.installation import Installation
from tests.chaos.scenes import FAULT_BY_FAULT, QUOTA, Scenario, plain
from tests.twin.errors import until_midnight

OUTAGE = 20
"""Seconds for which the database is away."""

MOMENT = timedelta(seconds=2)
"""After midnight by Carillon's clock."""

During = AbstractAsyncContextManager[None]


@asynccontextmanager
async def _rabbitmq(house: Installation, stroke: Stroke, *, wipe: bool) -> AsyncIterator[None]:
    """Killed, perhaps robbed of its memory, and started again (5 to 14 s)."""

    async def strike() -> None:
        await stroke.called()
        await asyncio.to_thread(house.broker.kill)
        stroke.fallen.set()
        if wipe:
            shutil.rmtree(house.folder / "rabbitmq" / "mnesia")
        await asyncio.to_thread(house.broker.start)

    async with _background(strike):
        yield


@asynccontextmanager
async def _database(house: Installation, stroke: Stroke) -> AsyncIterator[None]:
    async def strike() -> None:
        await stroke.called()
        await house.engine.go()
        stroke.fallen.set()
        await asyncio.sleep(OUTAGE)
        await house.engine.come_back()

    async with _background(strike):
        yield


@asynccontextmanager
async def _clocks(set_to: Callable[[timedelta], None], offset: timedelta, stroke: Stroke) -> AsyncIterator[None]:
    """Set at the stroke, and set right when the wave is over: that is a second jump."""

    async def strike() -> None:
        await stroke.called()
        set_to(offset)
        stroke.fallen.set()

    async with _background(strike):
        yield
    set_to(timedelta())


@asynccontextmanager
async def _day(house: Installation, stroke: Stroke) -> AsyncIterator[None]:
    """When everybody has been put off until tomorrow, it is tomorrow."""

    async def strike() -> None:
        await stroke.called(patience=stroke.FIRST)
        house.let_pass(until_midnight(house.clock.now()) + MOMENT)
        stroke.fallen.set()

    async with _background(strike):
        yield


@asynccontextmanager
async def _background(work: Callable[[], Coroutine[None, None, None]]) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as group:
        group.create_task(work())
        yield


@asynccontextmanager
async def _together(stroke: Stroke) -> AsyncIterator[None]:
    """Each is struck by itself, but all at the same moment."""

    async def strike() -> None:
        await stroke.called()
        stroke.fallen.set()

    async with _background(strike):
        yield


def of(scenario: Scenario, house: Installation, stroke: Stroke) -> During:
    """The stroke of a wave with such scenarios, while it lasts; nothing where single deliveries are struck."""
    strokes: dict[str, Callable[[], During]] = {
        "rabbitmq killed": lambda: _rabbitmq(house, stroke, wipe=False),
        "rabbitmq wiped": lambda: _rabbitmq(house, stroke, wipe=True),
        "database killed": lambda: _database(house, stroke),
        "clock forward": lambda: _clocks(house.set_clocks, timedelta(minutes=5), stroke),
        "clock back": lambda: _clocks(house.set_clocks, timedelta(seconds=-90), stroke),
        QUOTA: lambda: _day(house, stroke),
        "clocks apart": lambda: _clocks(house.odd_clock.set, timedelta(seconds=100), stroke),
    }
    fault = plain(scenario.fault)
    if scenario.scene not in FAULT_BY_FAULT:
        return strokes.get(scenario.scene, nullcontext)()
    if fault in ("SIGKILL", "SIGTERM"):
        return _together(stroke)
    return strokes.get(fault.lower(), nullcontext)()
