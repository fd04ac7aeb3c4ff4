"""The pages' side of a folder: what only our own server can get wrong."""

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from app import runtime
from app.errors import NotFound
from app.ids import Id
from app.services.media import files
from app.settings import Settings
from app.storage import Folder, Missing, keys, open_storage, pieces
from app.storage.sweeping import sweep
from tests.integration.services.places import JPEG, MIB, MP4, PDF, Place, bucket_settings
from tests.integration.services.test_media import photo
from tests.integration.services.world import World, until
from tests.servers import s3

SOON = timedelta(minutes=5)


@pytest.fixture
def folder(place: Place) -> Folder:
    """The folder behind ``place``."""
    assert isinstance(place.storage, Folder)
    return place.storage


pytestmark = pytest.mark.parametrize("place", ["folder"], indirect=True)


def left_over(folder: Folder) -> list[Path]:
    """What is being written."""
    return list((folder.root / ".incoming").glob("*"))


@pytest.mark.parametrize(("mime", "shown"), [(JPEG, "inline"), (MP4, "inline"), (PDF, "attachment"), ("text/vtt", "attachment")])
async def test_nothing_in_a_strangers_file_runs_under_our_address(place: Place, mime: str, shown: str) -> None:
    key = await place.stored(place.media(mime), b"<script>alert(1)</script>", mime)
    answer = await place.get(await place.storage.get_url(key, lasts=SOON))
    assert answer.headers["Content-Security-Policy"] == "sandbox"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Disposition"] == shown
    assert answer.headers["Content-Type"].split(";")[0] == mime
    assert "Set-Cookie" not in answer.headers


async def test_who_may_read_may_ask_about_it_and_keep_it(place: Place) -> None:
    key, data = place.media(MP4), os.urandom(1000)
    url = await place.storage.get_url(await place.stored(key, data, MP4), lasts=SOON)
    head = await place.http.head(url)
    assert (head.status_code, head.headers["Content-Length"], head.headers["Content-Type"]) == (200, "1000", MP4)
    part = await place.http.head(url, headers={"Range": "bytes=0-9"})
    assert (part.status_code, part.headers["Content-Length"]) == (206, "10")
    etag = head.headers["ETag"]
    again = await place.get(url, **{"If-None-Match": etag})
    assert (again.status_code, again.content) == (304, b"")
    assert (await place.get(url, **{"If-Range": etag, "Range": "bytes=0-9"})).status_code == 206
    await place.stored(key, os.urandom(1000), MP4)
    assert (await place.get(url, **{"If-Range": etag, "Range": "bytes=0-9"})).status_code == 200
    assert (await place.get(url, **{"If-None-Match": etag})).status_code == 200


async def test_a_put_without_a_length_and_one_that_is_too_long_are_named(place: Place) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"x"

    signed = await place.storage.put_url(place.temp(), mime=JPEG, size=1, lasts=SOON)
    assert (await place.http.put(signed.url, content=body(), headers=signed.headers)).status_code == 411
    assert await place.status_of(signed, 6 * 1024 * MIB) == 413
    assert await place.status_of(signed, 2) == 403


async def test_a_put_that_is_cut_leaves_no_bytes_on_the_disk(place: Place, folder: Folder) -> None:
    before = left_over(folder)
    upload = await place.storage.begin(place.temp(MP4), mime=MP4)
    await place.cut(await place.storage.put_url(place.temp(), mime=JPEG, size=4 * MIB, lasts=SOON), 4 * MIB, 3 * MIB)
    await place.cut(await place.storage.part_url(upload, 1, size=4 * MIB, lasts=SOON), 4 * MIB, 3 * MIB)
    await until(lambda: left_over(folder) == before)
    assert await place.storage.parts(upload) == []


async def test_a_part_that_arrives_during_an_abort_is_not_kept(place: Place, folder: Folder) -> None:
    upload = await place.storage.begin(place.temp(MP4), mime=MP4)
    signed = await place.storage.part_url(upload, 1, size=2 * MIB, lasts=SOON)

    async def slowly() -> AsyncIterator[bytes]:
        yield bytes(MIB)
        await place.storage.abort(upload)
        yield bytes(MIB)

    answer = await place.http.put(signed.url, content=slowly(), headers={"Content-Length": str(2 * MIB)})
    assert answer.status_code == 404
    assert not (folder.root / ".uploads" / upload.id).exists()
    with pytest.raises(Missing):
        await place.storage.parts(upload)


