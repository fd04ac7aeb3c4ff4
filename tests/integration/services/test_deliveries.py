"""Changing a delivery: only along the table, only by compare-and-set, and whatever happens to the connection."""

import asyncio
import logging
from itertools import product
from typing import Any

import pytest
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import BulkWriteError

from app import runtime
from app.engine import moves
from app.engine.faultpoints import ANSWERED
from app.errors import NotFound, TooLate
from app.ids import Id
from app.models import EDITABLE, EPOCH, FINAL, TRANSITIONS, Delivery, Part, State, now
from app.services.writing import remedies
from tests.integration.services.belfry import Belfry
from tests.integration.services.world import World, fresh, put, ring, until
from tests.servers.process import Server


async def delivery_in(world: World, state: State) -> Delivery:
    """A delivery that is ``state``, of a post of its own."""
    return await Delivery(
        workspace_id=world.workspace.id,
        post_id=Id(),
        account_id=world.accounts["bluesky"].id,
        platform="bluesky",
        state=state,
        planned_at=now(),
        due_at=now(),
        parts=[Part(key=Id(), text="Ring the bells")],
    ).insert()


# --- the table --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", State)
async def test_a_move_does_what_the_table_allows_and_nothing_else(world: World, source: State) -> None:
    for target in State:
        delivery = await delivery_in(world, source)
        if target in TRANSITIONS[source]:
            moved = await moves.move(delivery.id, source, target)
            assert moved == await fresh(delivery)
            assert moved.state == target
        else:
            with pytest.raises(ValueError, match=f"{source} cannot become {target}"):
                await moves.move(delivery.id, source, target)
            assert await fresh(delivery) == delivery


async def test_a_move_from_several_states_is_refused_if_one_of_them_forbids_it(world: World) -> None:
    delivery = await delivery_in(world, State.SCHEDULED)
    with pytest.raises(ValueError, match="published cannot become canceled"):
        await moves.move(delivery.id, (State.SCHEDULED, State.PUBLISHED), State.CANCELED)
    assert await fresh(delivery) == delivery


async def test_a_move_from_another_state_than_the_delivery_is_in_changes_nothing(world: World) -> None:
    for is_in, source in product((State.PUBLISHED, State.PUBLISHING, State.CANCELED), (State.SCHEDULED, State.QUEUED)):
        delivery = await delivery_in(world, is_in)
        assert await moves.move(delivery.id, source, State.QUEUED, strikes=9) is None
        assert await fresh(delivery) == delivery


async def test_of_many_who_move_the_same_delivery_one_succeeds(world: World) -> None:
    delivery = await delivery_in(world, State.SCHEDULED)
    guard = {"move_id": delivery.move_id}
    tried = await asyncio.gather(
        *(moves.move(delivery.id, State.SCHEDULED, State.QUEUED, where=guard, increase={"checks": 1}) for _ in range(20))
    )
    assert [one for one in tried if one is not None] == [await fresh(delivery)]
    assert (await fresh(delivery)).checks == 1


async def test_of_two_different_moves_at_once_one_succeeds(world: World) -> None:
    for _ in range(10):
        delivery = await delivery_in(world, State.QUEUED)
        sent, canceled = await asyncio.gather(
            moves.move(delivery.id, State.QUEUED, State.PUBLISHING),
            moves.move(delivery.id, State.QUEUED, State.CANCELED),
        )
        assert (sent is None) != (canceled is None)


# --- what people do ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", State)
async def test_only_what_ended_without_a_post_can_be_sent_again(world: World, state: State) -> None:
    delivery = await delivery_in(world, state)
    if state in FINAL - {State.PUBLISHED}:
        again = await remedies.send_again(world.workspace, delivery.id, sure=True)
        assert (again.state, again.strikes, again.trouble) == (State.SCHEDULED, 0, None)
    else:
        with pytest.raises(TooLate):
            await remedies.send_again(world.workspace, delivery.id)
        assert await fresh(delivery) == delivery


