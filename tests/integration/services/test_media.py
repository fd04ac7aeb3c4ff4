"""Uploads: cleaned, kept within their workspace, shown by links that nobody can make up."""

import asyncio
import re
from dataclasses import replace
from datetime import timedelta
from io import BytesIO

import httpx
import pytest
from PIL import Image, ImageOps

from app import pictures, renditions, runtime
from app.errors import Invalid, NotFound
from app.ids import Id
from app.models import Attachment, FittedFile, MediaFile
from app.services.media import files
from app.services.media.offers import MAX_PICTURE
from app.storage import keys, open_storage, pieces
from platforms.base import MediaKind, MediaRule
from platforms.fitting import AS_THEY_ARE, Choices, Rendition, Shape
from tests.contract.harness import picture, whole
from tests.integration.services.places import bucket_settings
from tests.integration.services.world import World, put
from tests.photos import landscape
from tests.servers import s3


def photo() -> bytes:
    """A phone's photo: lying on its side, and telling where it was taken and by whom."""
    exif = Image.Exif()
    exif[0x0112] = 6  # turn it a quarter to the right
    exif[0x013B] = "ALICE"
    exif.get_ifd(0x8825)[2] = (52.0, 31.0, 12.0)
    file = BytesIO()
    Image.new("RGB", (40, 20), "goldenrod").save(file, "JPEG", exif=exif.tobytes(), comment=b"ALICE", xmp=b"<x>ALICE</x>")
    return file.getvalue()


def link(url: str) -> tuple[str, str, int, str]:
    """The parts of a signed link, as the route gets them."""
    found = re.fullmatch(r"/media/(\w+)/(file|poster|thumb)\?until=(\d+)&sig=([\w-]+)", url)
    assert found is not None
    return found[2], found[1], int(found[3]), found[4]


async def bytes_of(file: MediaFile) -> bytes:
    """What lies in the storage for it."""
    return b"".join([piece async for piece in runtime.current().storage.read(file.path)])


async def test_a_photo_is_stored_upright_and_without_what_it_tells_about_its_maker(world: World) -> None:
    file = await files.add(world.workspace, photo())
    stored = await bytes_of(file)
    with Image.open(BytesIO(stored)) as image:
        assert dict(image.getexif()) == {0x0112: 6}  # browsers turn it by this, and nothing had to be encoded anew
        assert ImageOps.exif_transpose(image).size == (file.width, file.height) == (20, 40)
    assert b"ALICE" not in stored
    assert (file.mime, file.size) == ("image/jpeg", len(stored))
    assert await files.get(world.workspace, file.id) == file
    assert file.path == f"media/{world.workspace.id}/{file.id}/original.jpg"


async def test_what_is_no_picture_is_not_kept(world: World) -> None:
    for data in (b"", b"hello", b"%PDF-1.7", b"<svg xmlns='http://www.w3.org/2000/svg'/>", photo()[:300]):
        with pytest.raises(Invalid) as refusal:
            await files.add(world.workspace, data)
        assert set(refusal.value.problems) == {"media"}
    assert await MediaFile.find({}).to_list() == []


async def test_a_file_that_is_too_large_is_not_even_opened(world: World) -> None:
    with pytest.raises(Invalid):
        await files.add(world.workspace, photo() + bytes(MAX_PICTURE))


async def test_another_workspaces_picture_does_not_exist(world: World) -> None:
    file = await files.add(world.workspace, photo())
    for workspace, media_id in ((world.elsewhere, file.id), (world.workspace, Id())):
        with pytest.raises(NotFound):
            await files.get(workspace, media_id)


async def test_a_signed_link_shows_the_picture_without_a_session(world: World) -> None:
    file = await files.add(world.workspace, photo())
    stored = await files.signed(*link(files.url(file)))
    assert (stored.key, stored.mime, stored.size) == (file.path, "image/jpeg", file.size)


