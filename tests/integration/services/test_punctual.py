"""What is made ready ahead of its time goes out at its time, whatever happens while it is made ready."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest

from app.engine.faultpoints import CLAIMED
from app.models import Delivery, State, now
from platforms import REGISTRY
from platforms.base import Checkpoint, Content, Outcome, Session, Waiting
from platforms.errors import Unavailable
from tests.integration.services.belfry import NAME, Belfry
from tests.integration.services.test_batches import queued
from tests.integration.services.test_publishing import ask_nobody, hold
from tests.integration.services.world import World, fresh, put, ring


async def planned(world: World) -> tuple[Delivery, datetime]:
    """A delivery that may be made ready, and its time."""
    [one] = await queued(world, 1)
    at = now() + timedelta(seconds=5)
    await put(one, due_at=at, planned_at=at)
    return one, at


async def test_what_a_stopping_worker_hands_back_is_not_due_earlier(world: World, belfry: Belfry) -> None:
    one, at = await planned(world)
    task = await hold(world, one, CLAIMED)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    ask_nobody()
    back = await fresh(one)
    assert (back.state, back.due_at) == (State.QUEUED, at)


async def test_what_cannot_be_made_ready_is_not_tried_again_earlier(world: World, belfry: Belfry) -> None:
    one, at = await planned(world)
    belfry.valid, belfry.refreshing = "another", [Unavailable(NAME, "away", "Away.", retry_after=timedelta(seconds=1))]
    decision = await ring(one)
    back = await fresh(one)
    assert (back.state, back.due_at) == (State.QUEUED, at)
    assert decision is not None
    assert decision.due_at == at


@dataclass
class Slow(Belfry):
    """Belfry, when it still prepares what was uploaded."""

    async def publish(self, session: Session, content: Content, *, key: str, checkpoint: Checkpoint) -> Outcome:
        return Waiting(timedelta(seconds=2))


async def test_what_its_network_prepares_in_time_is_not_sent_earlier(
    world: World, belfry: Belfry, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, at = await planned(world)
    monkeypatch.setitem(REGISTRY, NAME, Slow())
    await ring(one)
    back = await fresh(one)
    assert (back.state, back.due_at) == (State.SCHEDULED, at)
