"""A person changes their mind twice: what was canceled for good stays canceled, and a refusal changes nothing."""

import asyncio
from contextlib import suppress
from datetime import timedelta

import pytest

from app.engine import dispatching, outbox
from app.engine.faultpoints import CLAIMED, FENCED
from app.errors import TooLate
from app.ids import Id
from app.models import Post, State, now
from app.services.accounts import connecting, profiles
from app.services.writing import posts, remedies, views
from app.services.writing.posts import Target
from platforms.errors import UnexpectedReply
from tests.integration.services.belfry import NAME, Belfry
from tests.integration.services.test_posts import scheduled
from tests.integration.services.test_publishing import SETTLED, hold, release
from tests.integration.services.world import World, fresh, of_post, put, ring, settings


async def test_sending_a_canceled_one_again_that_is_refused_leaves_its_post_canceled(world: World) -> None:
    post = await world.publish_now()
    done, _ = await of_post(post)
    await posts.cancel(world.workspace, post.id)
    await outbox.hold(post, Id())  # somebody is saving it
    with pytest.raises(TooLate):
        await remedies.send_again(world.workspace, done.id, sure=True)
    assert (await Post.get(post.id)).canceled


async def test_sending_what_is_published_again_leaves_its_post_canceled(world: World) -> None:
    post = await world.publish_now("bluesky", "mastodon")
    await world.outbox.hand_over(world.outbox.messages.pop(0))
    await posts.cancel(world.workspace, post.id)
    done = next(one for one in await of_post(post) if one.state == State.PUBLISHED)
    with pytest.raises(TooLate):
        await remedies.send_again(world.workspace, done.id, sure=True)
    assert (await Post.get(post.id)).canceled


async def test_sending_one_again_does_not_revive_another_that_is_still_to_be_stopped(world: World) -> None:
    post = await world.publish_now()
    going, waiting = await of_post(post)
    worker = await hold(world, going, FENCED)
    await posts.cancel(world.workspace, post.id)
    with pytest.raises(TooLate):
        await remedies.send_again(world.workspace, waiting.id, sure=True)
    worker.cancel()
    with suppress(asyncio.CancelledError):
        await worker
    assert (await fresh(going)).state == State.CANCELED
    await remedies.send_again(world.workspace, waiting.id, sure=True)
    await world.dispatch()
    assert [platform for platform, _ in await world.texts()] == [waiting.platform]


async def test_what_was_canceled_on_its_way_and_failed_is_not_shown_as_if_it_were_tried_again(world: World) -> None:
    post = await world.publish_now()
    going, _ = await of_post(post)
    worker = await hold(world, going, CLAIMED)
    await posts.cancel(world.workspace, post.id)
    worker.cancel()
    with suppress(asyncio.CancelledError):
        await worker
    assert (await fresh(going)).state == State.CANCELED


async def test_what_was_canceled_in_the_hands_of_a_worker_that_died_is_canceled(world: World) -> None:
    post = await world.publish_now()
    going, _ = await of_post(post)
    worker = await hold(world, going, CLAIMED)
    await posts.cancel(world.workspace, post.id)
    await world.pass_time(settings().lease_time + timedelta(seconds=2))
    await dispatching.run_pass(now())
    assert (await fresh(going)).state == State.CANCELED
    await release(worker)
    assert await world.texts() == []


@pytest.mark.parametrize("asked", [True, False])
async def test_what_was_canceled_while_nobody_knew_is_not_sent_again(world: World, belfry: Belfry, asked: bool) -> None:
    post = await world.publish_now("bluesky", NAME)
    [unclear] = [one for one in await of_post(post) if one.platform == NAME]
    belfry.publishing.append(UnexpectedReply(NAME, "odd", "An odd answer."))
    await ring(unclear)
    await posts.cancel(world.workspace, post.id)
    if asked:
        belfry.asking.append(UnexpectedReply(NAME, "no_way", "This network cannot be asked."))
    await world.pass_time(SETTLED)
    await world.dispatch()
    if asked:
        await remedies.deny(world.workspace, unclear.id)
    assert (await fresh(unclear)).state == State.CANCELED


