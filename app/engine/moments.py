"""Waiting for an instant by the wall clock, which may be set meanwhile; who waits for the same one shares the looking."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

from app.models import now

LOOK = 0.1
"""Seconds between two looks at the clock, at most."""

_bells: dict[tuple[object, ...], asyncio.Task[None]] = {}

Ahead = Callable[[], timedelta]


def on_time() -> timedelta:
    """Not ahead."""
    return timedelta()


async def until(at: datetime, *, ahead: Ahead = on_time) -> None:
    """Return at ``at``, less what ``ahead`` says when it is looked at the clock; at once if that is past."""
    if at - ahead() <= now():
        return
    key = asyncio.get_running_loop(), at, ahead
    bell = _bells.get(key)
    if bell is None:
        bell = _bells[key] = asyncio.create_task(_ring(at, ahead), name="moment")
        bell.add_done_callback(lambda _: _bells.pop(key, None))
    await asyncio.shield(bell)


async def _ring(at: datetime, ahead: Ahead) -> None:
    while (left := (at - ahead() - now()).total_seconds()) > 0:  # noqa: ASYNC110 - the event is that the clock goes on
        await asyncio.sleep(min(left, LOOK))
