"""Several deliveries of one account: whoever is in line is called, whatever becomes of those before it."""

from datetime import timedelta
from typing import Any

import pytest
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import AutoReconnect

from app.courier import PUBLISH
from app.engine import order, publishing
from app.engine.faultpoints import CLAIMED
from app.models import State, now
from app.models.deliveries import UPLOADS
from app.services.writing import posts
from tests.integration.services.belfry import Belfry
from tests.integration.services.test_batches import ids, queued
from tests.integration.services.test_publishing import hold, release
from tests.integration.services.world import World, fresh, put, ring


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


async def test_a_second_try_that_came_a_moment_early_with_another_one_is_called_for_its_time(
    world: World, belfry: Belfry
) -> None:
    one, other = await queued(world, 2, accounts=False)
    at = now()
    await put(one, begun_at=at, due_at=at)
    await put(other, begun_at=at, due_at=at + timedelta(seconds=1.5))
    await publishing.publish_all(ids([one, other]))
    assert (await fresh(one)).state == State.PUBLISHED
    assert world.outbox.of(other) == [PUBLISH]


async def test_one_that_is_canceled_when_it_was_called_leaves_the_call_to_the_next(world: World, belfry: Belfry) -> None:
    first, second, third = await queued(world, 3, accounts=False)
    await publishing.publish(ids([first, second, third]))
    assert world.outbox.of(second) == [PUBLISH]
    await posts.cancel(world.workspace, second.post_id)
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


async def test_what_stalls_in_the_lane_of_long_uploads_is_passed_after_a_while(world: World, belfry: Belfry) -> None:
    heavy, *light = await queued(world, 3, accounts=False)
    await put(heavy, heavy=True, due_at=heavy.due_at - timedelta(seconds=5))
    await publishing.publish(ids(light))
    assert belfry.posts == {}
    await world.pass_time(order.IN_ORDER)
    world.outbox.messages.clear()
    await publishing.publish(ids(light))
    called = {message.platform: message.delivery_ids for message in world.outbox.messages}
    assert called == {UPLOADS: [heavy.id], heavy.platform: [light[1].id]}
    assert list(belfry.posts) == [light[0].parts[0].key]
