"""The engine with a network that casts posts first, answers without an id, and comes out late."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from app.engine import dispatching
from app.models import EPOCH, Delivery, State, now
from app.services.accounts import connecting
from platforms import REGISTRY
from tests.integration.services.world import World, fresh
from tests.twin.adapter import Foundry
from tests.twin.errors import NAME

SETTLED = timedelta(minutes=5)
"""Longer than the foundry needs to finish what it was sent."""


@pytest.fixture
async def foundry(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """Alice has an account at the foundry too."""
    monkeypatch.setitem(REGISTRY, NAME, Foundry(pause=0.1))
    connected = await connecting.connect_sandbox(world.workspace)
    world.accounts |= {account.platform: account for account in connected}
    return world


async def quirk(world: World, name: str, seconds: float = 0) -> None:
    ordered = {"platform": NAME, "quirk": name, "seconds": seconds, "account": world.accounts[NAME].remote_id}
    (await world.judge.http.post("/quirks", json=ordered)).raise_for_status()


async def sent(world: World) -> Delivery:
    """A delivery that a worker has tried once."""
    delivery = await world.queued(NAME)
    await world.outbox.deliver()
    return await fresh(delivery)


async def later(world: World, delivery: Delivery, by: timedelta = SETTLED) -> Delivery:
    """What has become of it ``by`` later."""
    await world.pass_time(by)
    await dispatching.run_pass(now())
    await world.outbox.deliver()
    return await fresh(delivery)


def receipt(post: dict[str, Any]) -> tuple[str, str]:
    return post["id"], post["url"]


async def test_a_post_is_cast_published_and_its_receipt_kept(foundry: World) -> None:
    delivery = await sent(foundry)
    [post] = await foundry.judge.posts()
    assert delivery.state == State.PUBLISHED
    assert (delivery.receipt.remote_id, delivery.receipt.url) == receipt(post)


async def test_a_post_without_an_id_is_published_when_it_was_found(foundry: World) -> None:
    await quirk(foundry, "no_id")
    delivery = await sent(foundry)
    assert (delivery.state, delivery.receipt) == (State.PROCESSING, None)
    found = await later(foundry, delivery)
    [post] = await foundry.judge.posts()
    assert (found.state, found.receipt.remote_id) == (State.PUBLISHED, post["id"])


async def test_a_post_that_comes_out_late_is_not_called_published_before(foundry: World) -> None:
    await quirk(foundry, "publishes_late", 2)
    delivery = await sent(foundry)
    assert delivery.state == State.PROCESSING
    assert (await later(foundry, delivery, timedelta(seconds=10))).state == State.PROCESSING
    await asyncio.sleep(2)
    assert (await later(foundry, delivery)).state == State.PUBLISHED
    assert len(await foundry.texts()) == 1


async def test_while_a_container_is_prepared_turn_and_worker_are_free_and_no_try_is_used_up(foundry: World) -> None:
    await quirk(foundry, "processes", 2)
    waiting = await sent(foundry)
    assert (waiting.state, waiting.strikes, waiting.turn, waiting.trouble) == (State.SCHEDULED, 0, None, None)
    assert (waiting.fenced_at, waiting.tries[-1].outcome) == (EPOCH, "waiting")
    assert "container" in waiting.saved
    assert await foundry.texts() == []
    await asyncio.sleep(2)
    done = await later(foundry, waiting, timedelta(seconds=10))
    assert (done.state, done.attempts, len(await foundry.texts())) == (State.PUBLISHED, 2, 1)


async def test_a_container_that_is_never_ready_is_given_up_in_the_end(foundry: World) -> None:
    await quirk(foundry, "processes", 3600)
    delivery = await sent(foundry)
    for _ in range(3):
        delivery = await later(foundry, delivery)
    assert (delivery.state, delivery.trouble.code) == (State.FAILED, "endless_waiting")
    assert await foundry.texts() == []


async def test_a_container_that_is_refused_while_it_is_prepared_fails_with_the_reason(foundry: World) -> None:
    await quirk(foundry, "refuses_processed")
    refused = await sent(foundry)
    assert (refused.state, refused.fenced_at) == (State.FAILED, EPOCH)
    assert await foundry.texts() == []


@pytest.mark.parametrize(("fault", "posts_before"), [("error_500", 0), ("error_500_after_accept", 1)])
async def test_a_lost_answer_is_asked_about_and_the_container_is_published_once(
    foundry: World, fault: str, posts_before: int
) -> None:
    await quirk(foundry, "repeats")
    await foundry.judge.fault(NAME, fault, times=1)
    delivery = await sent(foundry)
    assert (delivery.state, len(await foundry.texts())) == (State.UNCONFIRMED, posts_before)
    delivery = await later(foundry, delivery)
    delivery = await later(foundry, delivery)
    [post] = await foundry.judge.posts()
    assert (delivery.state, delivery.receipt.remote_id) == (State.PUBLISHED, post["id"])


async def test_the_daily_quota_moves_the_post_and_costs_no_try(foundry: World) -> None:
    await quirk(foundry, "quota", 0)
    delivery = await sent(foundry)
    assert (delivery.state, delivery.strikes, delivery.trouble.code) == (State.SCHEDULED, 0, "daily_quota")
    assert delivery.due_at > now()
    assert await foundry.texts() == []


async def test_what_the_foundry_takes_back_fails_with_its_reason(foundry: World) -> None:
    await quirk(foundry, "refuses_published")
    delivery = await sent(foundry)
    assert delivery.state == State.PROCESSING
    refused = await later(foundry, delivery)
    assert (refused.state, refused.trouble.code) == (State.FAILED, "withdrawn")


async def test_a_post_that_is_out_and_cannot_be_told_from_another_is_never_sent_again(foundry: World) -> None:
    first = await sent(foundry)
    await quirk(foundry, "no_id")
    second = await later(foundry, await sent(foundry))
    for _ in range(3):
        second = await later(foundry, second)
    assert (first.state, second.state, second.undecidable) == (State.PUBLISHED, State.UNCONFIRMED, True)
    assert len(await foundry.texts()) == 2
