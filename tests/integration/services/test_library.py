"""The library: found again, described, replaced and deleted, and never taken from a post that needs it."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from app import migrations, runtime
from app.errors import Conflict, Invalid, NotFound
from app.ids import Id
from app.models import Attachment, FittedFile, MediaFile, MediaState, Post, State, in_millis, now
from app.services.media import captions, files, pins, removing, shelf
from app.services.media.shelf import Wanted
from app.services.writing import posts, remedies, replacing
from app.services.writing.posts import Target
from app.storage import from_disk
from tests.integration.services.world import World, of_post, put
from tests.photos import encoded, film

VTT = b"\xef\xbb\xbfWEBVTT\r\n\r\n00:00.000 --> 00:01.000\r\nDing\r\n"


def png(colour: str = "goldenrod", size: tuple[int, int] = (8, 8)) -> bytes:
    return encoded(Image.new("RGB", size, colour), "PNG")


async def kept(world: World, name: str, alt: str = "", folder: str = "", data: bytes = b"") -> MediaFile:
    file = await files.add(world.workspace, data or png())
    return await files.describe(world.workspace, file.id, name=name, alt=alt, folder=folder)


async def filmed(world: World, tmp_path: Path) -> MediaFile:
    return await files.receive(world.workspace, from_disk(film(tmp_path / "a.mp4")), name="a.mp4")


def showing(*shown: MediaFile) -> dict[str, Any]:
    return {"attachments": tuple(Attachment(media_id=file.id, alt="A bell") for file in shown)}


async def draft_with(world: World, *shown: MediaFile, **more: Any) -> Post:
    return await posts.save_draft(world.workspace, world.alice, world.draft(**showing(*shown), **more))


async def planned_with(world: World, *shown: MediaFile) -> Post:
    soon = now() + timedelta(days=2)
    draft = world.draft(**showing(*shown), date=f"{soon:%Y-%m-%d}", time="09:00", zone="UTC")
    return await posts.schedule(world.workspace, world.alice, draft)


async def ids(world: World, **wanted: str) -> Sequence[Id]:
    return [file.id for file in (await shelf.shelf(world.workspace, Wanted(**wanted))).files]


async def is_there(file: MediaFile) -> bool:
    found = await MediaFile.get(file.id)
    return found is not None and found.state is MediaState.READY


# --- found again ------------------------------------------------------------------------------------------------------


async def test_the_newest_come_first_and_are_found_by_name_and_description(world: World) -> None:
    old, new = await kept(world, "bell (1).png"), await kept(world, "tower.png", "A Bell tower")
    hidden = await kept(world, "bell-late.png")
    await put(hidden, state="uploading")
    await files.add(world.elsewhere, png())
    assert await ids(world) == [new.id, old.id]
    for search, found in (("BELL", [new.id, old.id]), ("bell (", [old.id]), ("tower", [new.id]), (".*", []), ("x" * 5_000, [])):
        assert await ids(world, search=search) == found


async def test_pages_follow_each_other_without_a_gap(world: World) -> None:
    made = [await kept(world, f"{number}.png") for number in range(5)]
    seen: list[Id] = []
    before = None
    for size in (2, 2, 1):
        page = await shelf.shelf(world.workspace, before=before, count=2)
        assert len(page.files) == size
        seen += [file.id for file in page.files]
        before = page.older
    assert before is None
    assert seen == [file.id for file in reversed(made)]


async def test_they_are_filtered_by_kind_use_and_folder(world: World, tmp_path: Path) -> None:
    photo = await kept(world, "photo.png", folder="  Spring\n sale ")
    moving = await kept(world, "moving.gif", data=encoded(Image.new("RGB", (8, 8)), "GIF"))
    clip = await filmed(world, tmp_path)
    await draft_with(world, photo)
    only = world.draft(files={world.accounts["mastodon"].id: (Attachment(media_id=clip.id),)})
    await posts.save_draft(world.workspace, world.alice, only)
    assert await ids(world, kind="images") == [photo.id]
    assert await ids(world, kind="gifs") == [moving.id]
    assert await ids(world, kind="videos") == [clip.id]
    assert await ids(world, folder="Spring sale") == [photo.id]
    assert await ids(world, use="used") == [clip.id, photo.id]
    assert await ids(world, use="unused") == [moving.id]
    assert await ids(world, kind="nonsense", use="nonsense") == [clip.id, moving.id, photo.id]
    assert (await shelf.shelf(world.workspace)).uses == {photo.id: 1, clip.id: 1}
    assert await shelf.folders(world.workspace) == ["Spring sale"]
    assert await shelf.folders(world.elsewhere) == []


async def test_a_page_of_unused_ones_goes_on_behind_many_that_are_used(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelf, "_LOOKED_AT", 2)
    spare = await kept(world, "spare.png")
    await draft_with(world, *[await kept(world, f"{number}.png") for number in range(3)])
    first = await shelf.shelf(world.workspace, Wanted(use="unused"), count=2)
    assert (list(first.files), first.older is not None) == ([], True)
    then = await shelf.shelf(world.workspace, Wanted(use="unused"), before=first.older, count=2)
    assert ([file.id for file in then.files], then.older) == ([spare.id], None)


async def test_only_ones_own_files_can_be_picked_in_the_order_of_the_picks(world: World) -> None:
    bell, tower, late = [await kept(world, f"{name}.png") for name in ("bell", "tower", "late")]
    await put(late, state="uploading")
    foreign = await files.add(world.elsewhere, png())
    found = await shelf.picked(world.workspace, [tower.id, foreign.id, late.id, Id(), bell.id])
    assert [file.id for file in found] == [tower.id, bell.id]
    assert await shelf.picked(world.workspace, []) == []


async def test_what_an_older_installation_left_is_found_too(world: World) -> None:
    file = await kept(world, "old.png")
    post = await draft_with(world, file)
    await MediaFile.get_pymongo_collection().update_one({"_id": file.id}, {"$unset": {"order": "", "pins": "", "pin_ms": ""}})
    await Post.get_pymongo_collection().update_one({"_id": post.id}, {"$unset": {"holds": ""}})
    await migrations.run()
    assert await ids(world, use="used") == [file.id]
    with pytest.raises(removing.Needed):
        await removing.delete(world.workspace, file.id)


# --- deleted ----------------------------------------------------------------------------------------------------------


async def test_a_file_that_nothing_holds_goes_with_all_its_bytes(world: World) -> None:
    file = await kept(world, "bell.png", data=png(size=(900, 900)))
    await FittedFile(id="made", workspace_id=world.workspace.id, media_id=file.id).insert()
    await removing.delete(world.workspace, file.id)
    with pytest.raises(NotFound):
        await files.get(world.workspace, file.id)
    folder = f"media/{world.workspace.id}/{file.id}/"
    assert [stored async for stored in runtime.current().storage.listed(folder)] == []
    assert await FittedFile.find({}).to_list() == []
    with pytest.raises(NotFound):
        await removing.delete(world.workspace, file.id)


async def test_what_is_planned_or_a_draft_keeps_its_file(world: World) -> None:
    file = await kept(world, "bell.png")
    drafted, planned = await draft_with(world, file), await planned_with(world, file)
    with pytest.raises(removing.Needed) as refusal:
        await removing.delete(world.workspace, file.id)
    assert [one.post.id for one in refusal.value.holders] == [planned.id, drafted.id]
    await posts.cancel(world.workspace, planned.id)
    await posts.delete(world.workspace, drafted.id)
    await removing.delete(world.workspace, file.id)


@pytest.mark.parametrize("state", sorted(State))
async def test_only_what_is_over_lets_its_file_go(world: World, state: State) -> None:
    file = await kept(world, "bell.png")
    post = await planned_with(world, file)
    for delivery in await of_post(post):
        await put(delivery, state=state)
    over = state in {State.PUBLISHED, State.FAILED, State.DEAD, State.CANCELED}
    try:
        await removing.delete(world.workspace, file.id)
    except removing.Needed:
        assert not over
    else:
        assert over
    assert await is_there(file) is not over


async def test_a_file_that_only_one_account_shows_is_kept_for_it(world: World) -> None:
    file = await kept(world, "bell.png")
    own = world.draft(files={world.accounts["mastodon"].id: showing(file)["attachments"]})
    await posts.save_draft(world.workspace, world.alice, own)
    with pytest.raises(removing.Needed):
        await removing.delete(world.workspace, file.id)


async def test_another_workspaces_file_is_none(world: World, tmp_path: Path) -> None:
    file, mine = await kept(world, "bell.png"), await files.add(world.elsewhere, png())
    for attempt in (
        removing.delete(world.elsewhere, file.id),
        replacing.replaced(world.elsewhere, file.id, mine.id),
        replacing.replaced(world.elsewhere, mine.id, file.id),
        files.describe(world.elsewhere, file.id, folder="Mine"),
        captions.add(world.elsewhere, file.id, "en", VTT),
        captions.remove(world.elsewhere, file.id, "en"),
        captions.text(world.elsewhere, file.id, "en"),
    ):
        with pytest.raises(NotFound):
            await attempt
    assert await removing.holders(world.elsewhere, file.id) == []
    assert await is_there(file)


async def test_of_a_save_and_a_deletion_at_the_same_time_one_loses(world: World) -> None:
    """Whichever: afterwards no post is there without its file."""
    for _ in range(6):
        file = await kept(world, "bell.png")
        outcomes = await asyncio.gather(
            draft_with(world, file), removing.delete(world.workspace, file.id), return_exceptions=True
        )
        held = bool(await files.used_by(world.workspace, file.id))
        assert held == await is_there(file)
        assert sum(isinstance(one, Invalid | Conflict | removing.Needed) for one in outcomes) == 1


async def test_a_file_is_kept_while_a_post_with_it_is_saved_and_not_after_a_crash(world: World) -> None:
    file = await kept(world, "bell.png")
    async with pins.held(world.workspace, [file.id]):
        with pytest.raises(Conflict):
            await removing.delete(world.workspace, file.id)
    await put(file, pins=1, pin_ms=in_millis(now()) - 1)
    await removing.delete(world.workspace, file.id)
    with pytest.raises(Invalid):
        async with pins.held(world.workspace, [file.id]):
            pass


async def test_a_save_that_was_slower_than_its_pin_is_told_that_the_file_is_gone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pins, "LASTS", timedelta(milliseconds=1))
    file = await kept(world, "bell.png")

    async def save() -> None:
        async with pins.held(world.workspace, [file.id]):
            await asyncio.sleep(0.01)
            await removing.delete(world.workspace, file.id)

    with pytest.raises(Invalid):
        await save()


async def test_what_was_canceled_does_not_go_out_again_without_its_file(world: World) -> None:
    file = await kept(world, "bell.png")
    post = await planned_with(world, file)
    await posts.cancel(world.workspace, post.id)
    await removing.delete(world.workspace, file.id)
    [delivery, *_] = await of_post(post)
    with pytest.raises(Invalid):
        await remedies.send_again(world.workspace, delivery.id, sure=True)
    soon = now() + timedelta(days=3)
    with pytest.raises(Invalid):
        await posts.reschedule(world.workspace, post.id, date=f"{soon:%Y-%m-%d}", time="10:00", zone="UTC", sure=True)
    assert {one.state for one in await of_post(post)} == {State.CANCELED}


# --- replaced ---------------------------------------------------------------------------------------------------------


async def held_by(post: Post) -> list[Id]:
    found = await Post.get(post.id)
    assert found is not None
    assert found.holds == list(dict.fromkeys(one.media_id for one in found.attachments))
    return found.holds


async def test_what_is_not_out_gets_the_new_file_and_the_old_one_goes(world: World) -> None:
    old, new = await kept(world, "old.png", alt="A bell", folder="Spring"), await kept(world, "new.png")
    drafted, planned = await draft_with(world, old), await planned_with(world, old)
    done = await replacing.replaced(world.workspace, old.id, new.id)
    assert {post.id for post in done.changed} == {drafted.id, planned.id}
    assert (done.kept, done.gone) == ([], True)
    assert await held_by(drafted) == await held_by(planned) == [new.id]
    assert (done.file.alt, done.file.folder, done.file.name) == ("A bell", "Spring", "new.png")
    known = await Post.get(planned.id)
    assert known is not None
    assert known.planned_at == planned.planned_at
    assert known.revision != planned.revision
    for delivery in await of_post(planned):
        assert [one.media_id for one in delivery.attachments] == [new.id]
        assert (delivery.state, delivery.revision) == (State.SCHEDULED, known.revision)
    assert not await is_there(old)


async def test_what_went_out_keeps_what_it_showed(world: World) -> None:
    old, new = await kept(world, "old.png"), await kept(world, "new.png")
    out = await planned_with(world, old)
    for delivery in await of_post(out):
        await put(delivery, state=State.PUBLISHED)
    done = await replacing.replaced(world.workspace, old.id, new.id)
    assert (done.changed, done.kept, done.gone) == ([], [], False)
    assert await held_by(out) == [old.id]
    assert await is_there(old)


async def test_what_a_network_would_refuse_keeps_the_old_file_and_says_why(world: World, tmp_path: Path) -> None:
    one, two, clip = await kept(world, "one.png"), await kept(world, "two.png"), await filmed(world, tmp_path)
    planned = await planned_with(world, one, two)
    done = await replacing.replaced(world.workspace, one.id, clip.id)
    assert [post.post.id for post in done.kept] == [planned.id]
    assert done.kept[0].reason
    assert not done.gone
    assert await held_by(planned) == [one.id, two.id]


async def test_somebody_who_edits_meanwhile_is_shown_both_versions(world: World) -> None:
    old, new = await kept(world, "old.png"), await kept(world, "new.png")
    post = await draft_with(world, old)
    await replacing.replaced(world.workspace, old.id, new.id)
    with pytest.raises(Conflict):
        await posts.save_draft(
            world.workspace, world.alice, world.draft(text="Mine"), Target(post_id=post.id, base=post.revision)
        )


# --- captions ---------------------------------------------------------------------------------------------------------


async def test_a_film_has_captions_in_several_languages(world: World, tmp_path: Path) -> None:
    clip = await filmed(world, tmp_path)
    await captions.add(world.workspace, clip.id, "en", VTT)
    await captions.add(world.workspace, clip.id, "de", VTT.replace(b"Ding", b"Bim"))
    again = await captions.add(world.workspace, clip.id, "en", VTT.replace(b"Ding", b"Dong"))
    assert [one.language for one in again.captions] == ["de", "en"]
    assert await captions.text(world.workspace, clip.id, "en") == "WEBVTT\n\n00:00.000 --> 00:01.000\nDong\n"
    left = await captions.remove(world.workspace, clip.id, "en")
    assert [one.language for one in left.captions] == ["de"]
    with pytest.raises(NotFound):
        await captions.text(world.workspace, clip.id, "en")


@pytest.mark.parametrize(
    ("language", "data", "field"),
    [
        ("en", b"1\n00:00:00,000 --> 00:00:01,000\nDing", "captions"),
        ("en", b"WEBVTT", "captions"),
        ("en", b"", "captions"),
        ("en", VTT + b"\xff", "captions"),
        ("en", VTT + bytes(captions.MAX_BYTES), "captions"),
        ("", VTT, "language"),
        ("english please", VTT, "language"),
    ],
)
async def test_what_are_no_captions_is_refused(world: World, tmp_path: Path, language: str, data: bytes, field: str) -> None:
    clip = await filmed(world, tmp_path)
    with pytest.raises(Invalid) as refusal:
        await captions.add(world.workspace, clip.id, language, data)
    assert set(refusal.value.problems) == {field}


async def test_a_picture_has_no_captions(world: World) -> None:
    with pytest.raises(NotFound):
        await captions.add(world.workspace, (await kept(world, "a.png")).id, "en", VTT)
