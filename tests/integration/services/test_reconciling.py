"""Asking the network what became of a delivery, and the person when the network cannot tell."""

import asyncio
from datetime import timedelta

import httpx
import pytest

from app.engine import backoff, dispatching, reconciling
from app.errors import Invalid, TooLate
from app.models import EPOCH, Account, AccountState, Delivery, State, now
from app.services.accounts import connecting
from app.services.writing import posts, remedies, views
from platforms.base import Processing, Refused, Unnamed
from platforms.errors import MediaRejected, RateLimited, TimedOut, TokenRevoked, Unavailable, UnexpectedReply
from tests.integration.services.belfry import NAME, Belfry
from tests.integration.services.world import World, fresh, put, until

LOST = TimedOut(NAME, "no_answer", "The answer got lost.")
NOT_SENT = UnexpectedReply(NAME, "odd", "An odd answer.")
NO_WAY = UnexpectedReply(NAME, "no_way", "This network cannot be asked.")
AWAY = Unavailable(NAME, "away", "The server is away.")
SETTLED = timedelta(seconds=106)
"""Longer than a network may still be storing a request that was given up, and longer than the lease."""
SOON = backoff.FIRST_CHECK + timedelta(seconds=1)
URL = "https://belfry.example/ring-77"


async def unconfirmed(world: World, network: Belfry, *, sent: bool = True) -> Delivery:
    """A delivery whose answer got lost; ``sent``: the network has it."""
    delivery = await world.queued(NAME)
    network.publishing.append(LOST if sent else NOT_SENT)
    await world.outbox.deliver()
    unclear = await fresh(delivery)
    assert unclear.state == State.UNCONFIRMED
    return unclear


async def undecidable(world: World, network: Belfry) -> Delivery:
    """A delivery about which the network can say nothing."""
    delivery = await unconfirmed(world, network, sent=False)
    network.asking.append(NO_WAY)
    await world.pass_time(SOON)
    await world.dispatch()
    return await fresh(delivery)


# --- what the network answers -----------------------------------------------------------------------------------------


async def test_what_is_found_is_published(world: World, belfry: Belfry) -> None:
    delivery = await unconfirmed(world, belfry)
    await reconciling.reconcile(delivery.id)
    found = await fresh(delivery)
    assert (found.state, found.receipt.remote_id, found.trouble) == (State.PUBLISHED, "ring-1", None)
    assert found.published_at is not None


async def test_what_is_absent_is_sent_again_after_the_usual_pause(world: World, belfry: Belfry) -> None:
    delivery = await unconfirmed(world, belfry, sent=False)
    await world.pass_time(SETTLED)
    await reconciling.reconcile(delivery.id)
    absent = await fresh(delivery)
    assert (absent.state, absent.strikes, absent.fenced_at) == (State.SCHEDULED, 1, EPOCH)
    assert absent.due_at > now()
    await world.pass_time(backoff.STEPS[0])
    await world.dispatch()
    assert (await fresh(delivery)).state == State.PUBLISHED
    assert len(belfry.posts) == 1


async def test_what_is_absent_too_early_may_still_appear_and_nobody_may_edit_it_meanwhile(world: World, belfry: Belfry) -> None:
    """The request we gave up may still be running: an edit would send other words under another key."""
    delivery = await unconfirmed(world, belfry, sent=False)
    await reconciling.reconcile(delivery.id)
    waiting = await fresh(delivery)
    assert (waiting.state, waiting.undecidable) == (State.UNCONFIRMED, False)
    assert waiting.due_at <= waiting.fenced_at + SETTLED + timedelta(seconds=1)
    with pytest.raises(TooLate):
        await posts.cancel(world.workspace, delivery.post_id)


async def test_ambiguity_after_ambiguity_ends_as_a_dead_letter(world: World, belfry: Belfry) -> None:
    delivery = await world.queued(NAME)
    belfry.publishing += [NOT_SENT] * (len(backoff.STEPS) + 1)
    for _ in range(len(backoff.STEPS) + 1):
        await world.dispatch()
        await world.pass_time(SETTLED)
        await reconciling.reconcile(delivery.id)
        await world.pass_time(max((await fresh(delivery)).due_at - now(), timedelta()))
    ended = await fresh(delivery)
    assert (ended.state, ended.attempts) == (State.DEAD, len(backoff.STEPS) + 1)
    assert belfry.posts == {}