async def test_what_a_crash_leaves_goes_after_a_day(place: Place, folder: Folder) -> None:
    incoming = folder.root / ".incoming" / "of-a-crash"
    incoming.parent.mkdir(parents=True, exist_ok=True)
    incoming.write_bytes(b"half")
    gone = folder.root / ".uploads" / f"{'a' * 32}.gone"
    gone.mkdir(parents=True)
    (gone / "1").write_bytes(b"part")
    upload = await place.storage.begin(place.temp(MP4), mime=MP4)
    await place.storage.complete(upload, [await place.put_part(upload, 1, b"all")])
    assert (folder.root / ".uploads" / f"{upload.id}.done").exists()
    await sweep(folder, datetime.now(UTC) + timedelta(hours=23))
    assert incoming.exists()
    await sweep(folder, datetime.now(UTC) + timedelta(hours=25))
    assert not incoming.exists()
    assert not gone.exists()
    assert not (folder.root / ".uploads" / f"{upload.id}.done").exists()


async def test_folders_that_are_empty_go_with_their_last_file(place: Place, folder: Folder) -> None:
    key = await place.stored(place.media(), b"x")
    beside = await place.stored(keys.beside(key, "1-0"), b"x")
    await place.storage.delete(key)
    assert await place.all_of(beside) == b"x"
    await place.storage.delete(beside)
    assert not (folder.root / beside).parent.exists()
    await asyncio.gather(*[flicker(place, place.media()) for _ in range(20)])


async def flicker(place: Place, key: str) -> None:
    """Come and go beside others who do the same in the same folder."""
    for _ in range(5):
        await place.storage.write(key, pieces(b"x"), mime=JPEG)
        await place.storage.delete(key)


async def test_a_reader_has_the_file_it_began_with(place: Place) -> None:
    key = await place.stored(place.media(), bytes(MIB))
    reading = place.storage.read(key)
    begun = await anext(reading)
    await place.stored(key, b"\1" * MIB)
    assert begun + b"".join([piece async for piece in reading]) == bytes(MIB)


async def test_only_signed_addresses_need_no_form_token(place: Place, browser: httpx.AsyncClient) -> None:
    signed = await place.storage.put_url(place.temp(), mime=JPEG, size=1, lasts=SOON)
    for path in ("/sign-in", "/setup"):
        assert (await browser.post(path, data={"email": "a@example.org"})).status_code == 403
        assert (await browser.put(path, content=b"x")).status_code in (403, 405)
    assert (await browser.post(signed.url, content=b"x")).status_code == 405
    assert (await browser.delete(signed.url)).status_code == 405


OUTSIDE = ["%2e%2e/secret.key", "..%2fsecret.key", "media/..%2f..%2fsecret.key", "%2fetc%2fpasswd", ".incoming/x"]


@pytest.mark.parametrize("key", OUTSIDE)
async def test_no_address_leads_out_of_the_folder(place: Place, settings: Settings, key: str) -> None:
    (settings.data_dir / "secret.key").write_text("secret")
    answer = await place.get(f"/files/{key}?until=99999999999&sig=x")
    assert answer.status_code in (403, 404)
    assert "secret" not in answer.text


async def test_with_a_bucket_there_is_nothing_at_our_own_address(
    place: Place, world: World, browser: httpx.AsyncClient, settings: Settings, bucket: s3.Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = await place.stored(place.media(), b"x")
    url = await place.storage.get_url(key, lasts=SOON)
    assert (await browser.get(url)).status_code == 200
    storage = open_storage(bucket_settings(settings, bucket))
    monkeypatch.setattr(runtime, "_current", replace(runtime.current(), storage=storage))
    assert (await browser.get(url)).status_code == 404


async def test_another_workspaces_file_is_not_told_from_none(place: Place, world: World) -> None:
    theirs = await files.add(world.elsewhere, photo())
    with pytest.raises(NotFound):
        await files.get(world.workspace, theirs.id)
    mine = await place.storage.get_url(await place.stored(place.media(), b"x"), lasts=SOON)
    until_and_sig = mine.partition("?")[2]
    answers = [await place.get(f"/files/{key}?{until_and_sig}") for key in (theirs.path, keys.original(Id(), Id(), JPEG))]
    assert [(answer.status_code, answer.content) for answer in answers] == [(403, answers[0].content)] * 2
