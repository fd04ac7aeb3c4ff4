"""What is due together goes together; and one that fails, waits or is interrupted takes none of the others along."""

import asyncio
from collections import Counter
from contextlib import suppress
from datetime import timedelta

from app.courier import BURY, PUBLISH
from app.engine import attempts, claiming, dispatching, order, publishing
from app.engine.checkpoints import DeliveryCheckpoint
from app.engine.faultpoints import ANSWERED, CLAIMED
from app.engine.moves import Move, Refused, move_all
from app.ids import Id
from app.models import EPOCH, AttemptKind, Delivery, Part, PastAttempt, State, in_millis, now
from app.services.writing import posts, views
from platforms.base import PartKind
from platforms.errors import ContentRejected, PlatformError, TimedOut, Unavailable
from tests.integration.services.belfry import NAME, Belfry, joined
from tests.integration.services.test_publishing import hold, release
from tests.integration.services.world import World, current, fresh, grant_of, of_post, put, ring, settings, settled, until
from tests.integration.spoken import LISTENER


async def queued(world: World, number: int, *, accounts: bool = True) -> list[Delivery]:
    """So many deliveries that are due now, each of an account of its own, or all of one; no message is out."""
    found = []
    grant = await grant_of(world.accounts[NAME])
    for index in range(number):
        if accounts:
            world.accounts[NAME] = await joined(grant, f"ringer-{index + 10}")
        found.append(await world.queued(NAME, text=f"Ring {index}"))
    world.outbox.messages.clear()
    return found


def ids(some: list[Delivery]) -> list[Id]:
    return [one.id for one in some]


def together(some: list[Delivery]) -> list[Delivery]:
    """The same, due in one second, whenever they were written."""
    return [one.model_copy(update={"due_ms": some[0].due_ms}) for one in some]


# --- to the broker ----------------------------------------------------------------------------------------------------


async def test_what_is_due_in_one_second_takes_one_message_a_batch(world: World, belfry: Belfry) -> None:
    some = await queued(world, 30)
    at = now() + timedelta(seconds=30)
    for one in some:
        await put(one, state=State.SCHEDULED, due_at=at)
    await put(some[7], due_at=at + timedelta(seconds=1))
    await dispatching.run_pass(now())
    assert [len(message.delivery_ids) for message in world.outbox.messages] == [25, 4, 1]
    assert world.outbox.of(some[7]) == [PUBLISH]
    states = {(await fresh(one)).state for one in some}
    assert states == {State.QUEUED}


async def test_what_has_files_weighs_more_and_heavy_ones_go_alone(world: World) -> None:
    picture = await world.picture()
    light = together([await world.queued("bluesky", text=f"Light {index}") for index in range(3)])
    with_media = together([await world.queued("mastodon", attachments=(picture,)) for _ in range(2)])
    assert dispatching.batches(light) == [light]  # one account: they follow each other
    spread = [one.model_copy(update={"account_id": Id()}) for one in with_media * 6]
    assert [len(batch) for batch in dispatching.batches(spread)] == [5, 5, 2]
    heavy = [one.model_copy(update={"heavy": True}) for one in spread]
    assert [len(batch) for batch in dispatching.batches(heavy)] == [1] * 12


async def test_a_message_that_the_broker_does_not_take_leaves_its_batch_scheduled(world: World, belfry: Belfry) -> None:
    some = await queued(world, 3)
    for one in some:
        await put(one, state=State.SCHEDULED)
    world.outbox.accepting = False
    await dispatching.run_pass(now())
    assert [(await fresh(one)).state for one in some] == [State.SCHEDULED] * 3


# --- many compare-and-sets in one command -----------------------------------------------------------------------------


async def test_of_many_changes_each_is_made_or_refused_by_itself(world: World, belfry: Belfry) -> None:
    free, taken, holder, moved_on = await queued(world, 4)
    await put(holder, state=State.PUBLISHING, turn=Id("f" * 28))
    await put(moved_on, move_id=Id())
    turns = {free.id: Id("a" * 28), taken.id: Id("f" * 28), moved_on.id: Id("b" * 28)}
    results = await move_all([Move(one, State.PUBLISHING, {"turn": turns[one.id]}) for one in (free, taken, moved_on)])
    assert results[1:] == [Refused.TAKEN, Refused.CHANGED]
    assert isinstance(results[0], Delivery)
    assert results[0].model_dump() == (await fresh(free)).model_dump()
    assert [(await fresh(one)).state for one in (free, taken, moved_on)] == [State.PUBLISHING, State.QUEUED, State.QUEUED]


