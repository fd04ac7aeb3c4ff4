"""Waiting for an instant: never too early, and one who looks at the clock for all."""

import asyncio
from datetime import timedelta

from app.engine import moments
from app.models import now


async def test_nobody_is_let_go_before_the_instant() -> None:
    at = now() + timedelta(seconds=0.15)
    await asyncio.gather(*(moments.until(at) for _ in range(50)))
    assert now() >= at


async def test_what_is_past_is_not_waited_for() -> None:
    waiting = moments.until(now() - timedelta(days=1))
    try:
        waiting.send(None)
    except StopIteration:
        return
    raise AssertionError("it waited")


async def test_how_much_ahead_may_change_meanwhile() -> None:
    ahead = timedelta()

    def by() -> timedelta:
        return ahead

    at = now() + timedelta(hours=1)
    waiting = asyncio.create_task(moments.until(at, ahead=by))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    ahead = timedelta(hours=2)
    await waiting


async def test_who_gives_up_leaves_the_others_waiting() -> None:
    at = now() + timedelta(seconds=0.1)
    gone, stays = (asyncio.create_task(moments.until(at)) for _ in range(2))
    await asyncio.sleep(0)
    gone.cancel()
    await stays
    assert now() >= at
