"""Several deliveries of one account: whoever is in line is called, whatever becomes of those before it."""

import asyncio
from collections import Counter
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import AutoReconnect

from app import runtime
from app.courier import PUBLISH
from app.engine import order, publishing
from app.engine.faultpoints import ANSWERED, CLAIMED
from app.ids import Id
from app.models import Delivery, State, now
from app.models.deliveries import UPLOADS
from app.services.writing import posts
from tests.integration.services.belfry import Belfry
from tests.integration.services.test_batches import ids, queued
from tests.integration.services.test_publishing import hold, release
from tests.integration.services.world import World, fresh, put, ring, until
from tests.integration.spoken import LISTENER


async def test_who_had_to_make_room_while_it_waited_for_its_time_is_called_for_it(world: World, belfry: Belfry) -> None:
    urgent, planned = await queued(world, 2, accounts=False)
    at = now() + timedelta(seconds=4)
    await put(planned, due_at=at, planned_at=at)
    ahead = await hold(world, planned, CLAIMED)
    await ring(urgent)
    assert (await fresh(urgent)).state == State.PUBLISHED
    await release(ahead)
    assert (await fresh(planned)).state == State.QUEUED
    assert world.outbox.of(planned) == [PUBLISH]


async def test_a_second_try_that_came_a_moment_early_with_another_one_waits_for_its_time(world: World, belfry: Belfry) -> None:
    one, other = await queued(world, 2, accounts=False)
    at = now()
    await put(one, begun_at=at, due_at=at)
    await put(other, begun_at=at, due_at=at + timedelta(seconds=1.5))
    await publishing.publish_all(ids([one, other]))
    assert list(belfry.posts) == [one.parts[0].key, other.parts[0].key]
    assert now() >= at + timedelta(seconds=1.5)


async def test_a_line_is_worked_off_by_one_message(world: World, belfry: Belfry) -> None:
    first, *some = await queued(world, 21, accounts=False)
    await ring(first)
    world.outbox.messages.clear()
    before = len(LISTENER.commands)
    await publishing.publish_all(ids(some))
    commands = Counter(LISTENER.commands[before:])
    assert {(await fresh(one)).state for one in some} == {State.PUBLISHED}
    assert world.outbox.messages == []
    assert commands["update deliveries"] <= 3 * len(some)
    assert commands.total() <= 11 * len(some)


async def test_who_was_planned_earlier_meanwhile_is_not_passed_by_a_line(world: World, belfry: Belfry) -> None:
    first, second, third, urgent = await queued(world, 4, accounts=False)
    busy = await hold(world, first, CLAIMED, second, third)
    await put(urgent, due_at=second.due_at - timedelta(milliseconds=1))
    await release(busy)
    assert list(belfry.posts) == [first.parts[0].key]
    await world.outbox.deliver()
    assert list(belfry.posts) == [one.parts[0].key for one in (first, urgent, second, third)]


async def test_a_line_that_takes_long_lets_go_of_its_thread(world: World, belfry: Belfry) -> None:
    first, *some = await queued(world, 3, accounts=False)
    busy = await hold(world, first, CLAIMED, *some)
    [line] = publishing._running.values()
    line.until = 0.0  # its message has had enough time
    await release(busy)
    assert list(belfry.posts) == [first.parts[0].key]
    [message] = world.outbox.messages
    assert message.delivery_ids == ids(some)
    await world.outbox.deliver()
    assert list(belfry.posts) == [one.parts[0].key for one in (first, *some)]


@pytest.mark.parametrize("step", [CLAIMED, ANSWERED])
async def test_a_line_ends_when_its_process_does(world: World, belfry: Belfry, step: str) -> None:
    first, *some = await queued(world, 3, accounts=False)
    busy = await hold(world, first, step, *some)
    await publishing.hand_over()
    with suppress(asyncio.CancelledError):
        await release(busy)
    assert list(belfry.posts) == ([] if step == CLAIMED else [first.parts[0].key])
    assert await nobody_has_the_turn()
    await publishing.publish_all(ids([first, *some]))  # its message is tried again
    await world.pass_time(order.EARLY)
    await world.outbox.deliver()
    assert list(belfry.posts) == [one.parts[0].key for one in (first, *some)]


