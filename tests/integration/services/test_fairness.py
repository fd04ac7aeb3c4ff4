"""Nobody waits for somebody else's stall, limit or large file, and nothing is sent that came too late."""

from dataclasses import replace
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from app.engine import outbox, pacing
from app.ids import Id
from app.models import EPOCH, UPLOADS, Account, Delivery, LatePolicy, MediaFile, State, Workspace, now
from app.services.writing import posts, remedies
from platforms.base import Midnight, Quota, Scope
from tests.integration.services.belfry import NAME, Belfry
from tests.integration.services.world import World, current, fresh, of_post, put


async def test_large_files_take_a_lane_of_their_own(world: World) -> None:
    picture = await world.picture()
    file = await MediaFile.get(picture.media_id)
    assert file is not None
    await put(file, size=outbox.HEAVY + 1)
    await world.publish_now("bluesky", attachments=(picture,))
    await world.publish_now("bluesky", text="light")
    assert [message.platform for message in world.outbox.messages] == [UPLOADS, "bluesky"]


# --- quotas -----------------------------------------------------------------------------------------------------------


async def sent(account: Account, *, ago: timedelta = timedelta(), parts: int = 1) -> Delivery:
    """Another process sent something ``ago``: what its fence wrote."""
    ids = {"workspace_id": account.workspace_id, "post_id": Id(), "account_id": account.id}
    done = Delivery(**ids, platform=account.platform, state=State.PUBLISHED, planned_at=EPOCH, due_at=EPOCH, parts=[])
    await done.insert()
    await put(done, **pacing.stamp(account, now() - ago, parts=parts))
    return done


async def pause(account: Account) -> timedelta:
    return (await pacing.admit([account]))[account.id]


@pytest.fixture
def hourly(world: World, belfry: Belfry) -> Account:
    """An account that may send four posts an hour."""
    belfry.capabilities = replace(belfry.capabilities, quotas=(Quota(4, timedelta(hours=1)),))
    return world.accounts[NAME]


async def test_an_account_whose_allowance_is_used_up_waits_and_then_publishes(
    world: World, belfry: Belfry, hourly: Account
) -> None:
    for minutes in (55, 30, 20):
        await sent(hourly, ago=timedelta(minutes=minutes))
    first, second = [await world.queued(NAME, text=text) for text in ("first", "second")]
    await world.outbox.deliver()
    assert (await fresh(first)).state == State.PUBLISHED
    waiting = await fresh(second)
    assert (waiting.state, waiting.attempts, waiting.strikes) == (State.SCHEDULED, 0, 0)
    assert timedelta(minutes=4) < waiting.due_at - now() <= timedelta(minutes=5)
    assert len(belfry.posts) == 1

    await put((await Delivery.find({"state": State.PUBLISHED, "sent_parts": 1}).to_list())[0], **_stamped_an_hour_ago(hourly))
    pacing.forget()
    await put(second, due_at=now())
    await world.dispatch()
    assert (await fresh(second)).state == State.PUBLISHED


def _stamped_an_hour_ago(account: Account) -> dict[str, object]:
    return pacing.stamp(account, now() - timedelta(minutes=61), parts=1)


async def test_what_other_processes_send_meanwhile_is_seen_as_soon_as_it_matters(world: World, hourly: Account) -> None:
    await sent(hourly)
    assert await pause(hourly) == timedelta()
    for _ in range(2):
        await sent(hourly)
    assert await pause(hourly) == timedelta()  # one of four was used when it was last looked at, so that nobody looks again
    pacing.note(hourly, Id(), now(), parts=1)
    assert await pause(hourly) > timedelta(minutes=59)


async def test_each_part_of_a_thread_counts_and_none_counts_twice(world: World, hourly: Account) -> None:
    thread = await sent(hourly, parts=2)
    for parts in (1, 2, 3):
        pacing.note(hourly, thread.id, now(), parts=parts)
        pacing.note(hourly, thread.id, now(), parts=parts)
    assert await pause(hourly) == timedelta()
    await put(thread, **pacing.stamp(hourly, now(), parts=4))
    assert await pause(hourly) > timedelta(minutes=59)


async def test_a_daily_allowance_comes_back_at_the_networks_midnight(world: World, belfry: Belfry, hourly: Account) -> None:
    belfry.capabilities = replace(belfry.capabilities, quotas=(Quota(1, Midnight("Pacific/Auckland")),))
    assert await pause(hourly) == timedelta()
    await sent(hourly)
    pacing.forget()
    waits = await pause(hourly)
    again = (now() + waits).astimezone(ZoneInfo("Pacific/Auckland"))
    assert waits > timedelta()
    assert again - again.replace(hour=0, minute=0, second=0, microsecond=0) < timedelta(minutes=1)


async def test_what_the_network_blocked_waits_whatever_the_quota(world: World, hourly: Account) -> None:
    await pacing.block(hourly, now() + timedelta(minutes=7))
    assert timedelta(minutes=6) < await pause(await current(hourly)) <= timedelta(minutes=7)


