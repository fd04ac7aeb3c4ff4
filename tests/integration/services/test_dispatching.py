"""The dispatcher: what is due goes to the broker, and what got lost on the way is found again."""

import asyncio
import logging
from datetime import timedelta

import pytest

from app.engine import backoff, dispatching
from app.ids import Id
from app.models import EPOCH, Attempt, AttemptKind, Delivery, Grant, LatePolicy, Post, State, Workspace, now
from app.services.writing import posts
from tests.integration.services.belfry import NAME, Belfry
from tests.integration.services.world import World, fresh, of_post, put, ring, settings, settled

MINUTE = timedelta(minutes=1)


async def due_in(world: World, delay: timedelta, platform: str = "bluesky") -> Delivery:
    """A delivery that waits in the database and is due after ``delay``."""
    later = now() + timedelta(days=1)
    draft = world.draft(platform, date=f"{later:%Y-%m-%d}", time=f"{later:%H:%M}")
    post: Post = await posts.schedule(world.workspace, world.alice, draft)
    [delivery] = await of_post(post)
    await put(delivery, due_at=now() + delay, planned_at=now() + delay)
    return await fresh(delivery)


def sent(world: World) -> list[Id]:
    """The deliveries that messages are out for, in order."""
    return [delivery_id for message in world.outbox.messages for delivery_id in message.delivery_ids]


# --- to the broker ----------------------------------------------------------------------------------------------------


async def test_what_is_due_within_the_horizon_goes_to_the_broker_with_the_delay_that_is_left(world: World) -> None:
    soon = await due_in(world, timedelta(seconds=40))
    await dispatching.run_pass(now())
    [message] = world.outbox.messages
    assert (message.actor, message.delivery_ids, message.platform) == ("publish", [soon.id], "bluesky")
    assert abs(message.due_at - (soon.due_at - settings().ready_time)) < timedelta(seconds=1)
    assert (await fresh(soon)).state == State.QUEUED


async def test_what_is_due_later_stays_in_the_database(world: World) -> None:
    later = await due_in(world, settings().horizon_time + timedelta(seconds=30))
    await dispatching.run_pass(now())
    assert world.outbox.messages == []
    assert await fresh(later) == later
    await dispatching.run_pass(now() + timedelta(seconds=32))
    assert world.outbox.of(later) == ["publish"]


async def test_what_is_overdue_goes_at_once_and_the_most_overdue_first(world: World) -> None:
    overdue = [await due_in(world, -timedelta(seconds=seconds)) for seconds in (5, 20, 10)]
    await dispatching.run_pass(now())
    assert sent(world) == [overdue[at].id for at in (1, 2, 0)]
    assert all(message.due_at <= now() for message in world.outbox.messages)


@pytest.mark.parametrize("state", sorted(set(State) - {State.SCHEDULED, State.QUEUED}))
async def test_what_is_neither_scheduled_nor_queued_is_never_sent(world: World, state: State) -> None:
    delivery = await due_in(world, -MINUTE)
    await put(delivery, state=state, lease_until=now() + MINUTE)
    await dispatching.run_pass(now())
    assert world.outbox.messages == []


async def test_what_the_broker_refuses_stays_scheduled_and_goes_with_the_next_pass(world: World) -> None:
    refused = [await due_in(world, timedelta(seconds=seconds)) for seconds in (0, 1, 2)]
    world.outbox.accepting = False
    await dispatching.run_pass(now())
    assert [(await fresh(delivery)).state for delivery in refused] == [State.SCHEDULED] * 3
    world.outbox.accepting = True
    await dispatching.run_pass(now())
    assert [world.outbox.of(delivery) for delivery in refused] == [["publish"]] * 3


async def test_a_form_does_not_fail_with_the_broker(world: World) -> None:
    world.outbox.accepting = False
    post = await world.publish_now("bluesky")
    assert [delivery.state for delivery in await of_post(post)] == [State.SCHEDULED]
    world.outbox.accepting = True
    await world.dispatch()
    assert [delivery.state for delivery in await of_post(post)] == [State.PUBLISHED]


async def test_two_dispatchers_send_each_message_once(world: World) -> None:
    waiting = [await due_in(world, timedelta(seconds=seconds)) for seconds in range(12)]
    await asyncio.gather(*(dispatching.run_pass(now()) for _ in range(3)))
    assert sorted(sent(world)) == sorted(delivery.id for delivery in waiting)


async def test_more_than_one_batch_is_sent_by_several_passes(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatching, "BATCH", 2)
    for seconds in range(5):
        await due_in(world, timedelta(seconds=seconds))
    passes = 0
    while len(world.outbox.messages) < 5:
        await dispatching.run_pass(now())
        passes += 1
    assert passes == 3