@pytest.mark.parametrize("draft", [True, False])
async def test_what_was_dropped_and_left_out_is_not_sent_again(world: World, draft: bool) -> None:
    post = await world.publish_now()
    dropped, _ = await of_post(post)
    await remedies.drop(world.workspace, dropped.id)
    save = posts.save_draft if draft else posts.publish_now
    await save(world.workspace, world.alice, world.draft("mastodon"), Target(post_id=post.id))
    before = await fresh(dropped)
    with pytest.raises(TooLate):
        await remedies.send_again(world.workspace, dropped.id, sure=True)
    [row] = [row for row in (await views.view(world.workspace, post.id)).deliveries if row.delivery.id == dropped.id]
    assert (await fresh(dropped), row.actions) == (before, frozenset())


async def test_a_question_that_was_dropped_after_all_was_canceled_does_not_lag_behind(world: World, belfry: Belfry) -> None:
    post = await world.publish_now("bluesky", NAME)
    [unclear] = [one for one in await of_post(post) if one.platform == NAME]
    belfry.publishing.append(UnexpectedReply(NAME, "odd", "An odd answer."))
    belfry.asking.append(UnexpectedReply(NAME, "no_way", "This network cannot be asked."))
    await ring(unclear)
    canceled = await posts.cancel(world.workspace, post.id)
    await world.pass_time(SETTLED)
    await world.dispatch()
    await remedies.drop(world.workspace, unclear.id)
    dropped = await fresh(unclear)
    assert (dropped.state, dropped.dropped, dropped.revision) == (State.CANCELED, True, canceled.revision)
    await remedies.send_again(world.workspace, unclear.id, sure=True)
    await world.dispatch()
    assert (await fresh(unclear)).state == State.PUBLISHED


async def test_a_disconnection_holds_though_an_earlier_save_was_cut_off(world: World) -> None:
    post = await scheduled(world, "bluesky")
    [delivery] = await of_post(post)
    ago = now() - timedelta(minutes=1)
    await put(post, text="Ring them louder", revision=Id(), planned_at=now(), settling=True, settling_at=ago)
    await profiles.disconnect(world.workspace, delivery.account_id)
    assert (await views.view(world.workspace, post.id)).status == "canceled"
    await connecting.connect_sandbox(world.workspace)
    for _ in range(3):
        await world.dispatch()
    assert ((await fresh(delivery)).state, await world.texts()) == (State.CANCELED, [])


async def test_a_drop_holds_though_an_earlier_save_was_cut_off(world: World) -> None:
    post = await scheduled(world, "bluesky")
    [delivery] = await of_post(post)
    ago = now() - timedelta(minutes=1)
    await put(post, text="Ring them louder", revision=Id(), planned_at=now(), settling=True, settling_at=ago)
    await remedies.drop(world.workspace, delivery.id)
    for _ in range(3):
        await world.dispatch()
    dropped = await fresh(delivery)
    assert (dropped.state, dropped.dropped, await world.texts()) == (State.CANCELED, True, [])


@pytest.mark.parametrize("answer", ["deny", "drop and send again"])
async def test_who_is_asked_early_sends_nothing_before_the_network_has_settled(world: World, belfry: Belfry, answer: str) -> None:
    """A request that was given up may still arrive: a second one beside it would be a second post."""
    delivery = await world.queued(NAME)
    fenced_at = now() - timedelta(seconds=5)
    limits = timedelta(seconds=settings().step_limit) + belfry.capabilities.settles_in
    settled = {"first_sent_at": fenced_at, "not_before": fenced_at + limits}
    await put(delivery, state=State.UNCONFIRMED, undecidable=True, fenced_at=fenced_at, **settled)
    if answer == "deny":
        await remedies.deny(world.workspace, delivery.id)
    else:
        await remedies.drop(world.workspace, delivery.id)
        await remedies.send_again(world.workspace, delivery.id, sure=True)
    await world.dispatch()
    waiting = await fresh(delivery)
    assert (waiting.state, belfry.posts) == (State.SCHEDULED, {})
    assert "may still appear" in (await views.view(world.workspace, delivery.post_id)).deliveries[0].detail
    assert waiting.due_at >= fenced_at + limits - timedelta(milliseconds=1)
    await world.pass_time(limits)
    await world.dispatch()
    assert (await fresh(delivery)).state == State.PUBLISHED
