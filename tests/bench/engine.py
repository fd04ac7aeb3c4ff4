"""What one delivery asks of the database, and how fast the database answers: on the embedded engine it is the bottleneck."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence

from pymongo import monitoring

from app.engine import deliveries as moves
from app.engine import dispatching, publishing
from app.ids import Id
from app.models import Delivery, State, now
from tests.bench.figures import Figure
from tests.bench.people import BLUESKY, Profiles, deliveries, plan
from tests.bench.processes import cpu_seconds
from tests.bench.site import Base, site

CHANGES = 500
AT_ONCE = 16


class Ear(monitoring.CommandListener):
    """Counts the commands on our collections."""

    def __init__(self) -> None:
        self.heard: Counter[str] = Counter()

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        """Called by the driver before each command."""
        self.heard[f"{event.command_name} {event.command[event.command_name]}"] += 1

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        """Not of interest."""

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """Not of interest."""


_EAR = Ear()


def listen() -> None:
    """Count the commands of clients that are opened from now on in this process."""
    monitoring.register(_EAR)


async def measure(base: Base, profiles: Profiles) -> list[Figure]:
    """Commands of one delivery, and changes and reads a second."""
    async with site(base, "engine") as place:
        accounts = await profiles.accounts(Id(), BLUESKY, 20)
        commands = await _commands(deliveries(accounts[:1], 1, now(), name="counted")[0])
        some = deliveries(accounts, CHANGES // 20, now(), name="changed")
        await plan(some)
        before = cpu_seconds(place.engine)
        changes = await _rate(some, _change)
        cost = (cpu_seconds(place.engine) - before) / len(some) * 1000
        reads = await _rate(some, lambda one: Delivery.get(one.id))
    told = ", ".join(f"{number} {what}" for what, number in sorted(commands.items()))
    return [
        Figure("commands_per_delivery", commands.total(), "", told),
        Figure(
            "engine_changes_per_s", round(changes), "", f"compare-and-set by id, {AT_ONCE} at once, {cost:.1f} ms processor each"
        ),
        Figure("engine_reads_per_s", round(reads), "", f"by id, {AT_ONCE} at once"),
    ]


async def _commands(delivery: Delivery) -> Counter[str]:
    """From *scheduled* to *published*, less the dispatcher's questions, which many deliveries share."""
    await plan([delivery])
    _EAR.heard.clear()
    await dispatching.emit([delivery])
    await publishing.publish([delivery.id])
    return Counter(_EAR.heard)


async def _change(delivery: Delivery) -> object:
    return await moves.move(delivery.id, State.SCHEDULED, State.QUEUED, where={"move_id": delivery.move_id}, queued_at=now())


async def _rate(some: Sequence[Delivery], act: Callable[[Delivery], Awaitable[object]]) -> float:
    waiting = iter(some)

    async def one_after_the_other() -> None:
        for delivery in waiting:
            await act(delivery)

    begun = time.perf_counter()
    await asyncio.gather(*(one_after_the_other() for _ in range(AT_ONCE)))
    return len(some) / (time.perf_counter() - begun)
