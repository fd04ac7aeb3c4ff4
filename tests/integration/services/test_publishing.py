"""Publishing a delivery: once, only once, and the truth about it whatever strikes in between."""

import asyncio
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest

from app.engine import backoff, dispatching, publishing
from app.engine.faultpoints import ANSWERED, CLAIMED, FENCED, SAVED
from app.models import EPOCH, Account, AccountState, Delivery, Grant, State, now
from app.services.writing import posts, remedies, views
from app.services.writing.posts import Target
from tests.integration.services.belfry import NAME, Belfry
from tests.integration.services.world import World, fresh, of_post, put, ring, settings, until

UNANSWERED = {
    "error_500": False,
    "error_500_after_accept": True,
    "timeout_before_accept": False,
    "timeout_after_accept": True,
}
"""Fault -> whether the network accepted the post all the same."""

SETTLED = timedelta(minutes=5)
"""Longer than any network needs to finish what it was sent."""


# --- once -------------------------------------------------------------------------------------------------------------


async def test_a_due_delivery_is_published_and_keeps_the_networks_receipt(world: World, platform: str) -> None:
    delivery = await world.queued(platform)
    await world.outbox.deliver()
    published = await fresh(delivery)
    [post] = await world.judge.posts()
    assert published.state == State.PUBLISHED
    assert (published.receipt.remote_id, published.receipt.url) == (post["id"], post["url"])
    assert published.published_at is not None
    assert (published.trouble, published.attempts, published.lease_until) == (None, 1, EPOCH)


async def test_a_second_message_does_nothing(world: World, platform: str) -> None:
    delivery = await world.queued(platform)
    await ring(delivery)
    before = await fresh(delivery)
    assert await ring(delivery) is None
    assert await fresh(delivery) == before
    assert (await world.judge.counted(platform))["publish"] == 1


async def test_of_twenty_messages_at_the_same_time_one_publishes(world: World, platform: str) -> None:
    delivery = await world.queued(platform)
    await asyncio.gather(*(ring(delivery) for _ in range(20)))
    assert (await fresh(delivery)).state == State.PUBLISHED
    assert len(await world.texts()) == 1
    assert (await world.judge.counted(platform))["publish"] == 1


async def test_every_account_of_a_post_gets_it_once(world: World) -> None:
    post = await world.publish_now()
    await world.outbox.deliver()
    assert [delivery.state for delivery in await of_post(post)] == [State.PUBLISHED, State.PUBLISHED]
    assert sorted(await world.texts()) == [("bluesky", "Ring the bells"), ("mastodon", "Ring the bells")]


async def test_a_message_for_nothing_does_nothing(world: World) -> None:
    delivery = await world.queued("bluesky")
    await delivery.delete()
    await world.outbox.deliver()
    assert await world.texts() == []


async def test_the_attempt_is_on_record(world: World) -> None:
    delivery = await world.queued("bluesky")
    await world.outbox.deliver()
    [attempt] = (await fresh(delivery)).tries
    assert (attempt.number, attempt.worker, attempt.outcome) == (1, "worker-1", "published")
    assert attempt.finished_at is not None


# --- messages that have become old ------------------------------------------------------------------------------------


async def test_an_old_message_sends_the_edited_text_and_not_the_old_one(world: World) -> None:
    post = await world.publish_now("bluesky")
    edited = world.draft("bluesky", text="Ring them louder")
    await posts.publish_now(world.workspace, world.alice, edited, Target(post_id=post.id))
    await world.outbox.deliver()
    await world.dispatch()
    assert await world.texts() == [("bluesky", "Ring them louder")]


async def test_the_old_message_of_a_delivery_moved_to_later_does_nothing(world: World) -> None:
    delivery = await world.queued("bluesky")
    tomorrow = now() + timedelta(days=1)
    await posts.reschedule(world.workspace, delivery.post_id, date=f"{tomorrow:%Y-%m-%d}", time=f"{tomorrow:%H:%M}", zone="UTC")
    await world.outbox.deliver()
    assert (await fresh(delivery)).state == State.SCHEDULED
    assert await world.texts() == []


