"""Waiting for what other processes do."""

import asyncio
import time
from collections.abc import Collection, Sequence

from app.models import Delivery, State
from app.queries import equal
from tests.bench.people import plan
from tests.bench.site import Base

PATIENCE = 240
"""Seconds after which what has not happened counts as never."""


async def arrived(base: Base, texts: Collection[str], *, every: float = 0.5) -> dict[str, float]:
    """When the first request for each of ``texts`` arrived at the networks, once all have. Raises ``TimeoutError``."""
    deadline, wanted = time.monotonic() + PATIENCE, set(texts)
    while True:
        sent = {text: at for text, at in (await base.sent()).items() if text in wanted}
        if len(sent) == len(wanted):
            return sent
        if time.monotonic() > deadline:
            raise TimeoutError(f"{len(wanted) - len(sent)} of {len(wanted)} were never requested")
        await asyncio.sleep(every)


async def warm_up(base: Base, first: Sequence[Delivery]) -> None:
    """Let the workers publish something: what a process does only once is no part of a measurement."""
    await plan(first)
    await arrived(base, {delivery.text for delivery in first})


async def all_saved() -> None:
    """Wait until the last answers are saved."""
    while await Delivery.find_one(equal(state=State.QUEUED)) or await Delivery.find_one(equal(state=State.PUBLISHING)):
        await asyncio.sleep(0.5)
