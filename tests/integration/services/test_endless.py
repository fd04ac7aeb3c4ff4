"""Nothing is endless, nothing repeats without a key or a proof, and one broken thing stops only itself."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from app.engine import backoff, dispatching, reconciling
from app.engine.faultpoints import ANSWERED
from app.engine.order import IN_ORDER
from app.ids import Id
from app.models import EPOCH, Delivery, Part, Post, Receipt, State, now
from app.services.accounts import profiles
from app.services.writing import posts, remedies, views
from app.services.writing.posts import Target
from platforms.base import Idempotency
from platforms.errors import QuotaExhausted, RateLimited, Unavailable, UnexpectedReply
from tests.integration.services.belfry import NAME, Belfry
from tests.integration.services.test_posts import scheduled
from tests.integration.services.test_will import held, let_go
from tests.integration.services.world import World, fresh, of_post, put, ring, settings

SETTLED = timedelta(seconds=106)


# --- no key, no proof -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("keeps_out", "state"), [("native", State.SCHEDULED), ("lookup", State.SCHEDULED)])
async def test_what_is_absent_is_repeated_where_the_network_or_the_lookup_keeps_a_second_one_out(
    world: World, belfry: Belfry, keeps_out: str, state: State
) -> None:
    assert (await absent(world, belfry, Idempotency(keeps_out))).state == state


async def test_what_is_absent_is_not_repeated_where_nothing_keeps_a_second_one_out(world: World, belfry: Belfry) -> None:
    waiting = await absent(world, belfry, Idempotency.NONE)
    assert (waiting.state, waiting.undecidable) == (State.UNCONFIRMED, True)
    for _ in range(3):
        await world.pass_time(timedelta(hours=1))
        await world.dispatch()
    assert belfry.posts == {}
    assert (await views.view(world.workspace, waiting.post_id)).status == "needs you"


async def test_how_long_a_network_settles_is_its_own(world: World, belfry: Belfry) -> None:
    belfry.capabilities = replace(belfry.capabilities, settles_in=timedelta(minutes=10))
    waiting = await absent(world, belfry, Idempotency.LOOKUP)
    assert (waiting.state, waiting.undecidable) == (State.UNCONFIRMED, False)
    await world.pass_time(timedelta(minutes=10))
    await reconciling.reconcile(waiting.id)
    assert (await fresh(waiting)).state == State.SCHEDULED


async def test_absent_is_no_answer_while_the_request_may_still_leave(world: World, belfry: Belfry) -> None:
    """A worker may pause behind its fence for as long as a step, and only then send; and then the network takes its time."""
    delivery = await world.queued(NAME)
    belfry.publishing.append(UnexpectedReply(NAME, "odd", "An odd answer."))
    await world.outbox.deliver()
    await world.pass_time(timedelta(seconds=settings().step_limit) + belfry.capabilities.settles_in - timedelta(seconds=5))
    await reconciling.reconcile(delivery.id)
    waiting = await fresh(delivery)
    assert (waiting.state, waiting.undecidable) == (State.UNCONFIRMED, False)
    await world.pass_time(timedelta(seconds=6))
    await reconciling.reconcile(delivery.id)
    assert (await fresh(delivery)).state == State.SCHEDULED


async def absent(world: World, belfry: Belfry, keeps_out: Idempotency) -> Delivery:
    """A delivery that the network does not have, a minute after its answer got lost."""
    belfry.capabilities = replace(belfry.capabilities, idempotency=keeps_out)
    delivery = await world.queued(NAME)
    belfry.publishing.append(UnexpectedReply(NAME, "odd", "An odd answer."))
    await world.outbox.deliver()
    await world.pass_time(SETTLED)
    await reconciling.reconcile(delivery.id)
    return await fresh(delivery)


# --- receipts ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "state", [State.SCHEDULED, State.QUEUED, State.UNCONFIRMED, State.PROCESSING, State.MISSED, State.DEAD, State.CANCELED]
)
async def test_a_receipt_in_hand_is_kept_whatever_was_decided_meanwhile(world: World, belfry: Belfry, state: State) -> None:
    delivery = await world.queued(NAME)
    work = await held(world, delivery, ANSWERED)
    await put(delivery, state=state, attempt_id=Id(), lease_until=EPOCH, due_at=now() + timedelta(hours=1))
    let_go()
    await work
    kept = await fresh(delivery)
    assert (kept.state, kept.receipt) == (State.PUBLISHED, Receipt(remote_id="ring-1", url="https://belfry.example/ring-1"))


async def test_a_late_receipt_of_other_words_does_not_settle_the_new_ones(world: World, belfry: Belfry) -> None:
    delivery = await world.queued(NAME)
    work = await held(world, delivery, ANSWERED)
    await put(delivery, state=State.SCHEDULED, wording=2, attempt_id=Id(), due_at=now() + timedelta(hours=1))
    let_go()
    await work
    assert (await fresh(delivery)).state == State.SCHEDULED


async def test_an_interruption_does_not_drop_the_answer_in_hand(world: World, belfry: Belfry) -> None:
    delivery = await world.queued(NAME)
    work = await held(world, delivery, ANSWERED)
    let_go()
    await asyncio.sleep(0.025)  # the fault point looks every 20 ms; either way it must not get lost
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    await world.pass_time(timedelta(minutes=2))
    await world.dispatch()
    await world.dispatch()
    assert ((await fresh(delivery)).state, len(belfry.posts)) == (State.PUBLISHED, 1)


async def test_an_edit_never_replaces_a_part_that_is_out(world: World, belfry: Belfry) -> None:
    delivery = await world.queued(NAME)
    sent = Part(key="k-0", text="One", receipt=Receipt(remote_id="ring-9", url="https://belfry.example/ring-9"))
    unsent = Part(key="k-1", text="Two")
    await put(delivery, state=State.FAILED, parts=[sent.model_dump(), unsent.model_dump()], remote_id="ring-9")
    edited = world.draft(NAME, text="Three")
    await posts.publish_now(world.workspace, world.alice, edited, Target(post_id=delivery.post_id))
    assert (await fresh(delivery)).parts == [sent, unsent]


# --- ends -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("leaf", [RateLimited, QuotaExhausted])
async def test_a_limit_that_never_ends_does(world: World, belfry: Belfry, leaf: type[RateLimited]) -> None:
    delivery = await world.queued(NAME)
    belfry.publishing += [leaf(NAME, "slow", "Slow down.", retry_after=timedelta())] * 1000
    for _ in range(250):
        await world.outbox.deliver()
        await world.dispatch()
        waiting = await fresh(delivery)
        if waiting.state == State.DEAD:
            break
        await world.pass_time(waiting.due_at - now())
    assert waiting.state == State.DEAD


async def test_a_quota_that_is_used_up_stops_the_account_once_and_not_every_delivery(world: World, belfry: Belfry) -> None:
    waiting = [await world.queued(NAME, text=f"Bell {number}") for number in range(5)]
    belfry.publishing.append(QuotaExhausted(NAME, "quota", "Used up.", retry_after=timedelta(hours=2)))
    await world.outbox.deliver()
    await world.dispatch()
    states = [await fresh(one) for one in waiting]
    assert [one.state for one in states] == [State.SCHEDULED] * 5
    assert [one.attempts for one in states] == [1, 0, 0, 0, 0]
    await world.pass_time(timedelta(hours=2, seconds=2))
    for _ in range(6):
        await world.dispatch()
    assert len(belfry.posts) == 5


async def test_a_processing_that_never_ends_is_shown_to_a_person(world: World, belfry: Belfry) -> None:
    belfry.processing = True
    delivery = await world.queued(NAME)
    await world.outbox.deliver()
    assert (await fresh(delivery)).state == State.PROCESSING
    for _ in range(10):
        await world.pass_time(timedelta(hours=3))
        await world.dispatch()
    open_question = await fresh(delivery)
    assert (open_question.state, open_question.undecidable) == (State.UNCONFIRMED, True)


async def test_a_lane_that_stalls_is_not_filled_with_copies_and_in_the_end_it_is_missed(world: World) -> None:
    delivery = await world.queued("bluesky")
    world.outbox.messages.clear()
    sent = 0
    for _ in range(120):  # an hour
        await world.pass_time(timedelta(seconds=30))
        await dispatching.run_pass(now())
        sent += len(world.outbox.messages)
        world.outbox.messages.clear()
    assert 3 <= sent <= 8
    await world.pass_time(timedelta(days=1))
    await dispatching.run_pass(now())
    missed = await fresh(delivery)
    assert (missed.state, missed.trouble.code if missed.trouble else None) == (State.MISSED, "never_taken")


# --- in order ---------------------------------------------------------------------------------------------------------


async def test_a_later_post_waits_for_an_earlier_one_that_is_tried_again_and_passes_it_after_a_while(
    world: World, belfry: Belfry
) -> None:
    first = await world.queued(NAME, text="First")
    belfry.publishing += [Unavailable(NAME, "away", "Away.", retry_after=timedelta(seconds=40))] * 20
    await world.outbox.deliver()
    second = await world.queued(NAME, text="Second")
    again = await ring(second)
    assert again is not None
    assert again.due_at >= (await fresh(first)).due_at
    assert belfry.posts == {}
    belfry.publishing.clear()
    belfry.publishing += [Unavailable(NAME, "away", "Away.", retry_after=timedelta(minutes=20))]
    await world.pass_time(timedelta(seconds=41))
    await world.outbox.deliver()
    await world.pass_time(IN_ORDER)
    await world.dispatch()
    assert [(await fresh(one)).state for one in (first, second)] == [State.SCHEDULED, State.PUBLISHED]
    [row] = (await views.view(world.workspace, first.post_id)).deliveries
    assert "do not wait for it" in row.detail


async def test_an_earlier_post_that_is_tried_again_in_time_goes_first(world: World, belfry: Belfry) -> None:
    await world.queued(NAME, text="First")
    belfry.publishing.append(Unavailable(NAME, "away", "Away."))
    await world.outbox.deliver()
    await world.queued(NAME, text="Second")
    await world.outbox.deliver()
    await world.pass_time(backoff.STEPS[0] + timedelta(seconds=3))
    for _ in range(4):
        await world.dispatch()
        await world.pass_time(timedelta(seconds=3))
    assert list(belfry.posts.values()) == ["ring-1", "ring-2"]
    sent = [one for one in await Delivery.find({}).sort("published_at").to_list() if one.platform == NAME]
    assert [one.text for one in sent] == ["First", "Second"]


# --- one broken thing -------------------------------------------------------------------------------------------------


async def test_a_document_that_cannot_be_read_stops_nothing_else(world: World, caplog: pytest.LogCaptureFixture) -> None:
    broken = await world.queued("bluesky", text="Broken")
    post = await scheduled(world, "mastodon", text="Broken post")
    await put(broken, parts="none of this version's")
    await put(post, variants="none of this version's")
    fine = await world.queued("bluesky", text="Fine")
    await world.outbox.deliver()
    await dispatching.take_all_over()
    await world.dispatch()
    assert await world.texts() == [("bluesky", "Fine")]
    assert (await fresh(fine)).state == State.PUBLISHED
    assert [view.text for view in await posts.listed(world.workspace)] == ["Fine", "Broken"]
    assert f"delivery {broken.id} cannot be read" in caplog.text
    assert f"post {post.id} cannot be read" in caplog.text


async def test_an_account_that_cannot_be_read_stops_only_itself(world: World) -> None:
    await world.queued("bluesky")
    await put(world.accounts["bluesky"], limits="none of this version's")
    await world.publish_now("mastodon", text="Fine")
    await world.outbox.deliver()
    await world.dispatch()
    assert await world.texts() == [("mastodon", "Fine")]
    assert [account.platform for account in await profiles.listed(world.workspace)] == ["mastodon"]
    assert len(await posts.listed(world.workspace)) == 2


async def test_send_all_again_counts_only_those_that_can_go(world: World) -> None:
    for text in ("One", "Two"):
        [one] = await of_post(await world.publish_now("bluesky", text=text))
        await put(one, state=State.DEAD)
    assert await remedies.dead_platforms(world.workspace) == {"bluesky": 2}
    [canceled] = await of_post(await world.publish_now("bluesky", text="Three"))
    await put(canceled, state=State.DEAD)
    await posts.cancel(world.workspace, (await scheduled(world, "mastodon")).id)
    await Post.get_pymongo_collection().update_one({"_id": canceled.post_id}, {"$set": {"canceled": True}})
    assert await remedies.dead_platforms(world.workspace) == {"bluesky": 2}
    await put(world.accounts["bluesky"], state="reconnect_needed")
    assert await remedies.dead_platforms(world.workspace) == {}
    assert await remedies.send_all_again(world.workspace, "bluesky") == 0
