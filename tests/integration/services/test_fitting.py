"""Files are made to fit before their hour: once for all who want the same, found again when a worker is lost, and told about."""

import asyncio
from copy import copy
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from app import claims, renditions, runtime
from app.engine import fitting
from app.ids import Id
from app.models import Attachment, Delivery, FittedFile, MediaFile, Post, State, in_millis, now
from app.services.media import files
from app.services.writing import posts, views
from app.storage import Folder, Missing, Stored, pieces
from tests.integration.services.test_media import large
from tests.integration.services.world import World, of_post, put, until
from tests.photos import film

HOUR = timedelta(hours=1)


async def planned(world: World, *platforms: str, file: MediaFile, at: timedelta = HOUR) -> Post:
    """A post with ``file`` that goes out later."""
    when = now() + at
    draft = world.draft(
        *platforms,
        attachments=(Attachment(media_id=file.id, alt="A bell"),),
        date=when.strftime("%Y-%m-%d"),
        time=when.strftime("%H:%M"),
        zone="UTC",
    )
    return await posts.schedule(world.workspace, world.alice, draft)


async def made_of(file: MediaFile) -> list[str]:
    """What lies beside the original."""
    found = [one.key async for one in runtime.current().storage.listed(f"media/{file.workspace_id}/{file.id}/")]
    return [key for key in found if key not in (file.path, file.poster, file.thumb)]


async def again(post: Post) -> Post:
    found = await Post.get(post.id)
    assert found is not None
    return found


async def test_it_is_made_when_the_post_is_planned_and_looked_at_once_more_before_it_goes_out(world: World) -> None:
    file = await large(world)
    post = await planned(world, "bluesky", file=file)
    assert await made_of(file) == []
    await world.dispatch()
    assert len(await made_of(file)) >= 1
    post = await again(post)
    assert post.planned_at is not None
    assert post.fit_ms == in_millis(post.planned_at - fitting.AHEAD)
    await runtime.current().storage.delete(file.path)  # so it cannot be made again
    await put(post, fit_ms=in_millis(now()))
    await world.pass_time(HOUR)
    await world.dispatch()
    assert [delivery.state for delivery in await of_post(post)] == [State.PUBLISHED]


async def test_what_the_storage_lost_is_made_again_before_it_goes_out(world: World) -> None:
    file = await large(world)
    post = await planned(world, "bluesky", file=file)
    await world.dispatch()
    [made] = await made_of(file)
    await runtime.current().storage.delete(made)
    await put(post, fit_ms=in_millis(now()))
    await world.dispatch()
    assert await made_of(file) == [made]


async def test_ten_minutes_before_is_the_last_look(world: World) -> None:
    file = await large(world)
    post = await planned(world, "bluesky", file=file, at=timedelta(minutes=8))
    await world.dispatch()
    assert (await again(post)).fit_ms == 0


async def test_drafts_words_and_what_was_canceled_are_nobodys_work(world: World) -> None:
    file = await large(world)
    await world.publish_now("bluesky")
    draft = world.draft("bluesky", attachments=(Attachment(media_id=file.id, alt="A bell"),))
    await posts.save_draft(world.workspace, world.alice, draft)
    assert [post.fit_ms for post in await Post.find({}).to_list()] == [0, 0]
    post = await planned(world, "bluesky", file=file)
    assert post.fit_ms > 0
    await posts.cancel(world.workspace, post.id)
    await world.dispatch()
    assert await made_of(file) == []
    assert (await again(post)).fit_ms == 0