@pytest.mark.parametrize("state", State)
async def test_only_what_may_not_have_been_sent_can_be_dropped(world: World, state: State) -> None:
    delivery = await delivery_in(world, state)
    if state in EDITABLE:
        assert (await remedies.drop(world.workspace, delivery.id)).state == State.CANCELED
    else:
        with pytest.raises(TooLate):
            await remedies.drop(world.workspace, delivery.id)
        assert await fresh(delivery) == delivery


async def test_all_dead_letters_of_a_platform_are_sent_again_and_nothing_else(world: World) -> None:
    dead = [await delivery_in(world, state) for state in (State.FAILED, State.DEAD)]
    others = [await delivery_in(world, state) for state in set(State) - {State.FAILED, State.DEAD}]
    assert await remedies.send_all_again(world.elsewhere, "bluesky") == 0
    assert await remedies.send_all_again(world.workspace, "mastodon") == 0
    assert await remedies.send_all_again(world.workspace, "bluesky") == 2
    assert [(await fresh(delivery)).state for delivery in dead] == [State.SCHEDULED] * 2
    assert [await fresh(delivery) for delivery in others] == others


@pytest.mark.parametrize("state", [State.FAILED, State.UNCONFIRMED, State.SCHEDULED])
async def test_another_workspaces_delivery_does_not_exist(world: World, state: State) -> None:
    delivery = await delivery_in(world, state)
    await put(delivery, undecidable=state == State.UNCONFIRMED)
    before, alien = await fresh(delivery), world.elsewhere
    for action in (
        remedies.get(alien, delivery.id),
        remedies.send_again(alien, delivery.id),
        remedies.drop(alien, delivery.id),
        remedies.deny(alien, delivery.id),
        remedies.confirm(alien, delivery.id, url="https://belfry.example/1"),
        remedies.get(world.workspace, Id()),
    ):
        with pytest.raises(NotFound):
            await action
    assert await fresh(delivery) == before


# --- a database that is away for a moment -----------------------------------------------------------------------------


async def test_a_receipt_is_saved_even_if_the_database_is_away_for_a_moment(
    private: tuple[World, Server], caplog: pytest.LogCaptureFixture
) -> None:
    world, database = private
    delivery = await world.queued("bluesky")
    points = runtime.current().settings.fault_points
    assert points is not None
    (points / ANSWERED).touch()
    sending = asyncio.create_task(ring(delivery))
    await until(lambda: any(points.glob(f"{ANSWERED}.*")))
    database.stop()
    for held in points.glob(f"{ANSWERED}.*"):
        held.unlink()
    with caplog.at_level(logging.WARNING):
        await until(lambda: "database connection broke" in caplog.text)
    database.start()
    await sending
    published = await fresh(delivery)
    [post] = await world.judge.posts()
    assert (published.state, published.receipt.remote_id) == (State.PUBLISHED, post["id"])
    assert published.lease_until == EPOCH


async def test_a_receipt_is_saved_even_if_the_server_steps_down_meanwhile(
    world: World, belfry: Belfry, monkeypatch: pytest.MonkeyPatch
) -> None:
    delivery = await world.queued(belfry.name)
    write = AsyncCollection.bulk_write

    async def stepping_down(self: AsyncCollection[Any], *args: Any, **more: Any) -> Any:
        if belfry.posts:  # the write is rolled back with the old primary's last ones
            monkeypatch.setattr(AsyncCollection, "bulk_write", write)
            raise stepped_down()
        return await write(self, *args, **more)

    monkeypatch.setattr(AsyncCollection, "bulk_write", stepping_down)
    await ring(delivery)
    assert (await fresh(delivery)).state == State.PUBLISHED


def stepped_down() -> BulkWriteError:
    """As the driver raises it when its own second try fails too."""
    concern = {"code": 189, "errmsg": "Primary stepped down", "errorLabels": ["RetryableWriteError"]}
    error = BulkWriteError({"nMatched": 1, "writeErrors": [], "writeConcernErrors": [concern]})
    error._add_error_label("RetryableWriteError")
    return error
