"""Two faults for one delivery, both ordered before it is posted; each strikes when its own step is reached."""

import asyncio
import signal
from collections.abc import Awaitable, Callable

from tests.chaos.flight import Flight
from tests.chaos.points import PAUSE
from tests.chaos.wire import When

Struck = Callable[[], Awaitable[bool]]

_NETWORK = {
    "error 429 on the post": "rate_limited",
    "reply lost on the post": "timeout_after_accept",
    "request lost on the post": "timeout_before_accept",
    "error after the post": "error_500_after_accept",
}
_CUTS = {"cut before ": When.BEFORE, "cut after ": When.AFTER}


async def both(flight: Flight) -> None:
    """``struck`` only if both were met."""
    orders = [await _order(flight, fault) for fault in (flight.run.scenario.fault, flight.run.scenario.step)]
    await flight.post()
    flight.struck = all(await asyncio.gather(*(order() for order in orders)))


async def _order(flight: Flight, fault: str) -> Struck:
    """Order ``fault``; what is returned waits until it was met."""
    if fault in _NETWORK:
        return await _network(flight, _NETWORK[fault])
    for name, when in _CUTS.items():
        if fault.startswith(name):
            return _cut(flight, fault.removeprefix(name), when)
    by, _, step = fault.partition(" at ")
    return _fall(flight, signal.Signals[by], step)


async def _network(flight: Flight, kind: str) -> Struck:
    ordered = await flight.switch_on(kind)

    async def struck() -> bool:
        await flight.until_hit(ordered)
        return True

    return struck


def _cut(flight: Flight, write: str, when: When) -> Struck:
    cut = flight.house.database_cuts.order(write, when, flight.post_id)

    async def struck() -> bool:
        while not cut.made:
            await asyncio.sleep(PAUSE)
        return True

    return struck


def _fall(flight: Flight, by: signal.Signals, step: str) -> Struck:
    flight.house.points.arm(step, flight.profile.id)

    async def meet() -> bool:
        pid = await flight.house.points.held(step, flight.profile.id)
        fell = await flight.house.crew.fell(pid, by)
        flight.house.points.let_go(flight.profile.id, step)
        return fell

    meeting = asyncio.create_task(meet())
    return lambda: meeting