async def test_a_large_picture_is_shown_small_and_upright_and_a_small_one_as_it_is(world: World) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    out = BytesIO()
    landscape(1600, 900).save(out, "JPEG", quality=90, exif=exif.tobytes())
    file = await files.add(world.workspace, out.getvalue())
    small = await files.signed(*link(files.thumb_url(file)))
    assert (small.key, small.mime) == (f"media/{world.workspace.id}/{file.id}/thumb.webp", "image/webp")
    data = b"".join([piece async for piece in runtime.current().storage.read(small.key)])
    with Image.open(BytesIO(data)) as image:
        assert (image.format, image.size) == ("WEBP", (270, 480))
    assert len(data) * 10 < file.size
    dot = await files.add(world.workspace, photo())
    assert files.thumb_url(dot) == files.url(dot)


async def test_a_link_that_was_changed_shows_nothing(world: World) -> None:
    file, other = await files.add(world.workspace, photo()), await files.add(world.elsewhere, photo())
    what, media_id, until, signature = link(files.url(file))
    for changed in (
        (what, str(other.id), until, signature),
        ("poster", media_id, until, signature),
        ("thumb", media_id, until, signature),
        (what, media_id, until + 1, signature),
        (what, media_id, until, signature[:-1] + ("A" if signature[-1] != "A" else "B")),
        (what, media_id, until, ""),
        (what, media_id, until, "ä"),
        (what, "no-id", until, signature),
    ):
        with pytest.raises(NotFound):
            await files.signed(*changed)


async def test_a_link_grows_old(world: World) -> None:
    file = await files.add(world.workspace, photo())
    _, _, until, _ = link(files.url(file))
    old = until - 3 - files.LINK_TIME // timedelta(days=1)
    signature = runtime.current().sealer.sign(f"media:file:{file.id}:{old}")
    with pytest.raises(NotFound):
        await files.signed("file", str(file.id), old, signature)


async def test_a_link_to_a_file_that_is_gone_shows_nothing(world: World) -> None:
    file = await files.add(world.workspace, photo())
    url = files.url(file)
    await runtime.current().storage.delete(file.path)
    with pytest.raises(NotFound):
        await files.signed(*link(url))
    await file.delete()
    with pytest.raises(NotFound):
        await files.signed(*link(url))


async def test_a_picture_reaches_the_network_within_its_limits(world: World) -> None:
    stored = await large(world)
    assert stored.size > 2_000_000
    attachment = (await world.picture()).model_copy(update={"media_id": stored.id})
    await world.publish_now("bluesky", attachments=(attachment,))
    await world.outbox.deliver()
    assert [post["media"] for post in await world.judge.posts()] == [1]


async def test_a_file_whose_document_cannot_be_read_is_none(world: World) -> None:
    file = await files.add(world.workspace, photo())
    url = files.url(file)
    await put(file, width="wide")
    with pytest.raises(NotFound):
        await files.signed(*link(url))
    with pytest.raises(NotFound):
        await files.get(world.workspace, file.id)


async def large(world: World) -> MediaFile:
    """A picture that no network here takes as it is."""
    return await files.add(world.workspace, encoded(Image.effect_noise((1600, 1600), 80).convert("RGB")))


def encoded(image: Image.Image) -> bytes:
    """The picture as PNG."""
    file = BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


async def fitted_bytes(file: MediaFile, rule: MediaRule, choices: Choices = AS_THEY_ARE) -> bytes:
    """What is sent to a network with that rule."""
    ready = await renditions.ready(file, rule, choices)
    data = b"".join([piece async for piece in runtime.current().storage.read(ready.key)])
    assert len(data) == ready.size
    return data


RULE = MediaRule(MediaKind.IMAGE, max_count=4, mimes=frozenset({"image/png"}), max_bytes=300_000)


async def test_what_was_made_to_fit_once_is_kept_for_the_next_attempt(world: World) -> None:
    file = await large(world)
    first = await fitted_bytes(file, RULE)
    assert len(first) <= RULE.max_bytes
    await runtime.current().storage.delete(file.path)  # so it cannot be made again
    assert await fitted_bytes(file, RULE) == first


async def test_an_attempt_that_is_stopped_leaves_the_fitted_picture_to_the_next_one(world: World) -> None:
    file = await large(world)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await renditions.ready(file, RULE)
    again = await fitted_bytes(file, RULE)
    await runtime.current().storage.delete(file.path)
    assert await fitted_bytes(file, RULE) == again


async def test_two_accounts_that_want_the_same_picture_have_it_made_once(world: World) -> None:
    file = await large(world)
    one, other = await asyncio.gather(renditions.ready(file, RULE), renditions.ready(file, RULE))
    assert one == other
    assert [one.id for one in await FittedFile.find({}).to_list()] == [one.key]