async def test_a_message_that_comes_too_early_is_sent_back_with_the_rest_of_its_delay(world: World) -> None:
    """A worker whose clock is behind would drop it else, and only the sweep would send it again."""
    delivery = await world.queued("bluesky")
    at = now() + settings().ready_time + timedelta(seconds=3)
    await put(delivery, due_at=at)
    again = await ring(delivery)
    assert again is not None
    assert (again.state, again.due_at) == (State.QUEUED, at - settings().ready_time)
    assert (await fresh(delivery)).state == State.QUEUED
    assert await world.texts() == []


async def test_the_message_of_a_canceled_delivery_does_nothing(world: World) -> None:
    delivery = await world.queued("bluesky")
    await posts.cancel(world.workspace, delivery.post_id)
    await world.outbox.deliver()
    assert (await fresh(delivery)).state == State.CANCELED
    assert await world.texts() == []


async def test_the_message_of_a_deleted_post_does_nothing(world: World) -> None:
    delivery = await world.queued("bluesky")
    await posts.delete(world.workspace, delivery.post_id)
    await world.outbox.deliver()
    assert await Delivery.get(delivery.id) is None
    assert await world.texts() == []


# --- no answer, or none that proves anything --------------------------------------------------------------------------


@pytest.mark.parametrize("fault", UNANSWERED)
async def test_what_the_network_may_have_accepted_is_asked_about_and_posted_once(world: World, platform: str, fault: str) -> None:
    delivery = await world.queued(platform)
    await world.judge.fault(platform, fault, times=1)
    await world.outbox.deliver()
    unclear = await fresh(delivery)
    assert (unclear.state, unclear.strikes, unclear.receipt) == (State.UNCONFIRMED, 1, None)
    assert len(await world.texts()) == UNANSWERED[fault]

    await world.pass_time(SETTLED)
    await world.dispatch()
    asked = await fresh(delivery)
    assert asked.state == (State.PUBLISHED if UNANSWERED[fault] else State.SCHEDULED)

    await world.pass_time(SETTLED)
    await world.dispatch()
    [post] = await world.judge.posts()
    published = await fresh(delivery)
    assert published.state == State.PUBLISHED
    assert published.receipt.remote_id == post["id"]


async def test_a_repetition_carries_the_same_key(world: World, platform: str) -> None:
    delivery = await world.queued(platform)
    await world.judge.fault(platform, "error_500", times=1)
    await world.outbox.deliver()
    for _ in range(2):
        await world.pass_time(SETTLED)
        await world.dispatch()
    assert [part.key for part in (await fresh(delivery)).parts] == [part.key for part in delivery.parts]
    assert len(await world.texts()) == 1


# --- refusals ---------------------------------------------------------------------------------------------------------


async def test_a_rate_limit_costs_no_strike_and_waits_as_long_as_the_network_says(world: World, platform: str) -> None:
    delivery = await world.queued(platform)
    await world.judge.fault(platform, "rate_limited", seconds=7, times=1)
    before = now()
    decision = await ring(delivery)
    limited = await fresh(delivery)
    assert (limited.state, limited.strikes) == (State.QUEUED, 0)
    assert decision is not None
    assert limited.due_at == decision.due_at
    assert timedelta(seconds=7) <= limited.due_at - before <= timedelta(seconds=7) + (now() - before)

    await world.pass_time(timedelta(seconds=7))
    await world.outbox.deliver()
    assert (await fresh(delivery)).state == State.PUBLISHED


async def test_a_rate_limit_beyond_the_horizon_waits_in_the_database(world: World, platform: str) -> None:
    delivery = await world.queued(platform)
    await world.judge.fault(platform, "rate_limited", seconds=600, times=1)
    await world.outbox.deliver()
    assert (await fresh(delivery)).state == State.SCHEDULED
    await world.dispatch()
    assert (await fresh(delivery)).state == State.SCHEDULED
    await world.pass_time(timedelta(seconds=601))
    await world.dispatch()
    assert (await fresh(delivery)).state == State.PUBLISHED