# --- what got lost ----------------------------------------------------------------------------------------------------


async def test_a_lost_message_is_sent_again_after_the_grace_and_not_before(world: World) -> None:
    delivery = await world.queued("bluesky")
    world.outbox.messages.clear()
    await dispatching.run_pass(now() + timedelta(seconds=settings().sweep_after - 5))
    assert world.outbox.messages == []
    await world.pass_time(timedelta(seconds=settings().sweep_after + 2))
    await dispatching.run_pass(now())
    assert world.outbox.of(delivery) == ["publish"]
    await dispatching.run_pass(now())
    assert world.outbox.of(delivery) == ["publish"]


async def test_a_queued_delivery_that_is_not_due_yet_is_left_to_its_message(world: World) -> None:
    delivery = await due_in(world, timedelta(seconds=50))
    await dispatching.run_pass(now())
    world.outbox.messages.clear()
    await dispatching.run_pass(now() + timedelta(seconds=45))
    assert world.outbox.of(delivery) == []


async def test_a_broker_that_lost_everything_delays_and_loses_nothing(world: World) -> None:
    post = await world.publish_now()
    world.outbox.messages.clear()
    await world.pass_time(timedelta(seconds=settings().sweep_after + 2))
    await world.dispatch()
    assert [delivery.state for delivery in await of_post(post)] == [State.PUBLISHED, State.PUBLISHED]
    assert len(await world.texts()) == 2


# --- workers that are gone --------------------------------------------------------------------------------------------


async def abandoned(world: World, platform: str = "bluesky", *, fenced: bool) -> Delivery:
    """A delivery whose worker was killed, before the fence or behind it."""
    delivery = await world.queued(platform)
    world.outbox.messages.clear()
    attempt = Attempt(kind=AttemptKind.PUBLISH, number=1, worker="worker-0")
    lease = now() + settings().lease_time
    fence = now() if fenced else EPOCH
    tries, turn = [attempt.model_dump()], delivery.account_id
    await put(delivery, state=State.PUBLISHING, attempts=1, attempt_id=attempt.id, tries=tries, turn=turn)
    await put(delivery, lease_until=lease, fenced_at=fence, not_before=fence)
    return await fresh(delivery)


@pytest.mark.parametrize("fenced", [False, True])
async def test_a_worker_with_a_lease_is_left_to_its_work(world: World, fenced: bool) -> None:
    delivery = await abandoned(world, fenced=fenced)
    await dispatching.run_pass(now() + settings().lease_time - timedelta(seconds=2))
    assert await fresh(delivery) == delivery


@pytest.mark.parametrize(("fenced", "afterwards"), [(False, State.SCHEDULED), (True, State.UNCONFIRMED)])
async def test_the_fence_tells_what_becomes_of_a_lost_workers_delivery(
    world: World, fenced: bool, afterwards: State, caplog: pytest.LogCaptureFixture
) -> None:
    delivery = await abandoned(world, fenced=fenced)
    with caplog.at_level(logging.WARNING):
        await dispatching.run_pass(now() + settings().lease_time + timedelta(seconds=2))
    taken = await fresh(delivery)
    assert (taken.state, taken.strikes, taken.trouble.code) == (afterwards, 1, "worker_lost")
    assert taken.lease_until == EPOCH
    assert taken.turn is None
    [attempt] = taken.tries
    assert (attempt.outcome, attempt.code) == ("worker lost", "worker_lost")
    assert str(delivery.id) in caplog.text

    await world.pass_time(settings().lease_time + timedelta(seconds=2))
    for _ in range(3):
        await world.dispatch()
        await world.pass_time(MINUTE)
    assert (await fresh(delivery)).state == State.PUBLISHED
    assert len(await world.texts()) == 1


@pytest.mark.parametrize(("fenced", "afterwards"), [(False, State.DEAD), (True, State.UNCONFIRMED)])
async def test_a_delivery_that_stops_every_worker_is_given_up_in_the_end(world: World, fenced: bool, afterwards: State) -> None:
    delivery = await abandoned(world, fenced=fenced)
    await put(delivery, strikes=len(backoff.STEPS))
    await dispatching.run_pass(now() + settings().lease_time + timedelta(seconds=2))
    given_up = await fresh(delivery)
    assert (given_up.state, given_up.trouble.code) == (afterwards, "worker_lost")


async def test_of_several_dispatchers_one_takes_over(world: World) -> None:
    delivery = await abandoned(world, fenced=True)
    late = now() + settings().lease_time + timedelta(seconds=2)
    await asyncio.gather(*(dispatching.run_pass(late) for _ in range(4)))
    assert (await fresh(delivery)).strikes == 1