async def test_what_fits_is_the_file_itself(world: World) -> None:
    file = await files.add(world.workspace, await whole(picture()))
    assert await fitted_bytes(file, RULE) == await bytes_of(file)


async def test_a_file_from_before_there_were_folders_is_shown_and_made_to_fit(world: World) -> None:
    file, old = await large(world), f"{world.workspace.id}/{'ab' * 16}"
    await runtime.current().storage.write(old, pieces(await bytes_of(file)), mime=file.mime)
    await runtime.current().storage.delete(file.path)
    file.path = old
    await file.save()
    stored = await files.signed(*link(files.url(file)))
    assert stored.size == file.size
    fitted = await fitted_bytes(file, RULE)
    await runtime.current().storage.delete(old)
    assert await fitted_bytes(file, RULE) == fitted


async def test_a_photo_that_lies_on_its_side_goes_out_upright_and_tells_nothing(world: World) -> None:
    file = await files.add(world.workspace, photo())
    with Image.open(BytesIO(await fitted_bytes(file, RULE))) as image:
        assert (image.format, image.size, dict(image.getexif())) == ("PNG", (20, 40), {})


async def test_a_file_from_before_facts_were_kept_goes_out_all_the_same(world: World) -> None:
    file = await large(world)
    old = file.model_copy(update={"facts": {}})
    assert len(await fitted_bytes(old, RULE)) <= RULE.max_bytes


async def test_a_file_that_nothing_makes_fit_is_refused_in_words(world: World) -> None:
    file = await large(world)
    for most in (0, 2_000):
        with pytest.raises(pictures.Unfit) as refusal:
            await renditions.ready(file, replace(RULE, max_bytes=most))
        assert "cannot be made to fit" in str(refusal.value)


async def test_a_picture_is_cut_where_its_post_says_so_and_else_around_its_own_point(world: World) -> None:
    banner = Image.new("RGB", (400, 100), "red")
    banner.paste((0, 0, 255), (0, 0, 200, 100))
    file = await files.add(world.workspace, encoded(banner))
    file = await files.describe(world.workspace, file.id, focus=(1.0, 0.5))
    square = replace(RULE, shapes=(1.0, 1.0))
    for focus, colour in ((None, (255, 0, 0)), ((0.0, 0.5), (0, 0, 255))):
        kept = Attachment(media_id=file.id, shape=Shape.CROP, focus=focus).choices(file.focus)
        with Image.open(BytesIO(await fitted_bytes(file, square, kept))) as image:
            assert (image.size, image.convert("RGB").getpixel((50, 50))) == ((100, 100), colour)


async def test_what_is_made_of_a_picture_lies_beside_it(world: World) -> None:
    file = await large(world)
    await renditions.ready(file, RULE)
    folder = f"media/{world.workspace.id}/{file.id}/"
    rendition = renditions.planned(file, RULE)
    assert isinstance(rendition, Rendition)
    made = f"{folder}{rendition.key}.{keys.extension(rendition.fitted.mime)}"
    assert {stored.key async for stored in runtime.current().storage.listed(folder)} == {made, file.path, file.thumb}


async def test_a_signed_link_is_answered_in_pieces_that_tell_their_size(world: World, browser: httpx.AsyncClient) -> None:
    file = await large(world)
    answer = await browser.get(files.url(file))
    assert (answer.status_code, answer.content) == (200, await bytes_of(file))
    assert (answer.headers["Content-Length"], answer.headers["Content-Type"]) == (str(file.size), file.mime)
    await runtime.current().storage.delete(file.path)
    assert (await browser.get(files.url(file))).status_code == 404


async def test_a_bucket_that_is_away_is_no_missing_picture(
    world: World, browser: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = await files.add(world.workspace, photo())
    away = s3.Bucket(name="carillon", endpoint_url="http://127.0.0.1:9")
    storage = open_storage(bucket_settings(runtime.current().settings, away))
    monkeypatch.setattr(runtime, "_current", replace(runtime.current(), storage=storage))
    answer = await browser.get(files.url(file))
    assert answer.status_code == 503
    assert "Nothing was lost" in answer.text