async def test_a_network_that_is_away_is_asked_again_later(world: World, belfry: Belfry) -> None:
    delivery = await unconfirmed(world, belfry)
    belfry.asking.append(AWAY)
    await reconciling.reconcile(delivery.id)
    waiting = await fresh(delivery)
    assert (waiting.state, waiting.undecidable, waiting.checks) == (State.UNCONFIRMED, False, 1)
    assert waiting.due_at > now()
    await world.dispatch()
    assert belfry.knocks == 1
    await world.pass_time(backoff.CHECKS[0])
    await world.dispatch()
    assert (await fresh(delivery)).state == State.PUBLISHED


async def test_a_network_that_asks_to_wait_is_left_alone_as_long(world: World, belfry: Belfry) -> None:
    delivery = await unconfirmed(world, belfry)
    belfry.asking.append(RateLimited(NAME, "slow", "Slow down.", retry_after=timedelta(minutes=20)))
    before = now()
    await reconciling.reconcile(delivery.id)
    assert (await fresh(delivery)).due_at >= before + timedelta(minutes=20)


async def test_after_the_last_look_a_person_decides(world: World, belfry: Belfry) -> None:
    delivery = await unconfirmed(world, belfry)
    belfry.asking += [AWAY] * (len(backoff.CHECKS) + 1)
    for _ in range(len(backoff.CHECKS) + 1):
        assert not (await fresh(delivery)).undecidable
        await reconciling.reconcile(delivery.id)
    assert (await fresh(delivery)).undecidable
    await reconciling.reconcile(delivery.id)
    assert belfry.knocks == len(backoff.CHECKS) + 1


async def test_an_account_that_lost_its_access_leaves_the_question_to_a_person(world: World, belfry: Belfry) -> None:
    delivery = await unconfirmed(world, belfry)
    belfry.asking.append(TokenRevoked(NAME, "revoked", "Connect it again."))
    await reconciling.reconcile(delivery.id)
    account = await Account.get(delivery.account_id)
    assert (await fresh(delivery)).undecidable
    assert account is not None
    assert account.state == AccountState.RECONNECT_NEEDED


async def test_of_many_who_want_to_ask_one_asks(world: World, belfry: Belfry) -> None:
    delivery = await unconfirmed(world, belfry)
    await asyncio.gather(*(reconciling.reconcile(delivery.id) for _ in range(10)))
    assert belfry.knocks == 1
    looks = [one for one in (await fresh(delivery)).tries if one.kind == "reconcile"]
    assert [look.outcome for look in looks] == ["found"]


@pytest.mark.parametrize("state", sorted(set(State) - {State.UNCONFIRMED, State.PROCESSING}))
async def test_what_is_not_in_question_is_not_asked_about(world: World, belfry: Belfry, state: State) -> None:
    delivery = await world.queued(NAME)
    await put(delivery, state=state)
    before = await fresh(delivery)
    await reconciling.reconcile(delivery.id)
    assert await fresh(delivery) == before
    assert belfry.knocks == 0


async def test_a_post_that_is_another_deliverys_receipt_is_not_taken_for_this_one(world: World, belfry: Belfry) -> None:
    first = await world.queued(NAME, text="First")
    belfry.same_id = "ring-1"
    await world.outbox.deliver()
    second = await world.queued(NAME, text="Second")
    await world.outbox.deliver()
    assert (await fresh(first)).state == State.PUBLISHED
    unclear = await fresh(second)
    assert (unclear.state, unclear.trouble.code, unclear.receipt) == (State.UNCONFIRMED, "not_ours", None)
    await reconciling.reconcile(second.id)
    assert (await fresh(second)).undecidable


# --- a network that needs time ----------------------------------------------------------------------------------------


async def test_what_is_processing_is_looked_at_until_it_is_there(world: World, belfry: Belfry) -> None:
    belfry.processing = True
    delivery = await world.queued(NAME)
    await world.outbox.deliver()
    assert (await fresh(delivery)).state == State.PROCESSING
    await world.dispatch()
    assert belfry.knocks == 0
    for _ in range(2):
        await world.pass_time(timedelta(seconds=3))
        await world.dispatch()
        assert (await fresh(delivery)).state == State.PROCESSING
    belfry.processing = False
    await world.pass_time(timedelta(seconds=3))
    await world.dispatch()
    assert (await fresh(delivery)).state == State.PUBLISHED
    assert len(belfry.posts) == 1


async def test_what_vanishes_while_it_is_processed_is_sent_again(world: World, belfry: Belfry) -> None:
    belfry.processing = True
    delivery = await world.queued(NAME)
    await world.outbox.deliver()
    belfry.processing = False
    belfry.posts.clear()
    for _ in range(3):
        await world.pass_time(timedelta(minutes=1))
        await world.dispatch()
    assert (await fresh(delivery)).state == State.PUBLISHED
    assert len(belfry.posts) == 1