async def test_an_expired_token_is_renewed_once_and_the_new_ones_are_kept(world: World) -> None:
    before = await Grant.get(world.accounts["bluesky"].grant_id)
    delivery = await world.queued("bluesky")
    await world.judge.fault("bluesky", "expired_token", times=1)
    await world.outbox.deliver()
    renewed = await Grant.get(world.accounts["bluesky"].grant_id)
    assert (await fresh(delivery)).state == State.PUBLISHED
    assert before is not None
    assert renewed is not None
    assert renewed.version == before.version + 1
    assert renewed.sealed != before.sealed
    assert renewed.refreshing_until == EPOCH
    assert len(await world.texts()) == 1

    await world.queued("bluesky", text="And again")
    await world.outbox.deliver()
    assert (await world.judge.counted("bluesky"))["publish"] == 3  # the refused one, its repetition, the second post


async def test_where_tokens_cannot_be_renewed_a_person_is_asked_to_connect_again(world: World) -> None:
    delivery = await world.queued("mastodon")
    await world.judge.fault("mastodon", "expired_token", times=1)
    await world.outbox.deliver()
    account = await Account.get(delivery.account_id)
    assert account is not None
    assert account.state == AccountState.RECONNECT_NEEDED
    failed = await fresh(delivery)
    assert (failed.state, failed.trouble.remedy) == (State.FAILED, "reconnect")
    [row] = (await views.view(world.workspace, delivery.post_id)).deliveries
    assert "reconnect" in row.actions
    assert await world.texts() == []


async def test_a_refused_content_fails_with_the_networks_reason(world: World) -> None:
    delivery = await world.queued("mastodon")
    await put(delivery, parts=[{**part.model_dump(), "text": "x" * 501} for part in delivery.parts])
    await world.outbox.deliver()
    failed = await fresh(delivery)
    assert (failed.state, failed.trouble.remedy, failed.trouble.status) == (State.FAILED, "edit", 422)
    assert "character limit of 500" in failed.trouble.message
    await world.dispatch()
    assert (await world.judge.counted("mastodon"))["publish"] == 1


async def test_after_the_last_strike_the_delivery_is_dead(world: World) -> None:
    delivery = await world.queued("mastodon", attachments=(await world.picture(),))
    await world.judge.fault("mastodon", "error_500", on="upload")
    for strikes in range(1, len(backoff.STEPS) + 2):
        await world.outbox.deliver()
        tried = await fresh(delivery)
        assert tried.strikes == strikes
        await world.pass_time(max(tried.due_at - now(), timedelta()))
        if tried.state == State.SCHEDULED:
            await dispatching.run_pass(now())
    assert (tried.state, tried.attempts) == (State.DEAD, len(backoff.STEPS) + 1)
    assert await world.texts() == []

    await world.judge.http.delete("/faults")
    await remedies.send_again(world.workspace, delivery.id)
    await world.dispatch()
    assert (await fresh(delivery)).state == State.PUBLISHED


# --- interruptions ----------------------------------------------------------------------------------------------------


async def hold(world: World, delivery: Delivery, step: str, *behind: Delivery) -> "asyncio.Task[object]":
    """A worker that stands still at ``step`` of publishing ``delivery``, until :func:`release`; its message holds others too."""
    (settings().fault_points / step).touch()
    task = asyncio.create_task(ring(delivery, *behind))
    await until(lambda: any(settings().fault_points.glob(f"{step}.*")))
    return task


def ask_nobody() -> None:
    """No worker is held any more."""
    for point in settings().fault_points.iterdir():
        point.unlink()


async def release(task: "asyncio.Task[object]") -> None:
    """Let every held worker go on, and wait for ``task``."""
    ask_nobody()
    await task


@pytest.mark.parametrize("step", [CLAIMED, FENCED])
async def test_a_worker_stopped_before_it_sends_hands_the_delivery_back(world: World, platform: str, step: str) -> None:
    delivery = await world.queued(platform)
    task = await hold(world, delivery, step)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    returned = await fresh(delivery)
    assert (returned.state, returned.trouble.code, returned.turn) == (State.QUEUED, "interrupted", None)
    assert (returned.fenced_at, returned.first_sent_at) == (EPOCH, EPOCH)
    ask_nobody()
    await ring(delivery)  # the message is tried again: the actor was interrupted
    assert (await fresh(delivery)).state == State.PUBLISHED
    assert len(await world.texts()) == 1