async def test_a_batch_costs_four_writes_a_delivery_and_a_handful_of_commands(world: World, belfry: Belfry) -> None:
    first, *some = await queued(world, 21)
    await ring(first)  # what a process reads once, what was sent in earlier hours, is no part of it
    for one in some:
        await put(one, state=State.SCHEDULED)
    waiting = [await fresh(one) for one in some]
    before = len(LISTENER.commands)
    await dispatching.emit(waiting)
    await publishing.publish(ids(some))
    commands = Counter(LISTENER.commands[before:])
    assert {(await fresh(one)).state for one in some} == {State.PUBLISHED}
    assert commands["update deliveries"] <= 8
    assert set(commands) <= {
        "update deliveries",
        "find deliveries",
        "find accounts",
        "find grants",
        "find posts",
        "find workspaces",
    }
    assert commands.total() <= 20


# --- one account ------------------------------------------------------------------------------------------------------


async def test_twenty_of_one_account_go_out_in_order_and_one_at_a_time(world: World, belfry: Belfry) -> None:
    some = await queued(world, 20, accounts=False)
    await publishing.publish(ids(list(reversed(some))))
    assert world.outbox.messages == []
    done = [await fresh(one) for one in some]
    assert {one.state for one in done} == {State.PUBLISHED}
    assert [one.receipt.remote_id for one in done if one.receipt] == [f"ring-{number}" for number in range(1, 21)]


async def test_of_many_workers_at_one_account_one_gets_the_turn(world: World, belfry: Belfry) -> None:
    first, *others = await queued(world, 6, accounts=False)
    busy = await hold(world, first, CLAIMED)
    await asyncio.gather(*(ring(one) for one in others))
    holders = await Delivery.find({"turn": {"$gt": ""}}).to_list()
    assert ids(holders) == [first.id]
    world.outbox.messages.clear()
    await release(busy)
    assert world.outbox.messages[0].delivery_ids == ids(others)
    await world.outbox.deliver()
    done = [await fresh(one) for one in (first, *others)]
    assert [one.receipt and one.receipt.remote_id for one in done] == [f"ring-{number}" for number in range(1, 7)]


async def test_who_was_planned_first_goes_before_one_that_is_only_being_prepared(world: World, belfry: Belfry) -> None:
    first, second = await queued(world, 2, accounts=False)
    ahead = await hold(world, second, CLAIMED)
    assert (await fresh(second)).turn == second.account_id
    await ring(first)
    assert ((await fresh(first)).state, (await fresh(second)).state) == (State.PUBLISHED, State.QUEUED)
    await release(ahead)
    assert belfry.posts == {first.parts[0].key: "ring-1"}
    await world.outbox.deliver()
    assert belfry.posts == {first.parts[0].key: "ring-1", second.parts[0].key: "ring-2"}


async def test_a_later_one_does_not_pass_one_whose_message_was_lost(world: World, belfry: Belfry) -> None:
    lost, later = await queued(world, 2, accounts=False)
    await put(lost, due_at=lost.due_at - timedelta(seconds=5))
    await ring(later)
    assert belfry.posts == {}
    await world.outbox.deliver()
    assert list(belfry.posts) == [lost.parts[0].key, later.parts[0].key]


async def test_a_later_one_does_not_pass_one_whose_worker_was_lost_before_the_fence(world: World, belfry: Belfry) -> None:
    lost, *later = await queued(world, 3, accounts=False)
    gone = {
        "attempts": 1,
        "attempt_id": Id(),
        "turn": lost.account_id,
        "awaited": True,
        "lease_until": now() - timedelta(seconds=1),
    }
    await put(lost, state=State.PUBLISHING, **gone)
    await dispatching.run_pass(now())
    assert (await fresh(lost)).state == State.SCHEDULED
    await world.outbox.deliver()  # the next in line was called
    assert belfry.posts == {}
    for _ in range(3):
        await world.pass_time(order.EARLY)
        await world.dispatch()
    assert list(belfry.posts) == [one.parts[0].key for one in (lost, *later)]


async def test_a_line_is_remembered_only_while_there_is_one(world: World, belfry: Belfry) -> None:
    first, second = await queued(world, 2, accounts=False)
    busy = await hold(world, first, CLAIMED)
    await ring(second)
    assert (await current(world.accounts[NAME])).line_until > now()
    await release(busy)
    await world.outbox.deliver()
    assert (await fresh(second)).state == State.PUBLISHED
    assert not [one for one in await Delivery.find({}).to_list() if one.turn]


