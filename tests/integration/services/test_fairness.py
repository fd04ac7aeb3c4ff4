"""Nobody waits for somebody else's stall, limit or large file, and nothing is sent that came too late."""

from datetime import timedelta

import pytest

from app.engine import outbox, pacing
from app.models import EPOCH, UPLOADS, Account, LatePolicy, MediaFile, State, now
from app.services.writing import posts, remedies
from platforms import REGISTRY
from tests.integration.services.world import World, fresh, of_post, put


async def test_large_files_take_a_lane_of_their_own(world: World) -> None:
    picture = await world.picture()
    file = await MediaFile.get(picture.media_id)
    assert file is not None
    await put(file, size=outbox.HEAVY + 1)
    await world.publish_now("bluesky", attachments=(picture,))
    await world.publish_now("bluesky", text="light")
    assert [message.platform for message in world.outbox.messages] == [UPLOADS, "bluesky"]


async def test_an_account_whose_allowance_is_used_up_waits_and_then_publishes(world: World) -> None:
    await put(world.accounts["bluesky"], paced_until=now() + pacing.BURST + timedelta(minutes=5))
    delivery = await world.queued("bluesky")
    await world.outbox.deliver()
    waiting = await fresh(delivery)
    assert (waiting.state, waiting.attempts, waiting.strikes) == (State.SCHEDULED, 0, 0)
    assert timedelta(minutes=4) < waiting.due_at - now() <= timedelta(minutes=5)
    assert await world.texts() == []

    await world.pass_time(timedelta(minutes=5))
    await put(world.accounts["bluesky"], paced_until=now())
    await world.dispatch()
    assert (await fresh(delivery)).state == State.PUBLISHED


async def test_every_post_takes_a_token_from_its_account(world: World) -> None:
    await world.queued("bluesky")
    await world.outbox.deliver()
    account = await Account.get(world.accounts["bluesky"].id)
    assert account is not None
    limit = REGISTRY["bluesky"].capabilities.per_hour
    assert limit is not None
    assert account.paced_until - now() <= timedelta(hours=2) / limit
    assert account.paced_until > EPOCH


async def test_one_workspace_cannot_use_up_a_servers_allowance_for_all(world: World) -> None:
    """A real account, because the sandbox has no limits to share."""
    loud = world.accounts["bluesky"].model_copy(update={"sandbox": False, "server": "https://pds.test", "paced_until": EPOCH})
    quiet = loud.model_copy(update={"workspace_id": world.elsewhere.id})
    limit = REGISTRY["bluesky"].capabilities.installation_per_hour
    assert limit is not None
    await pacing.admit(loud)
    await put(await _bucket(f"bluesky https://pds.test {loud.workspace_id}"), full_at=now() + pacing.BURST + timedelta(minutes=1))
    assert await pacing.admit(loud) > timedelta(seconds=50)
    assert await pacing.admit(quiet) == timedelta()


async def _bucket(name: str) -> "pacing.Bucket":
    bucket = await pacing.Bucket.get(name)
    assert bucket is not None
    return bucket


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
