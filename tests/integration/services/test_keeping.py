"""Files that went out long ago make room, and never one that somebody still needs."""

import asyncio
from datetime import timedelta

import pytest

from app import runtime
from app.models import Attachment, FittedFile, MediaFile, Post, in_millis, now
from app.services.media import keeping
from app.services.writing import posts
from tests.integration.services.test_fitting import made_of, planned
from tests.integration.services.test_media import large
from tests.integration.services.world import World, put

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
