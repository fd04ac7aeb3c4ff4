"""Files that went out long ago make room, and never one that somebody still needs."""

import asyncio
from datetime import timedelta

import pytest

from app import runtime
from app.models import Attachment, FittedFile, MediaFile, Post, State, in_millis, now
from app.services.media import files, keeping
from app.services.writing import posts
from tests.contract.harness import picture, whole
from tests.integration.services.test_fitting import made_of, planned
from tests.integration.services.test_media import large
from tests.integration.services.world import World, of_post, put

MONTH = keeping.FITTED_KEPT + timedelta(minutes=1)


async def grown_old(by: timedelta = MONTH) -> None:
    """Nothing that was made of files was wanted for so long."""
    for one in await FittedFile.find({}).to_list():
        await put(one, used_ms=in_millis(now() - by))


async def published(world: World) -> tuple[MediaFile, Post]:
    file = await large(world)
    post = await world.publish_now("bluesky", attachments=(Attachment(media_id=file.id, alt="A bell"),))
    await world.outbox.deliver()
    assert len(await world.judge.posts()) == 1
    assert len(await made_of(file)) == 1
    return file, post


async def test_what_was_made_goes_a_month_after_its_post_went_out_and_the_file_stays(world: World) -> None:
    file, _ = await published(world)
    assert await keeping.drop_fitted(now()) == 0
    await grown_old()
    assert await asyncio.gather(keeping.drop_fitted(now()), keeping.drop_fitted(now())) != [0, 0]
    assert await made_of(file) == []
    assert await FittedFile.find({}).to_list() == []
    assert (await runtime.current().storage.head(file.path)).size == file.size


@pytest.mark.parametrize("whose", ["everybody's", "an account's own"])
async def test_what_is_planned_keeps_it(world: World, whose: str) -> None:
    file, _ = await published(world)
    attachment = Attachment(media_id=file.id, alt="A bell")
    if whose == "everybody's":
        await planned(world, "bluesky", file=file)
    else:
        own = {world.accounts["bluesky"].id: (attachment,)}
        at = now() + timedelta(hours=1)
        times = {"date": at.strftime("%Y-%m-%d"), "time": at.strftime("%H:%M"), "zone": "UTC"}
        await posts.schedule(world.workspace, world.alice, world.draft("bluesky", files=own, **times))
    await grown_old()
    assert await keeping.drop_fitted(now()) == 0
    assert len(await made_of(file)) == 1
    [one] = await FittedFile.find({}).to_list()
    assert one.used_ms > in_millis(now() - timedelta(minutes=1)), "it is looked at again in a month"


async def test_a_draft_keeps_it(world: World) -> None:
    file, _ = await published(world)
    await posts.save_draft(world.workspace, world.alice, world.draft("bluesky", attachments=(Attachment(media_id=file.id),)))
    await grown_old()
    assert await keeping.drop_fitted(now()) == 0


async def test_what_is_being_made_is_left_alone(world: World) -> None:
    file, _ = await published(world)
    [one] = await FittedFile.find({}).to_list()
    await grown_old()
    await put(one, lease_ms=in_millis(now() + timedelta(minutes=1)))
    assert await keeping.drop_fitted(now()) == 0
    assert len(await made_of(file)) == 1


async def test_another_workspaces_posts_keep_nothing_here(world: World) -> None:
    file, _ = await published(world)
    await Post(
        workspace_id=world.elsewhere.id, author_id=world.alice.id, draft=True, attachments=[Attachment(media_id=file.id)]
    ).insert()
    await grown_old()
    assert await keeping.drop_fitted(now()) == 1


# --- files themselves -------------------------------------------------------------------------------------------------

QUARTER = timedelta(days=90, minutes=1)


async def wants(world: World, days: int) -> None:
    """The workspace keeps files so long after their last use."""
    await put(world.workspace, keep_files=days, swept_ms=0)


async def long_ago(*documents: MediaFile | Post, by: timedelta = QUARTER) -> None:
    """Whatever happened to them did so earlier."""
    for one in documents:
        clocks = ("created_at", "updated_at", "planned_at")
        await put(one, **{name: getattr(one, name) - by for name in clocks if getattr(one, name, None)})


async def is_there(file: MediaFile) -> bool:
    found = await MediaFile.get(file.id)
    lies = [one.key async for one in runtime.current().storage.listed(f"media/{file.workspace_id}/{file.id}/")]
    assert bool(lies) == (found is not None and found.state == "ready")
    return bool(lies)


async def test_a_file_goes_so_long_after_its_last_use_as_its_workspace_wants(world: World) -> None:
    file, post = await published(world)
    unused, fresh = await large(world), await large(world)
    await long_ago(file, post, unused)
    for days, left in ((0, [True, True, True]), (365, [True, True, True]), (90, [False, False, True])):
        await wants(world, days)
        await asyncio.gather(keeping.drop_files(now()), keeping.drop_files(now()))
        assert [await is_there(each) for each in (file, unused, fresh)] == left


async def test_the_last_use_counts_and_not_the_age(world: World) -> None:
    file, _ = await published(world)
    await long_ago(file)
    await wants(world, 90)
    assert await keeping.drop_files(now()) == 0


async def test_what_is_planned_or_a_draft_or_unanswered_keeps_its_file(world: World) -> None:
    kept = [await large(world) for _ in range(3)]
    drafted = await posts.save_draft(
        world.workspace, world.alice, world.draft("bluesky", attachments=(Attachment(media_id=kept[0].id),))
    )
    waiting = await planned(world, "bluesky", file=kept[1])
    unsure = await world.publish_now("bluesky", attachments=(Attachment(media_id=kept[2].id, alt="A bell"),))
    [delivery] = await of_post(unsure)
    await put(delivery, state=State.UNCONFIRMED, undecidable=True)
    await long_ago(*kept, drafted, waiting, unsure)
    await wants(world, 30)
    assert await keeping.drop_files(now()) == 0
    assert [await is_there(each) for each in kept] == [True] * 3


async def test_other_workspaces_keep_theirs(world: World) -> None:
    file = await files.add(world.elsewhere, await whole(picture()))
    await long_ago(file)
    await wants(world, 30)
    assert await keeping.drop_files(now()) == 0
    assert await is_there(file)


async def test_all_files_are_looked_at_once_a_day(world: World) -> None:
    await wants(world, 30)
    await keeping.drop_files(now())
    file = await large(world)
    await long_ago(file)
    assert await keeping.drop_files(now()) == 0
    assert await keeping.drop_files(now() + timedelta(days=1, minutes=1)) == 1


async def test_many_files_are_looked_at_in_batches(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "_BATCH", 2)
    monkeypatch.setattr(keeping, "_BREATH", 0)
    some = [await files.add(world.workspace, await whole(picture())) for _ in range(5)]
    await long_ago(*some)
    await posts.save_draft(world.workspace, world.alice, world.draft(attachments=(Attachment(media_id=some[1].id),)))
    await wants(world, 30)
    assert await keeping.drop_files(now()) == 4
    assert [await is_there(each) for each in some] == [False, True, False, False, False]