@pytest.mark.parametrize("scope", [Scope.SERVER, Scope.APP])
async def test_one_workspace_cannot_use_up_for_all_what_accounts_share(world: World, belfry: Belfry, scope: Scope) -> None:
    belfry.capabilities = replace(belfry.capabilities, quotas=(Quota(8, timedelta(hours=1), scope),))
    loud, quiet = [account_of(workspace, "loud") for workspace in (world.workspace, world.elsewhere)]
    for _ in range(3):
        await sent(loud)
    assert await pause(loud) == timedelta()
    another = account_of(world.workspace, "another")
    assert await pause(another) > timedelta(minutes=59)  # the one that was just admitted is the workspace's fourth
    assert await pause(quiet) == timedelta()


def account_of(workspace: Workspace, name: str) -> Account:
    facts = {"server": "https://belfry.example", "remote_id": name, "handle": name, "display_name": name}
    return Account(workspace_id=workspace.id, grant_id=Id(), platform=NAME, **facts)


async def test_who_is_alone_may_use_all_of_it(world: World, belfry: Belfry) -> None:
    belfry.capabilities = replace(belfry.capabilities, quotas=(Quota(4, timedelta(hours=1), Scope.APP),))
    await world.elsewhere.delete()
    batch = [account_of(world.workspace, str(number)) for number in range(6)]
    pauses = await pacing.admit(batch)
    assert [pauses[account.id] > timedelta() for account in batch] == [False] * 4 + [True] * 2


async def test_a_batch_asks_the_database_once_a_minute(world: World, belfry: Belfry, hourly: Account) -> None:
    await pacing.admit([hourly])
    await sent(hourly)
    asked = pacing._table.hour(pacing.hour_of(now())).read_at
    await pacing.admit([account_of(world.workspace, str(number)) for number in range(100)])
    assert pacing._table.hour(pacing.hour_of(now())).read_at == asked


@pytest.mark.parametrize(
    ("policy", "state"),
    [(LatePolicy.ASK, State.MISSED), (LatePolicy.SKIP, State.CANCELED), (LatePolicy.SEND, State.PUBLISHED)],
)
async def test_after_an_outage_the_workspace_decides(world: World, policy: LatePolicy, state: State) -> None:
    await put(world.workspace, late_policy=policy)
    delivery = await world.queued("bluesky")
    await world.pass_time(timedelta(minutes=61))
    await world.outbox.deliver()
    assert (await fresh(delivery)).state == state
    assert len(await world.texts()) == (state == State.PUBLISHED)


async def test_a_post_that_is_late_but_not_too_late_is_sent(world: World) -> None:
    delivery = await world.queued("bluesky")
    await world.pass_time(timedelta(minutes=59))
    await world.outbox.deliver()
    assert (await fresh(delivery)).state == State.PUBLISHED


async def test_what_was_tried_is_not_missed_however_long_the_retries_take(world: World) -> None:
    await world.judge.fault("bluesky", "rate_limited", seconds=4000, times=1)
    delivery = await world.queued("bluesky")
    await world.outbox.deliver()
    await world.pass_time(timedelta(seconds=4001))
    await world.dispatch()
    assert (await fresh(delivery)).state == State.PUBLISHED


async def test_a_missed_post_is_sent_moved_or_dropped_by_a_person(world: World) -> None:
    missed = [await world.queued("bluesky", text=text) for text in ("send", "move", "drop")]
    await world.pass_time(timedelta(hours=2))
    await world.outbox.deliver()
    send, move, drop = [await fresh(one) for one in missed]
    assert {one.state for one in (send, move, drop)} == {State.MISSED}
    view = await posts.view(world.workspace, send.post_id)
    assert (view.status, view.deliveries[0].actions) == ("needs you", {"send_again", "drop"})

    await remedies.send_again(world.workspace, send.id)
    later = now() + timedelta(days=1)
    await posts.reschedule(world.workspace, move.post_id, date=f"{later:%Y-%m-%d}", time="10:00", zone="UTC")
    await remedies.drop(world.workspace, drop.id)
    await world.dispatch()
    assert [(await fresh(one)).state for one in (send, move, drop)] == [State.PUBLISHED, State.SCHEDULED, State.CANCELED]


async def test_all_dead_letters_of_one_platform_are_sent_again(world: World) -> None:
    failed = await of_post(await world.publish_now(text="again"))
    for one in failed:
        await put(one, state=State.DEAD)
    assert await remedies.dead_platforms(world.workspace) == {"bluesky": 1, "mastodon": 1}
    assert await remedies.send_all_again(world.workspace, "mastodon") == 1
    await world.dispatch()
    assert sorted([((await fresh(one)).platform, (await fresh(one)).state) for one in failed]) == [
        ("bluesky", State.DEAD),
        ("mastodon", State.PUBLISHED),
    ]
    assert await remedies.send_all_again(world.elsewhere, "bluesky") == 0