async def test_a_worker_stopped_while_its_request_is_out_leaves_a_question(world: World, platform: str) -> None:
    delivery = await world.queued(platform)
    task = await hold(world, delivery, ANSWERED)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    assert (await fresh(delivery)).state == State.UNCONFIRMED
    assert await ring(delivery) is None
    for _ in range(2):
        await world.pass_time(SETTLED)
        await world.dispatch()
    assert (await fresh(delivery)).state == State.PUBLISHED
    assert len(await world.texts()) == 1


async def test_a_process_that_ends_hands_back_what_is_not_sent_and_finishes_what_may_be(world: World) -> None:
    early, late = await world.queued("bluesky"), await world.queued("mastodon")
    finishing = await hold(world, late, ANSWERED)
    stopping = await hold(world, early, CLAIMED)
    await publishing.hand_over()
    with suppress(asyncio.CancelledError):
        await stopping
    await release(finishing)
    assert (await fresh(early)).state == State.QUEUED
    assert (await fresh(late)).state == State.PUBLISHED
    assert [platform for platform, _ in await world.texts()] == ["mastodon"]


async def test_a_worker_that_was_taken_over_is_refused_at_the_fence(world: World, platform: str) -> None:
    delivery = await world.queued(platform)
    frozen = await hold(world, delivery, CLAIMED)
    for _ in range(2):
        await world.pass_time(settings().lease_time + timedelta(seconds=2))
        await world.dispatch()
    published = await fresh(delivery)
    assert published.state == State.PUBLISHED
    await release(frozen)
    assert await fresh(delivery) == published
    assert (await world.judge.counted(platform))["publish"] == 1


async def test_a_worker_that_was_taken_over_and_has_no_successor_yet_is_refused_too(world: World, platform: str) -> None:
    delivery = await world.queued(platform)
    frozen = await hold(world, delivery, CLAIMED)
    await world.pass_time(settings().lease_time + timedelta(seconds=2))
    await dispatching.run_pass(now())
    await release(frozen)
    assert (await fresh(delivery)).state == State.SCHEDULED
    assert await world.texts() == []


async def test_a_lease_that_ran_out_unnoticed_is_refused_at_the_fence(world: World, platform: str) -> None:
    delivery = await world.queued(platform)
    frozen = await hold(world, delivery, CLAIMED)
    await world.pass_time(settings().lease_time + timedelta(seconds=2))
    await release(frozen)
    assert await world.texts() == []
    assert (await fresh(delivery)).fenced_at == EPOCH


async def test_a_worker_that_comes_too_late_to_send_says_that_nothing_was_sent(world: World, platform: str) -> None:
    """The clock may have been set; then the network's dates prove nothing, and a person would be asked for no reason."""
    delivery = await world.queued(platform)
    late = await hold(world, delivery, FENCED)
    await put(delivery, lease_until=now() - timedelta(seconds=1))
    await dispatching.run_pass(now())
    assert (await fresh(delivery)).state == State.UNCONFIRMED
    [line] = publishing._running.values()
    line.at._lease_ends = 0.0  # it was asleep for that long
    await release(late)
    back = await fresh(delivery)
    assert (back.state, back.fenced_at, back.first_sent_at, back.not_before) == (State.SCHEDULED, EPOCH, EPOCH, EPOCH)
    await world.dispatch()
    assert len(await world.texts()) == 1


async def test_what_was_canceled_meanwhile_stays_canceled_when_nothing_was_sent(world: World) -> None:
    delivery, other = await of_post(await world.publish_now())
    late = await hold(world, delivery, FENCED)
    await posts.cancel(world.workspace, delivery.post_id)
    [line] = publishing._running.values()
    line.at._lease_ends = 0.0  # it was asleep for that long
    await release(late)
    assert [(await fresh(one)).state for one in (delivery, other)] == [State.CANCELED, State.CANCELED]
    assert await world.texts() == []


