"""A person's will holds: it is looked at until the last moment, and nothing that was decided comes back by itself."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from app.engine import outbox
from app.engine.faultpoints import CLAIMED, FENCED, UPLOADED
from app.errors import Conflict, Invalid, TooLate, Unsure
from app.models import EPOCH, Delivery, Post, State, now
from app.services.accounts import profiles
from app.services.writing import posts, remedies, views, wallclock
from app.services.writing.posts import Target
from app.zones import instant
from platforms.errors import TimedOut, UnexpectedReply
from tests.integration.services.belfry import NAME, Belfry
from tests.integration.services.test_posts import planned, scheduled
from tests.integration.services.world import World, fresh, of_post, put, settings, settled, until

Act = Callable[[World, Delivery], Awaitable[object]]


async def held(world: World, delivery: Delivery, step: str) -> "asyncio.Task[None]":
    """A worker that stands still at ``step`` with this delivery."""
    folder = settings().fault_points
    assert folder is not None
    (folder / f"{step}.{delivery.account_id}").touch()
    work = asyncio.create_task(world.outbox.deliver())
    await until(lambda: any(folder.glob(f"{step}.{delivery.account_id}.*")))
    return work


def let_go() -> None:
    folder = settings().fault_points
    assert folder is not None
    for file in folder.iterdir():
        file.unlink()


async def disconnect(world: World, delivery: Delivery) -> None:
    await profiles.disconnect(world.workspace, delivery.account_id)


async def cancel(world: World, delivery: Delivery) -> None:
    await posts.cancel(world.workspace, delivery.post_id)


# --- until the fence --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("act", [disconnect, cancel])
@pytest.mark.parametrize("step", [CLAIMED, UPLOADED])
async def test_what_is_taken_back_before_the_fence_is_not_sent(world: World, act: Act, step: str) -> None:
    delivery = await world.queued("bluesky", attachments=(await world.picture(),))
    work = await held(world, delivery, step)
    await act(world, delivery)
    let_go()
    await work
    stopped = await fresh(delivery)
    assert (stopped.state, stopped.fenced_at, await world.texts()) == (State.CANCELED, EPOCH, [])
    assert (await fresh(delivery)).tries[-1].outcome in ("not wanted any more", "taken back")


@pytest.mark.parametrize("act", [disconnect, cancel])
async def test_what_is_taken_back_behind_the_fence_goes_out_and_is_said_to(world: World, act: Act) -> None:
    delivery = await world.queued("bluesky")
    work = await held(world, delivery, FENCED)
    if act is cancel:
        with pytest.raises(TooLate):
            await act(world, delivery)
    else:
        await act(world, delivery)
    let_go()
    await work
    assert (await fresh(delivery)).state == State.PUBLISHED
    assert (await views.view(world.workspace, delivery.post_id)).status == "published"
    assert len(await world.texts()) == 1


async def test_an_edit_of_what_a_worker_may_be_sending_changes_nothing(world: World) -> None:
    delivery = await world.queued("bluesky")
    work = await held(world, delivery, FENCED)
    for verb in (posts.publish_now, posts.save_draft):
        with pytest.raises(TooLate):
            await verb(world.workspace, world.alice, world.draft("bluesky", text="Other"), Target(post_id=delivery.post_id))
    let_go()
    await work
    assert await world.texts() == [("bluesky", "Ring the bells")]
    assert (await views.view(world.workspace, delivery.post_id)).text == "Ring the bells"


@pytest.mark.parametrize("verb", [posts.publish_now, posts.save_draft])
async def test_an_edit_takes_back_what_a_worker_is_only_preparing(world: World, verb: Any) -> None:
    delivery = await world.queued("bluesky")
    work = await held(world, delivery, CLAIMED)
    await verb(world.workspace, world.alice, world.draft("bluesky", text="Other"), Target(post_id=delivery.post_id))
    let_go()
    await work
    await world.dispatch()
    assert await world.texts() == ([("bluesky", "Other")] if verb is posts.publish_now else [])


async def test_an_edit_that_comes_too_late_for_one_account_takes_nothing_from_the_worker_of_another(world: World) -> None:
    preparing, sending = await outbox.of((await world.publish_now()).id)
    await put(sending, state=State.PUBLISHING, fenced_at=now())
    await put(preparing, state=State.PUBLISHING, turn=preparing.account_id)
    before = await fresh(preparing)
    with pytest.raises(TooLate):
        await posts.publish_now(world.workspace, world.alice, world.draft(text="Other"), Target(post_id=sending.post_id))
    assert await fresh(preparing) == before


async def test_a_deleted_post_is_not_sent_by_who_has_claimed_it(world: World) -> None:
    delivery = await world.queued("bluesky")
    work = await held(world, delivery, CLAIMED)
    await Post.get_pymongo_collection().delete_one({"_id": delivery.post_id})
    let_go()
    await work
    assert ((await fresh(delivery)).state, await world.texts()) == (State.CANCELED, [])


# --- a save that was cut off ------------------------------------------------------------------------------------------


async def test_a_save_that_was_cut_off_before_its_deliveries_followed_is_completed(world: World) -> None:
    post = await scheduled(world)
    first, second = await of_post(post)
    other, ago = "Ring them louder", now() - timedelta(minutes=1)
    await put(post, text=other, revision=type(post.id)(), settling=True, settling_at=ago, planned_at=now())
    await second.delete()
    await world.dispatch()
    await world.dispatch()
    assert sorted(await world.texts()) == [("bluesky", other), ("mastodon", other)]
    assert (await fresh(first)).text == other
    done = await Post.get(post.id)
    assert done is not None
    assert done.settling_at == EPOCH


async def test_a_draft_whose_save_was_cut_off_cannot_be_canceled_and_is_not_sent(world: World) -> None:
    post = await scheduled(world, "bluesky")
    await put(post, draft=True, revision=type(post.id)(), settling=True, settling_at=now())
    with pytest.raises(TooLate):
        await posts.cancel(world.workspace, post.id)
    left = await Post.get(post.id)
    assert left is not None
    assert (left.draft, left.canceled) == (True, False)
    await put(post, settling_at=now() - timedelta(minutes=1))
    await world.dispatch()
    assert (await of_post(post), await world.texts()) == ([], [])


async def test_what_lags_behind_its_post_is_not_sent_but_follows_it(world: World) -> None:
    """A hold that ended while its save took longer: the worker sees it behind the fence."""
    delivery = await world.queued("bluesky")
    work = await held(world, delivery, CLAIMED)
    post = await Post.get(delivery.post_id)
    assert post is not None
    await put(post, text="Ring them louder", revision=type(post.id)())
    let_go()
    await work
    assert await world.texts() == []
    await world.dispatch()
    assert await world.texts() == [("bluesky", "Ring them louder")]


async def test_a_save_that_is_cut_off_while_it_holds_lets_go_by_itself(world: World) -> None:
    delivery = await world.queued("bluesky")
    await put(delivery, held_by=delivery.id, held_until=now() + timedelta(seconds=20))
    await world.outbox.deliver()
    assert await world.texts() == []
    with pytest.raises(Conflict):
        await posts.save_draft(world.workspace, world.alice, world.draft("bluesky"), Target(post_id=delivery.post_id))
    await world.pass_time(timedelta(minutes=1))
    await world.dispatch()
    assert (await fresh(delivery)).state == State.PUBLISHED


# --- what was decided -------------------------------------------------------------------------------------------------


async def test_a_dropped_delivery_stays_dropped_when_the_post_is_planned_anew(world: World) -> None:
    post = await scheduled(world)
    dropped, other = await of_post(post)
    await remedies.drop(world.workspace, dropped.id)
    later = planned(world.draft(), timedelta(days=2))
    await posts.reschedule(world.workspace, post.id, date=later.date, time=later.time, zone=later.zone)
    assert [(await fresh(one)).state for one in (dropped, other)] == [State.CANCELED, State.SCHEDULED]
    assert (await posts.draft_of(world.workspace, post.id)).account_ids == (other.account_id,)


async def test_a_canceled_post_asks_before_it_goes_out(world: World) -> None:
    post = await scheduled(world, "bluesky")
    [delivery] = await of_post(post)
    await posts.cancel(world.workspace, post.id)
    later = planned(world.draft("bluesky"), timedelta(days=2))
    moved = {"date": later.date, "time": later.time, "zone": later.zone}
    for asks in (
        posts.publish_now(world.workspace, world.alice, later, Target(post_id=post.id)),
        posts.reschedule(world.workspace, post.id, **moved),
        remedies.send_again(world.workspace, delivery.id),
    ):
        with pytest.raises(Unsure):
            await asks
    assert (await views.view(world.workspace, post.id)).status == "canceled"
    await posts.reschedule(world.workspace, post.id, **moved, sure=True)
    assert (await views.view(world.workspace, post.id)).status == "scheduled"


async def test_sending_again_what_was_canceled_sends_it(world: World) -> None:
    post = await world.publish_now("bluesky")
    await posts.cancel(world.workspace, post.id)
    [delivery] = await of_post(post)
    await remedies.send_again(world.workspace, delivery.id, sure=True)
    await world.dispatch()
    assert (await fresh(delivery)).state == State.PUBLISHED


async def test_the_same_words_sent_again_are_the_same_post_to_the_network(world: World, belfry: Belfry) -> None:
    delivery = await world.queued(NAME)
    belfry.publishing.append(TimedOut(NAME, "no_answer", "Lost."))
    belfry.asking.append(UnexpectedReply(NAME, "no_way", "It cannot be asked."))
    await world.outbox.deliver()
    await world.pass_time(timedelta(seconds=3))
    await world.dispatch()
    assert (await fresh(delivery)).undecidable
    await remedies.drop(world.workspace, delivery.id)
    dropped = await fresh(delivery)
    assert (dropped.state, dropped.dropped) == (State.CANCELED, True)
    assert "may be on the network" in (await views.view(world.workspace, delivery.post_id)).deliveries[0].detail
    again = await remedies.send_again(world.workspace, delivery.id, sure=True)
    assert (again.parts, again.content_at) == (delivery.parts, delivery.content_at)
    await world.pass_time(timedelta(minutes=2))
    await world.dispatch()
    assert (await fresh(delivery)).state == State.PUBLISHED
    assert len(belfry.posts) == 1


async def test_it_is_not_there_asks_about_the_time_when_that_is_long_past(world: World, belfry: Belfry) -> None:
    delivery = await world.queued(NAME)
    ago = now() - timedelta(hours=5)
    await put(delivery, state=State.UNCONFIRMED, undecidable=True, fenced_at=ago, planned_at=ago)
    assert (await remedies.deny(world.workspace, delivery.id)).state == State.MISSED


@pytest.mark.parametrize("address", ["https://example.org/1", "https://bsky.app/profile/somebody.else/post/3kabc", "https://"])
async def test_it_is_there_takes_only_an_address_of_that_account(world: World, address: str) -> None:
    delivery = await world.queued("bluesky")
    await put(delivery, state=State.UNCONFIRMED, undecidable=True, fenced_at=now())
    with pytest.raises(Invalid):
        await remedies.confirm(world.workspace, delivery.id, url=address)
    assert (await fresh(delivery)).state == State.UNCONFIRMED


async def test_it_is_there_takes_the_address_that_the_page_would_show(world: World, platform: str) -> None:
    sent = await world.publish_now(platform)
    await world.outbox.deliver()
    [row] = (await views.view(world.workspace, sent.id)).deliveries
    assert row.url is not None
    receipt = row.delivery.receipt
    part = row.delivery.parts[0].model_copy(update={"receipt": None})
    await put(
        row.delivery,
        state=State.UNCONFIRMED,
        undecidable=True,
        fenced_at=now(),
        parts=[part.model_dump()],
        remote_id=None,
    )
    confirmed = await remedies.confirm(world.workspace, row.delivery.id, url=f" {row.url} ")
    assert receipt is not None
    assert confirmed.receipt is not None
    assert (confirmed.state, confirmed.receipt.remote_id) == (State.PUBLISHED, receipt.remote_id)


# --- time -------------------------------------------------------------------------------------------------------------


async def test_a_new_time_zone_database_moves_the_instant_and_not_the_wall_time(world: World) -> None:
    post = await posts.schedule(world.workspace, world.alice, planned(world.draft(), timedelta(days=3), zone="Europe/Berlin"))
    assert post.planned_local is not None
    dropped, other = await of_post(post)
    await remedies.drop(world.workspace, dropped.id)
    old_rules = post.planned_at + timedelta(hours=1)
    await put(post, planned_at=old_rules)
    await put(other, planned_at=old_rules, due_at=old_rules)
    assert await wallclock.keep(now()) == 1
    moved, kept = await fresh(other), await Post.get(post.id)
    assert kept is not None
    assert kept.planned_at == moved.due_at == moved.planned_at == instant(post.planned_local, "Europe/Berlin") == post.planned_at
    assert (await fresh(dropped)).state == State.CANCELED
    assert await wallclock.keep(now()) == 0


async def test_a_post_that_is_not_waiting_as_a_whole_keeps_its_instant(world: World) -> None:
    post = await scheduled(world)
    failed, _ = await of_post(post)
    await put(failed, state=State.FAILED)
    await put(post, planned_at=post.planned_at + timedelta(hours=1))
    assert await wallclock.keep(now()) == 0
    assert (await fresh(failed)).state == State.FAILED
    await settled()