@pytest.mark.parametrize("nth", [1, 4])  # claim, fence and receipt of the first, claim of the second
async def test_what_is_claimed_while_its_worker_is_interrupted_is_given_back(world: World, belfry: Belfry, nth: int) -> None:
    some = await queued(world, 2, accounts=False)
    work = asyncio.create_task(publishing.publish(ids(some)))
    before, loop = len(LISTENER.commands), asyncio.get_running_loop()

    def strike() -> None:
        if LISTENER.commands[before:].count("update deliveries") == nth:
            LISTENER.witness = int
            loop.call_soon_threadsafe(work.cancel)

    LISTENER.witness = strike
    with suppress(asyncio.CancelledError):
        await work
    await until(nobody_has_the_turn)
    back = await fresh(some[nth // 4])
    assert (back.state, back.attempts, [one.outcome for one in back.tries]) == (State.QUEUED, 1, ["taken back"])


async def nobody_has_the_turn() -> bool:
    return not [one for one in await Delivery.find({}).to_list() if one.turn]


async def test_one_that_is_canceled_when_it_is_next_leaves_the_call_to_the_one_behind_it(world: World, belfry: Belfry) -> None:
    first, second, third = await queued(world, 3, accounts=False)
    busy = await hold(world, first, CLAIMED, second, third)
    await posts.cancel(world.workspace, second.post_id)
    await release(busy)
    await world.outbox.deliver()
    assert (await fresh(second)).state == State.CANCELED
    assert (await fresh(third)).state == State.PUBLISHED


async def test_who_cannot_get_in_line_takes_nobody_along(world: World, belfry: Belfry, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = await queued(world, 2, accounts=False)
    [free] = await queued(world, 1)
    busy = await hold(world, first, CLAIMED)
    with monkeypatch.context() as driver:
        driver.setattr(AsyncCollection, "update_one", broken_for("accounts"))
        await publishing.publish(ids([second, free]))
    assert (await fresh(free)).state == State.PUBLISHED
    await release(busy)


def broken_for(collection: str) -> Any:
    """The driver's ``update_one`` while its connection breaks at each write to ``collection``."""
    write = AsyncCollection.update_one

    async def broken(self: AsyncCollection[Any], *args: Any, **more: Any) -> Any:
        if self.name == collection:
            raise AutoReconnect("the connection broke")
        return await write(self, *args, **more)

    return broken


async def test_a_later_one_does_not_take_the_turn_from_an_earlier_one_that_is_tried_again(world: World, belfry: Belfry) -> None:
    earlier, later = await queued(world, 2, accounts=False)
    await put(earlier, due_at=now() + timedelta(seconds=1), attempts=1, begun_at=now())
    again = await hold(world, earlier, CLAIMED)
    await ring(later)
    assert (await fresh(earlier)).state == State.PUBLISHING
    await release(again)
    await world.outbox.deliver()
    assert list(belfry.posts) == [earlier.parts[0].key, later.parts[0].key]


async def test_a_later_one_that_gets_the_turn_at_once_still_lets_an_earlier_one_be_tried_again_first(
    world: World, belfry: Belfry
) -> None:
    earlier, later = await queued(world, 2, accounts=False)
    gone = {"state": State.PUBLISHING, "attempts": 1, "attempt_id": Id(), "turn": earlier.account_id}
    await put(earlier, begun_at=now(), lease_until=now() + timedelta(minutes=1), **gone)
    elsewhere: MongoClient[Any] = MongoClient(runtime.current().settings.mongodb_url.get_secret_value())
    tables = elsewhere.get_default_database()

    def strike() -> None:
        """It fails as the later one gets in line: first the mark, then the turn."""
        if LISTENER.commands[-1] == "update accounts":
            LISTENER.witness = int
            tables["accounts"].update_one({"_id": earlier.account_id}, {"$set": {"retrying_until": now() + order.IN_ORDER}})
            tables["deliveries"].update_one({"_id": earlier.id}, {"$set": {"state": "scheduled", "turn": None}})

    LISTENER.witness = strike
    await ring(later)
    elsewhere.close()
    assert belfry.posts == {}
    back = await fresh(later)
    assert (back.state, back.turn) == (State.QUEUED, None)
    for _ in range(3):
        await world.pass_time(order.EARLY)
        await world.dispatch()
    assert list(belfry.posts) == [earlier.parts[0].key, later.parts[0].key]


async def test_what_stalls_in_the_lane_of_long_uploads_is_passed_after_a_while(world: World, belfry: Belfry) -> None:
    heavy, *light = await queued(world, 3, accounts=False)
    await put(heavy, heavy=True, due_at=heavy.due_at - timedelta(seconds=5))
    await publishing.publish(ids(light))
    assert belfry.posts == {}
    await world.pass_time(order.IN_ORDER)
    world.outbox.messages.clear()
    await publishing.publish(ids(light))
    called = {message.platform: message.delivery_ids for message in world.outbox.messages}
    assert called == {UPLOADS: [heavy.id]}
    assert list(belfry.posts) == [one.parts[0].key for one in light]