async def test_a_message_that_is_lost_comes_again(world: World) -> None:
    file = await large(world)
    post = await planned(world, "bluesky", file=file)
    world.outbox.accepting = False
    await world.dispatch()
    world.outbox.accepting = True
    await world.dispatch()
    assert await made_of(file) == [], "somebody may be at it"
    leased = (await again(post)).fit_ms
    await put(post, fit_ms=leased - fitting.LEASE // timedelta(milliseconds=1))
    await world.dispatch()
    assert len(await made_of(file)) == 1


async def test_a_save_while_it_is_made_is_looked_at_anew(world: World) -> None:
    file, other = await large(world), await large(world)
    post = await planned(world, "bluesky", file=file)
    await fitting.send_due(now())
    changed = world.draft("bluesky", attachments=(Attachment(media_id=other.id, alt="A bell"),), zone="UTC")
    at = now() + HOUR
    changed = posts.Draft(**{**vars_of(changed), "date": at.strftime("%Y-%m-%d"), "time": at.strftime("%H:%M")})
    await posts.schedule(world.workspace, world.alice, changed, posts.Target(post.id, post.revision))
    await world.dispatch()
    assert len(await made_of(other)) == 1


def vars_of(draft: posts.Draft) -> dict[str, object]:
    return {name: getattr(draft, name) for name in draft.__dataclass_fields__}


# --- what cannot be made ----------------------------------------------------------------------------------------------


async def test_what_cannot_be_made_is_told_at_once_and_the_rest_goes_on(world: World) -> None:
    file = await large(world)
    await runtime.current().storage.write(file.path, pieces(b"\x89PNG\r\n\x1a\nbroken"), mime=file.mime)
    post = await planned(world, "bluesky", file=file)
    await world.dispatch()
    [delivery] = await of_post(post)
    assert delivery.state == State.SCHEDULED
    assert delivery.trouble is not None
    assert (delivery.trouble.remedy, delivery.strikes) == ("edit", 0)
    [row] = (await views.view(world.workspace, post.id)).deliveries
    assert (row.tone, row.detail) == ("warn", delivery.trouble.message)
    fine = await large(world)
    at = now() + HOUR
    draft = world.draft(
        "bluesky",
        attachments=(Attachment(media_id=fine.id, alt="A bell"),),
        date=at.strftime("%Y-%m-%d"),
        time=at.strftime("%H:%M"),
        zone="UTC",
    )
    await posts.schedule(world.workspace, world.alice, draft, posts.Target(post.id, post.revision))
    await world.dispatch()
    [delivery] = await of_post(post)
    assert delivery.trouble is None


# --- one at a time ----------------------------------------------------------------------------------------------------


@pytest.fixture
async def elsewhere(world: World, monkeypatch: pytest.MonkeyPatch) -> tuple[MediaFile, str, Id]:
    """A large picture that another process is making for Bluesky: the file, the key, and the other's claim."""
    file = await large(world)
    post = await planned(world, "bluesky", file=file)
    await world.dispatch()
    [key] = await made_of(file)
    await runtime.current().storage.delete(key)
    await posts.cancel(world.workspace, post.id)
    await posts.delete(world.workspace, post.id)
    monkeypatch.setattr(renditions, "PATIENCE", timedelta(seconds=0.1))
    monkeypatch.setattr(fitting, "STAYS", timedelta(seconds=0.1))
    claim = await claims.take(key, file)
    assert claim is not None
    return file, key, claim


async def finished(world: World, post: Post) -> None:
    """Look again and again until nothing is left to be made."""

    async def happened() -> bool:
        await put(post, fit_ms=in_millis(now()))
        await world.dispatch()
        return (await again(post)).fit_ms > in_millis(now() + timedelta(minutes=1))

    await until(happened)


async def test_what_another_worker_makes_is_waited_for_and_its_progress_is_told(
    world: World, elsewhere: tuple[MediaFile, str, Id]
) -> None:
    file, key, claim = elsewhere
    await claims.keep(key, claim, 0.4)
    post = await planned(world, "bluesky", file=file)
    await world.dispatch()
    assert await made_of(file) == []
    [row] = (await views.view(world.workspace, post.id)).deliveries
    assert (row.label, row.tone) == ("Preparing files", "progress")
    assert "40%" in row.detail
    await claims.end(key, claim)  # nothing came of it
    await finished(world, post)
    assert await made_of(file) == [key]
    [row] = (await views.view(world.workspace, post.id)).deliveries
    assert row.label == "Scheduled"


async def test_a_worker_that_is_gone_is_waited_for_no_longer_than_its_lease(
    world: World, elsewhere: tuple[MediaFile, str, Id]
) -> None:
    file, key, _ = elsewhere
    assert await claims.take(key, file) is None
    [document] = await FittedFile.find({"_id": key}).to_list()
    await put(document, lease_ms=document.lease_ms - claims.LEASE // timedelta(milliseconds=1))
    await finished(world, await planned(world, "bluesky", file=file))
    assert await made_of(file) == [key]


async def test_who_was_taken_over_keeps_nothing_of_what_it_made(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the other has made may be on its way to a network: another encoding in its place would be another file."""
    monkeypatch.setattr(fitting, "STAYS", timedelta(seconds=0.1))
    options = {"preset": "ultrafast", "x265-params": "log-level=none"}
    made = film(tmp_path / "bell.mp4", size=(128, 72), seconds=2, codec="libx265", options=options)
    file = await files.add(world.workspace, made.read_bytes())
    post = await planned(world, "mastodon", file=file)
    making = asyncio.create_task(fitting.fit(post.id))

    async def begun() -> bool:
        return await FittedFile.find({}).count() == 1

    await until(begun)
    [document] = await FittedFile.find({}).to_list()
    await put(document, claim=Id(), lease_ms=in_millis(now() + HOUR))
    await making
    while renditions._being_made:
        await asyncio.sleep(0.05)
    assert await made_of(file) == []


async def test_a_publication_whose_file_is_still_made_costs_no_attempt(
    world: World, elsewhere: tuple[MediaFile, str, Id]
) -> None:
    file, key, claim = elsewhere
    post = await world.publish_now("bluesky", attachments=(Attachment(media_id=file.id, alt="A bell"),))
    await world.outbox.deliver()
    [delivery] = await of_post(post)
    assert (delivery.state, delivery.strikes, delivery.trouble) == (State.SCHEDULED, 0, None)
    await claims.end(key, claim)

    async def arrived() -> bool:
        await world.pass_time(timedelta(seconds=6))
        await world.dispatch()
        return all(one.state == State.PUBLISHED for one in await Delivery.find({}).to_list())

    await until(arrived)
    assert [post["media"] for post in await world.judge.posts()] == [1]


async def test_a_film_is_transcoded_once_for_two_who_want_the_same(world: World, tmp_path: Path) -> None:
    made = film(
        tmp_path / "bell.mp4", size=(128, 72), codec="libx265", options={"preset": "ultrafast", "x265-params": "log-level=none"}
    )
    file = await files.add(world.workspace, made.read_bytes())
    one, other = await planned(world, "mastodon", file=file), await planned(world, "mastodon", file=file)
    await fitting.send_due(now())
    await asyncio.gather(*(fitting.fit(post.id) for post in (one, other)))
    assert len(await made_of(file)) == 1
    assert len(await FittedFile.find({}).to_list()) == 1


async def test_a_look_at_what_is_being_made_holds_nobody_up(
    world: World, elsewhere: tuple[MediaFile, str, Id], monkeypatch: pytest.MonkeyPatch
) -> None:
    file, key, claim = elsewhere
    some = [await planned(world, "bluesky", file=file) for _ in range(10)]
    await world.dispatch()
    monkeypatch.setattr(fitting, "STAYS", timedelta(seconds=3))
    began = asyncio.get_running_loop().time()
    for post in some:
        await fitting.fit(post.id)
    looks = asyncio.get_running_loop().time() - began
    began = asyncio.get_running_loop().time()
    for post in some:
        await again(post)
        await again(post)
        await again(post)
    floor = asyncio.get_running_loop().time() - began
    assert looks < 40 * floor, "each is some queries, and no waiting"
    await claims.end(key, claim)


class Overtaken(Folder):
    """A folder in which another worker finishes a file right after we looked for it."""

    others: bytes = b""

    async def head(self, key: str) -> Stored:
        if self.others and key.endswith(".jpg"):
            others, self.others = self.others, b""
            await self.write(key, pieces(others), mime="image/jpeg")
            raise Missing(key)
        return await super().head(key)


async def test_what_somebody_made_between_our_look_and_our_claim_is_not_made_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two encodings are never the same, and the first may be on its way to a network."""
    here = runtime.current()
    assert isinstance(here.storage, Folder)
    file = await large(world)
    await planned(world, "bluesky", file=file)
    storage = copy(here.storage)
    storage.__class__ = Overtaken
    assert isinstance(storage, Overtaken)
    monkeypatch.setattr(runtime, "_current", replace(here, storage=storage))
    storage.others = b"made by another"
    await world.dispatch()
    [made] = await made_of(file)
    assert b"".join([piece async for piece in storage.read(made)]) == b"made by another"