async def test_patience_with_a_network_that_processes_is_not_used_up_by_looking(world: World, belfry: Belfry) -> None:
    belfry.processing = True
    delivery = await world.queued(NAME)
    await world.outbox.deliver()
    for _ in range(len(backoff.CHECKS) + 2):
        await reconciling.reconcile(delivery.id)
    belfry.asking.append(AWAY)
    await reconciling.reconcile(delivery.id)
    assert not (await fresh(delivery)).undecidable


async def test_the_newest_name_for_what_is_processing_is_what_is_asked_for(world: World, belfry: Belfry) -> None:
    belfry.processing = True
    delivery = await world.queued(NAME)
    await world.outbox.deliver()
    sent_at = (await fresh(delivery)).first_sent_at
    belfry.asking.append(Processing("transcoded-2", timedelta(seconds=3)))
    await reconciling.reconcile(delivery.id)
    await reconciling.reconcile(delivery.id)
    assert belfry.asked is not None
    assert (belfry.asked.saved["remote_ref"], belfry.asked.first_sent_at) == ("transcoded-2", sent_at)


async def test_what_is_refused_after_all_fails_with_the_networks_reason(world: World, belfry: Belfry) -> None:
    belfry.processing = True
    delivery = await world.queued(NAME)
    await world.outbox.deliver()
    belfry.asking.append(Refused(MediaRejected(NAME, "codec", "The video cannot be played.")))
    await reconciling.reconcile(delivery.id)
    refused = await fresh(delivery)
    assert (refused.state, refused.trouble.code, refused.saved) == (State.FAILED, "codec", "{}")
    [row] = (await views.view(world.workspace, delivery.post_id)).deliveries
    assert (row.label, row.detail, row.actions) == ("Failed", "The video cannot be played.", {"edit", "send_again"})
    assert row.attempts[-1].outcome == "refused"

    belfry.processing = False
    await remedies.send_again(world.workspace, delivery.id)
    await world.dispatch()
    assert (await fresh(delivery)).state == State.PUBLISHED


# --- visible, and nobody knows as what --------------------------------------------------------------------------------

THERE = "The network says that it is out, and shows two posts with these words."


async def unnamed(world: World, network: Belfry) -> Delivery:
    delivery = await unconfirmed(world, network)
    network.asking.append(Unnamed(THERE))
    await reconciling.reconcile(delivery.id)
    return await fresh(delivery)


async def test_what_is_there_without_a_name_is_never_sent_again(world: World, belfry: Belfry) -> None:
    delivery = await unnamed(world, belfry)
    assert (delivery.state, delivery.undecidable, delivery.trouble.message) == (State.UNCONFIRMED, True, THERE)
    await world.pass_time(timedelta(days=1))
    await world.dispatch()
    with pytest.raises(TooLate, match="is there"):
        await remedies.deny(world.workspace, delivery.id)
    await remedies.drop(world.workspace, delivery.id)
    with pytest.raises(TooLate, match="is there"):
        await remedies.send_again(world.workspace, delivery.id, sure=True)
    await world.dispatch()
    assert (len(belfry.posts), belfry.knocks) == (1, 1)


async def test_a_person_says_where_it_is(world: World, belfry: Belfry) -> None:
    delivery = await unnamed(world, belfry)
    await remedies.confirm(world.workspace, delivery.id, url=URL)
    confirmed = await fresh(delivery)
    assert (confirmed.state, confirmed.receipt.remote_id, confirmed.trouble) == (State.PUBLISHED, "ring-77", None)


async def test_the_page_asks_where_it_is_and_offers_nothing_else(world: World, belfry: Belfry, alice: httpx.AsyncClient) -> None:
    delivery = await unnamed(world, belfry)
    page = (await alice.get(f"/posts/{delivery.post_id}")).text
    address = f"/posts/{delivery.post_id}/deliveries/{delivery.id}"
    assert THERE in page
    assert f'action="{address}/confirm"' in page
    assert f'action="{address}/drop"' in page
    assert f"{address}/deny" not in page
    assert f"{address}/send-again" not in page
    await remedies.drop(world.workspace, delivery.id)
    assert f"{address}/send-again" not in (await alice.get(f"/posts/{delivery.post_id}")).text


# --- what the person answers ------------------------------------------------------------------------------------------


async def test_what_nobody_can_tell_asks_the_person_and_nothing_more_happens(world: World, belfry: Belfry) -> None:
    delivery = await undecidable(world, belfry)
    assert (delivery.state, delivery.undecidable) == (State.UNCONFIRMED, True)
    shown = await views.view(world.workspace, delivery.post_id)
    assert (shown.status, shown.final, shown.deliveries[0].actions) == ("needs you", True, {"confirm", "deny", "drop"})
    assert NO_WAY.message in shown.deliveries[0].detail
    for _ in range(3):
        await world.pass_time(timedelta(days=1))
        await world.dispatch()
    assert await fresh(delivery) == (await Delivery.get(delivery.id))
    assert (belfry.knocks, belfry.posts) == (1, {})