async def test_a_process_that_is_alone_takes_everything_over_when_it_starts(world: World) -> None:
    before, behind = await abandoned(world, fenced=False), await abandoned(world, "mastodon", fenced=True)
    queued = await world.queued("mastodon")
    world.outbox.messages.clear()
    asked = await due_in(world, -MINUTE)
    await put(asked, state=State.UNCONFIRMED, lease_until=now() + MINUTE)
    for grant in await Grant.find({}).to_list():
        await put(grant, refreshing_until=now() + MINUTE)

    await dispatching.take_all_over()
    states = [(await fresh(delivery)).state for delivery in (before, behind, queued, asked)]
    assert states == [State.SCHEDULED, State.UNCONFIRMED, State.SCHEDULED, State.UNCONFIRMED]
    assert (await fresh(asked)).lease_until == EPOCH
    assert all(grant.refreshing_until == EPOCH for grant in await Grant.find({}).to_list())


# --- what was missed --------------------------------------------------------------------------------------------------


async def missed_by(world: World, late: timedelta, policy: LatePolicy) -> Delivery:
    """A delivery that comes up ``late``, because the installation was down, in a workspace with ``policy``."""
    await Workspace.get_pymongo_collection().update_one({"_id": world.workspace.id}, {"$set": {"late_policy": policy}})
    delivery = await due_in(world, -late)
    await world.dispatch()
    return await fresh(delivery)


@pytest.mark.parametrize(
    ("policy", "afterwards"),
    [(LatePolicy.ASK, State.MISSED), (LatePolicy.SEND, State.PUBLISHED), (LatePolicy.SKIP, State.CANCELED)],
)
async def test_what_was_missed_is_treated_as_the_workspace_wants(world: World, policy: LatePolicy, afterwards: State) -> None:
    assert (await missed_by(world, timedelta(hours=3), policy)).state == afterwards
    assert len(await world.texts()) == (afterwards == State.PUBLISHED)


@pytest.mark.parametrize("policy", LatePolicy)
async def test_a_little_late_is_sent_all_the_same(world: World, policy: LatePolicy) -> None:
    assert (await missed_by(world, timedelta(minutes=59), policy)).state == State.PUBLISHED


async def test_what_was_tried_before_can_be_missed_too(world: World, belfry: Belfry) -> None:
    delivery = await due_in(world, -timedelta(hours=3), NAME)
    await put(delivery, attempts=1)
    await world.dispatch()
    assert (await fresh(delivery)).state == State.MISSED
    assert belfry.posts == {}


async def test_what_waited_for_room_under_the_networks_limit_is_not_missed(world: World) -> None:
    delivery = await due_in(world, timedelta())
    await put(delivery, planned_at=now() - timedelta(hours=3))
    await world.dispatch()
    assert (await fresh(delivery)).state == State.PUBLISHED


async def test_a_missed_delivery_makes_room_for_the_next_one_of_its_account(world: World) -> None:
    missed = await due_in(world, -timedelta(hours=3))
    following = await due_in(world, timedelta())
    await world.dispatch()
    assert (await fresh(missed)).state == State.MISSED
    assert (await fresh(following)).state == State.PUBLISHED


async def test_a_missed_delivery_is_sent_when_the_person_says_so(world: World) -> None:
    missed = await missed_by(world, timedelta(hours=3), LatePolicy.ASK)
    at = now() + timedelta(minutes=2)
    await posts.reschedule(world.workspace, missed.post_id, date=f"{at:%Y-%m-%d}", time=f"{at:%H:%M}", zone="UTC")
    await settled()
    await world.pass_time(timedelta(minutes=2))
    await world.dispatch()
    assert (await fresh(missed)).state == State.PUBLISHED


async def test_what_is_published_is_never_missed(world: World) -> None:
    delivery = await world.queued("bluesky")
    await world.outbox.deliver()
    before = await fresh(delivery)
    await world.pass_time(timedelta(days=2))
    await ring(delivery)
    assert (await fresh(delivery)).model_dump(include={"state", "move_id"}) == before.model_dump(include={"state", "move_id"})


async def test_a_delivery_that_cannot_be_read_holds_up_nobody(world: World) -> None:
    broken, fine = [await world.queued("bluesky", text=text) for text in ("broken", "fine")]
    for one in (broken, fine):
        await put(one, state=State.SCHEDULED)
    await put(broken, parts="from another version")
    world.outbox.messages.clear()
    await dispatching.run_pass(now())
    assert sent(world) == [fine.id]