# --- one that goes wrong ----------------------------------------------------------------------------------------------


async def test_what_fails_goes_on_by_itself(world: World, belfry: Belfry) -> None:
    some = await queued(world, 5)
    belfry.publishing = [Unavailable(NAME, "away", "Away."), ContentRejected(NAME, "no", "Not in these words.")]
    await publishing.publish_all(ids(some))
    states = [(await fresh(one)).state for one in some]
    assert sorted(states) == sorted([State.QUEUED, State.FAILED, *[State.PUBLISHED] * 3])
    again = {message.actor: message for message in world.outbox.messages}
    assert set(again) == {PUBLISH, BURY}
    assert again[PUBLISH].delivery_ids == [some[states.index(State.QUEUED)].id]
    assert again[BURY].delivery_ids == [some[states.index(State.FAILED)].id]
    assert again[PUBLISH].due_at > now()


async def test_one_that_stalls_does_not_keep_the_others_from_going_on(world: World, belfry: Belfry) -> None:
    slow, refused, early = await queued(world, 3)
    await put(early, due_at=now() + timedelta(seconds=30))
    points = settings().fault_points
    assert points is not None
    (points / f"{CLAIMED}.{slow.account_id}").touch()
    belfry.publishing = [Unavailable(NAME, "away", "Away.")]
    batch = asyncio.create_task(publishing.publish_all(ids([slow, refused, early])))
    await until(lambda: len(world.outbox.messages) == 2)
    assert {message.delivery_ids[0] for message in world.outbox.messages} == {refused.id, early.id}
    assert not batch.done()
    await release(batch)


async def test_a_batch_that_is_canceled_writes_down_how_far_each_came(world: World, belfry: Belfry) -> None:
    sent, unsent = await queued(world, 2)
    points = settings().fault_points
    assert points is not None
    for step, one in ((ANSWERED, sent), (CLAIMED, unsent)):
        (points / f"{step}.{one.account_id}").touch()
    batch = asyncio.create_task(publishing.publish(ids([sent, unsent])))
    while len([point for point in points.iterdir() if point.name.count(".") == 2]) < 2:
        await asyncio.sleep(0.01)
    batch.cancel()
    with suppress(asyncio.CancelledError):
        await batch
    asked, back = await fresh(sent), await fresh(unsent)
    assert (asked.state, back.state) == (State.UNCONFIRMED, State.QUEUED)
    assert (back.fenced_at, back.turn, asked.turn) == (EPOCH, None, None)


async def test_one_document_that_cannot_be_read_holds_up_no_other(world: World, belfry: Belfry) -> None:
    broken, fine = await queued(world, 2)
    await put(broken, parts="nonsense")
    await publishing.publish(ids([broken, fine]))
    assert (await fresh(fine)).state == State.PUBLISHED


# --- the hour ---------------------------------------------------------------------------------------------------------


async def test_nothing_is_sent_before_its_time(world: World, belfry: Belfry) -> None:
    some = await queued(world, 3)
    at = now() + timedelta(seconds=2)
    for one in some:
        await put(one, due_at=at, planned_at=at)
    work = asyncio.create_task(publishing.publish(ids(some)))
    while not all([(await fresh(one)).fenced_at > EPOCH for one in some]):
        assert belfry.posts == {}
        await asyncio.sleep(0.05)
    assert now() < at  # they are fenced ahead
    while now() < at:
        assert belfry.posts == {}
        await asyncio.sleep(0.01)
    await work
    assert len(belfry.posts) == 3


async def test_a_cancel_wins_until_the_fence(world: World, belfry: Belfry) -> None:
    [one] = await queued(world, 1)
    at = now() + timedelta(seconds=3)
    await put(one, due_at=at, planned_at=at)
    work = asyncio.create_task(publishing.publish([one.id]))
    while (await fresh(one)).state != State.PUBLISHING:
        await asyncio.sleep(0.01)
    await posts.cancel(world.workspace, one.post_id)
    await work
    assert ((await fresh(one)).state, belfry.posts) == (State.CANCELED, {})


# --- parts ------------------------------------------------------------------------------------------------------------


async def with_comment(world: World, *, required: bool) -> Delivery:
    """A delivery with a comment behind its post."""
    [one] = await queued(world, 1)
    comment = Part(key=f"{one.id}-1-1", text="And a comment", kind=PartKind.COMMENT, required=required)
    await put(one, parts=[one.parts[0].model_dump(), comment.model_dump()])
    return one