async def test_the_person_has_found_it(world: World, belfry: Belfry) -> None:
    delivery = await undecidable(world, belfry)
    await remedies.confirm(world.workspace, delivery.id, url=f"  {URL} ")
    confirmed = await fresh(delivery)
    assert (confirmed.state, confirmed.receipt.url, confirmed.receipt.remote_id) == (State.PUBLISHED, URL, "ring-77")
    assert not confirmed.undecidable


@pytest.mark.parametrize("url", ["", "ring-77", "javascript:alert(1)", "https://belfry.example/a b", "ftp://belfry.example/1"])
async def test_an_address_that_is_none_is_refused(world: World, belfry: Belfry, url: str) -> None:
    delivery = await undecidable(world, belfry)
    with pytest.raises(Invalid) as refusal:
        await remedies.confirm(world.workspace, delivery.id, url=url)
    assert set(refusal.value.problems) == {"url"}
    assert await fresh(delivery) == delivery


async def test_the_address_of_another_delivery_is_refused(world: World, belfry: Belfry) -> None:
    first = await world.queued(NAME, text="First")
    await world.outbox.deliver()
    delivery = await undecidable(world, belfry)
    with pytest.raises(Invalid):
        await remedies.confirm(world.workspace, delivery.id, url=(await fresh(first)).receipt.url)
    assert await fresh(delivery) == delivery


async def test_the_person_says_it_is_not_there_and_it_is_sent_again(world: World, belfry: Belfry) -> None:
    delivery = await undecidable(world, belfry)
    await remedies.deny(world.workspace, delivery.id)
    await world.pass_time(SETTLED)
    await world.dispatch()
    sent = await fresh(delivery)
    assert sent.state == State.PUBLISHED
    assert [part.key for part in sent.parts] == [part.key for part in delivery.parts]
    assert len(belfry.posts) == 1


async def test_a_second_press_of_the_same_button_is_too_late(world: World, belfry: Belfry) -> None:
    delivery = await undecidable(world, belfry)
    await remedies.deny(world.workspace, delivery.id)
    for answer in (remedies.deny(world.workspace, delivery.id), remedies.confirm(world.workspace, delivery.id, url=URL)):
        with pytest.raises(TooLate):
            await answer
    belfry.publishing.append(NOT_SENT)
    await world.pass_time(SETTLED)
    await world.dispatch()
    assert (await fresh(delivery)).state == State.UNCONFIRMED
    with pytest.raises(TooLate):
        await remedies.deny(world.workspace, delivery.id)


async def test_nobody_may_answer_while_the_network_is_being_asked(world: World, belfry: Belfry) -> None:
    delivery = await unconfirmed(world, belfry)
    belfry.doors.clear()
    asking = asyncio.create_task(reconciling.reconcile(delivery.id))
    await until(lambda: belfry.knocks == 1)
    for answer in (remedies.deny(world.workspace, delivery.id), remedies.confirm(world.workspace, delivery.id, url=URL)):
        with pytest.raises(TooLate):
            await answer
    belfry.doors.set()
    await asking
    assert (await fresh(delivery)).receipt.remote_id == "ring-1"


async def test_a_look_that_was_ordered_and_never_made_is_ordered_again(world: World, belfry: Belfry) -> None:
    delivery = await unconfirmed(world, belfry)
    await world.pass_time(SOON)
    await dispatching.run_pass(now())
    assert world.outbox.of(delivery) == ["reconcile"]
    world.outbox.messages.clear()
    await dispatching.run_pass(now())
    assert world.outbox.of(delivery) == []
    await world.pass_time(dispatching.CHECK_AGAIN + timedelta(seconds=1))
    await world.dispatch()
    assert (await fresh(delivery)).state == State.PUBLISHED


async def test_connecting_the_account_again_asks_again_what_only_waited_for_it(world: World) -> None:
    delivery = await world.queued("bluesky")
    revoked = TokenRevoked("bluesky", "revoked", "Access was withdrawn.")
    trouble = backoff.trouble(revoked, now()).model_dump()
    await put(delivery, state=State.UNCONFIRMED, fenced_at=now(), undecidable=True, trouble=trouble)
    await connecting.connect_sandbox(world.workspace)
    asked = await fresh(delivery)
    assert (asked.undecidable, asked.checks) == (False, 0)
    assert asked.due_at <= now()
