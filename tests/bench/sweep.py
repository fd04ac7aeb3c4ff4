"""A dispatcher's pass in which nothing is due, with a short and with a long history behind it."""

import time
from statistics import median

from app.engine import dispatching
from app.ids import Id
from app.models import now
from tests.bench.figures import Figure
from tests.bench.people import BLUESKY, Profiles, history
from tests.bench.site import ON_MONGODB, Base, site

SHORT, LONG = (10_000, 1_000_000) if ON_MONGODB else (1_000, 20_000)
"""Finished deliveries."""

PASSES = 100


async def measure(base: Base, profiles: Profiles) -> list[Figure]:
    """The ratio of the two medians, and the medians."""
    async with site(base, "sweep"):
        [account] = await profiles.accounts(Id(), BLUESKY, 1)
        await history(account, Id(), SHORT)
        short = await _pass_ms()
        await history(account, Id(), LONG - SHORT)
        long = await _pass_ms()
    return [
        Figure("sweep_ratio", round(long / short, 2), "<= 1.3", f"{LONG:,} finished deliveries against {SHORT:,}"),
        Figure("sweep_ms", round(long, 1), "< 100", f"median of {PASSES} passes, nothing due"),
        Figure("sweep_short_ms", round(short, 1)),
    ]


async def _pass_ms() -> float:
    await dispatching.run_pass(now())
    return median([await _timed() for _ in range(PASSES)]) * 1000


async def _timed() -> float:
    begun = time.perf_counter()
    await dispatching.run_pass(now())
    return time.perf_counter() - begun