class Flaky(list[PlatformError]):
    """The first request is answered well, the next one with ``error``."""

    def __init__(self, error: PlatformError) -> None:
        super().__init__([error])
        self.first = True

    def __bool__(self) -> bool:
        first, self.first = self.first, False
        return not first and len(self) > 0


async def test_a_comment_that_fails_leaves_the_post_published_and_says_so(world: World, belfry: Belfry) -> None:
    one = await with_comment(world, required=False)
    belfry.publishing = Flaky(ContentRejected(NAME, "no", "Comments are closed."))
    await ring(one)
    done = await fresh(one)
    assert (done.state, done.remote_id, done.turn) == (State.PUBLISHED, "ring-1", None)
    [row] = (await views.view(world.workspace, one.post_id)).deliveries
    assert (row.label, "Comments are closed." in row.detail) == ("Published", True)


async def test_a_part_that_must_be_there_fails_the_delivery_and_keeps_what_is_out(world: World, belfry: Belfry) -> None:
    one = await with_comment(world, required=True)
    belfry.publishing = Flaky(ContentRejected(NAME, "no", "Comments are closed."))
    await ring(one)
    failed = await fresh(one)
    assert (failed.state, failed.position, failed.remote_id) == (State.FAILED, 1, "ring-1")


async def test_a_part_knows_nothing_of_the_requests_of_the_one_before_it(world: World, belfry: Belfry) -> None:
    one = await with_comment(world, required=True)
    belfry.publishing = Flaky(TimedOut(NAME, "silence", "It did not answer."))
    await put(one, first_sent_at=now() - timedelta(hours=1))
    await ring(one)
    asked = await fresh(one)
    assert (asked.state, asked.position) == (State.UNCONFIRMED, 1)
    assert asked.first_sent_at == asked.fenced_at


async def test_a_part_that_was_not_sent_is_not_asked_about_when_the_save_before_it_was_interrupted(
    world: World, belfry: Belfry
) -> None:
    one = await with_comment(world, required=True)
    work = asyncio.create_task(publishing.publish([one.id]))
    loop = asyncio.get_running_loop()

    def strike() -> None:
        if belfry.posts and LISTENER.commands[-1] == "findAndModify deliveries":
            LISTENER.witness = int
            loop.call_soon_threadsafe(work.cancel)

    LISTENER.witness = strike
    with suppress(asyncio.CancelledError):
        await work
    back = await fresh(one)
    assert (back.state, back.position, back.remote_id) == (State.QUEUED, 1, "ring-1")


async def test_a_long_upload_dies_of_silence_and_not_of_length(world: World, belfry: Belfry) -> None:
    [one] = await queued(world, 1)
    await put(one, strikes=4)
    claims = await claiming.claim([one.id])
    checkpoint = DeliveryCheckpoint(claims.claimed[0].delivery, claims.claimed[0].account)
    begun = (await fresh(one)).begun_at
    for chunk in range(3):
        await asyncio.sleep(0.01)
        await checkpoint.progress(chunk=chunk)
    alive = await fresh(one)
    assert (alive.strikes, checkpoint.saved["chunk"], checkpoint.first_sent_at) == (0, 2, None)
    assert alive.begun_at > begun


# --- evidence ---------------------------------------------------------------------------------------------------------


async def test_all_attempts_are_kept_the_latest_with_the_delivery(world: World, belfry: Belfry) -> None:
    [one] = await queued(world, 1)
    tries = attempts.KEPT + 3
    belfry.publishing = [Unavailable(NAME, "away", "Away.", retry_after=timedelta()) for _ in range(tries - 1)]
    for _ in range(tries):
        await put(await fresh(one), state=State.QUEUED, strikes=0, due_at=now())
        await ring(one)
    done = await fresh(one)
    assert (done.state, len(done.tries)) == (State.PUBLISHED, attempts.KEPT)
    known = await attempts.of(done)
    assert [attempt.number for attempt in known] == list(range(1, tries + 1))
    assert {attempt.kind for attempt in known} == {AttemptKind.PUBLISH}
    assert await PastAttempt.count() == tries - attempts.KEPT


async def test_the_due_time_is_compared_in_milliseconds(world: World, belfry: Belfry) -> None:
    [one] = await queued(world, 1)
    later = now() + timedelta(hours=1)
    post = await posts.schedule(
        world.workspace,
        world.alice,
        world.draft(NAME, date=f"{later:%Y-%m-%d}", time=f"{later:%H:%M:%S}", zone="UTC"),
    )
    await settled()
    [planned] = await of_post(post)
    for delivery in (one, planned):
        assert delivery.due_ms == in_millis(delivery.due_at)