@pytest.mark.parametrize("step", [FENCED, ANSWERED])
async def test_a_worker_that_freezes_behind_the_fence_makes_no_second_post(world: World, platform: str, step: str) -> None:
    delivery = await world.queued(platform)
    frozen = await hold(world, delivery, step)
    for _ in range(3):
        await world.pass_time(SETTLED)
        await world.dispatch()
    published = await fresh(delivery)
    assert published.state == State.PUBLISHED
    await release(frozen)
    assert await fresh(delivery) == published
    assert len(await world.texts()) == 1


async def test_an_answer_that_comes_after_the_lease_was_lost_still_tells_what_became_of_the_post(world: World) -> None:
    delivery = await world.queued("bluesky")
    frozen = await hold(world, delivery, ANSWERED)
    await world.pass_time(settings().lease_time + timedelta(seconds=2))
    await dispatching.run_pass(now())
    assert (await fresh(delivery)).state == State.UNCONFIRMED
    await release(frozen)
    assert (await fresh(delivery)).state == State.PUBLISHED
    assert len(await world.texts()) == 1


async def test_a_process_that_dies_after_the_receipt_is_saved_repeats_nothing(world: World, platform: str) -> None:
    delivery = await world.queued(platform)
    dying = await hold(world, delivery, SAVED)
    dying.cancel()
    with suppress(asyncio.CancelledError):
        await dying
    await ring(delivery)
    assert (await fresh(delivery)).state == State.PUBLISHED
    assert (await world.judge.counted(platform))["publish"] == 1


# --- one account, one thing at a time ---------------------------------------------------------------------------------


async def test_two_deliveries_of_one_account_go_out_one_after_the_other_in_the_order_they_are_due(world: World) -> None:
    first, second = [await world.queued("bluesky", text=text) for text in ("First", "Second")]
    await put(first, due_at=second.due_at - timedelta(seconds=5))
    await ring(second)
    assert await world.texts() == []
    assert world.outbox.of(first) == ["publish", "publish"]  # its own message, and the call of the one that made room
    await world.outbox.deliver()
    assert await world.texts() == [("bluesky", "First"), ("bluesky", "Second")]


async def test_a_delivery_waits_while_another_one_of_its_account_is_being_sent(world: World) -> None:
    first, second = [await world.queued("bluesky", text=text) for text in ("First", "Second")]
    busy = await hold(world, first, FENCED)
    assert await ring(second) is None
    assert (await fresh(second)).state == State.QUEUED
    world.outbox.messages.clear()
    await release(busy)
    assert world.outbox.of(second) == ["publish"]
    await world.outbox.deliver()
    assert await world.texts() == [("bluesky", "First"), ("bluesky", "Second")]


async def test_accounts_do_not_wait_for_each_other(world: World) -> None:
    slow, quick = await world.queued("bluesky"), await world.queued("mastodon")
    busy = await hold(world, slow, CLAIMED)
    await ring(quick)
    assert (await fresh(quick)).state == State.PUBLISHED
    await release(busy)


async def test_an_account_whose_worker_died_is_free_again_after_the_lease(world: World) -> None:
    first, second = [await world.queued("bluesky", text=text) for text in ("First", "Second")]
    dying = await hold(world, first, CLAIMED)
    await ring(second)
    world.outbox.messages.clear()
    await world.pass_time(settings().lease_time + timedelta(seconds=2))
    await put(second, sweep_at=now() + timedelta(hours=1))
    await dispatching.run_pass(now())
    assert (await fresh(first)).turn is None
    assert world.outbox.of(second) == ["publish"]  # it waited, so it is called
    await world.dispatch()
    assert await world.texts() == [("bluesky", "First"), ("bluesky", "Second")]
    await release(dying)
    assert len(await world.texts()) == 2


async def test_a_delivery_whose_try_breaks_before_it_begins_is_left_to_its_own_message(world: World, belfry: Belfry) -> None:
    delivery = await world.queued(NAME)
    belfry.capabilities = replace(belfry.capabilities, quotas=None)  # type: ignore[arg-type]
    world.outbox.messages.clear()
    with pytest.raises(TypeError):
        await ring(delivery)
    assert world.outbox.messages == []
