"""The storage, from both sides: one suite for a folder behind our own pages and for a bucket at a real, strict S3 server."""

import asyncio
import os
import tracemalloc
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from app.ids import Id
from app.storage import Bucket, Mismatch, Missing, Part, TooLarge, Upload, keys, pieces
from app.storage.sweeping import sweep
from tests.integration.services.places import JPEG, MIB, MP4, PDF, Place
from tests.integration.services.world import until

SOON = timedelta(minutes=5)
NO_KEYS = ["", "/", "../secret", "media/../../secret", "/etc/passwd", "a//b", ".incoming/x", "a/.b", "ä", "a\nb"]
PART = 5 * MIB
"""The smallest a part may be."""


async def much(size: int, step: int = MIB // 2) -> AsyncIterator[bytes]:
    """``size`` bytes that are never in memory at once."""
    for start in range(0, size, step):
        yield bytes([start // step % 251]) * min(step, size - start)


def changed(url: str, **query: str) -> str:
    """The address with another value in its query."""
    parts = urlsplit(url)
    return parts._replace(query=urlencode(dict(parse_qsl(parts.query)) | query)).geturl()


async def nothing_at(place: Place, key: str) -> bool:
    try:
        await place.storage.head(key)
    except Missing:
        return True
    return False


# --- what we read and write ourselves ---------------------------------------------------------------------------------


async def test_what_is_stored_can_be_read_replaced_and_removed(place: Place) -> None:
    key, data = place.media(), os.urandom(3 * MIB)
    written = await place.storage.write(key, pieces(data), mime=JPEG, size=len(data))
    found = await place.storage.head(key)
    assert (found.key, found.size, found.mime, found.etag) == (key, len(data), JPEG, written.etag)
    assert abs(datetime.now(UTC) - found.modified_at) < timedelta(minutes=5)
    assert await place.all_of(key) == data
    await place.stored(key, b"")
    assert (await place.storage.head(key)).size == 0
    assert await place.all_of(key) == b""
    await place.storage.delete(key)
    assert await nothing_at(place, key)
    await place.storage.delete(key)


async def test_a_file_of_many_parts_is_written_and_read_with_little_memory(place: Place) -> None:
    key, size = place.media(MP4), 60 * MIB + 1
    tracemalloc.start()
    try:
        stored = await place.storage.write(key, much(size), mime=MP4)
        read = 0
        async for piece in place.storage.read(key):
            read += len(piece)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (stored.size, stored.mime, read) == (size, MP4, size)
    assert peak < 32 * MIB
    assert [upload async for upload in place.storage.unfinished(key)] == []
    await place.storage.delete(key)


async def test_any_range_of_a_file_can_be_read(place: Place) -> None:
    data = os.urandom(1000)
    key = await place.stored(place.media(), data)
    for start, end in ((0, None), (0, 1), (7, None), (7, 9), (999, None), (990, 5000), (1000, None), (5, 5)):
        assert b"".join([piece async for piece in place.storage.read(key, start=start, end=end)]) == data[start:end]


async def test_what_is_not_there_is_missing(place: Place) -> None:
    key = place.media()
    with pytest.raises(Missing):
        await place.storage.head(key)
    with pytest.raises(Missing):
        await place.all_of(key)
    with pytest.raises(Missing):
        await place.storage.copy(key, place.media())
    assert [stored async for stored in place.storage.listed(f"media/{place.workspace}/")] == []


async def test_what_is_no_key_is_missing_whatever_is_asked(place: Place) -> None:
    storage, key = place.storage, await place.stored(place.media(), b"x")
    for wrong in NO_KEYS:
        for asked in (
            storage.head(wrong),
            place.all_of(wrong),
            storage.write(wrong, pieces(b"x"), mime=JPEG),
            storage.copy(key, wrong),
            storage.copy(wrong, key),
            storage.delete(wrong),
            storage.begin(wrong, mime=JPEG),
            storage.get_url(wrong, lasts=SOON),
            storage.put_url(wrong, mime=JPEG, size=1, lasts=SOON),
        ):
            with pytest.raises(Missing):
                await asked


@pytest.mark.parametrize("size", [10, 2 * MIB, 20 * MIB])
async def test_a_promised_size_is_kept_or_nothing_changes(place: Place, size: int) -> None:
    key = await place.stored(place.media(), b"before")
    with pytest.raises(Mismatch):
        await place.storage.write(key, much(size), mime=JPEG, size=size + 1)
    with pytest.raises(TooLarge):
        await place.storage.write(key, much(size), mime=JPEG, size=size - 1)
    assert await place.all_of(key) == b"before"
    assert [upload async for upload in place.storage.unfinished(key)] == []


async def test_a_source_that_breaks_leaves_nothing_behind(place: Place) -> None:
    async def breaks() -> AsyncIterator[bytes]:
        async for piece in much(20 * MIB):
            yield piece
        raise ConnectionError

    key = place.media(MP4)
    with pytest.raises(ConnectionError):
        await place.storage.write(key, breaks(), mime=MP4)
    assert await nothing_at(place, key)
    assert [upload async for upload in place.storage.unfinished(key)] == []


async def test_a_writer_that_is_stopped_leaves_nothing_behind(place: Place) -> None:
    async def stalls() -> AsyncIterator[bytes]:
        async for piece in much(20 * MIB):
            yield piece
        await asyncio.sleep(60)

    key = place.media(MP4)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(2):
            await place.storage.write(key, stalls(), mime=MP4)
    assert await nothing_at(place, key)
    assert [upload async for upload in place.storage.unfinished(key)] == []


async def test_a_copy_has_the_bytes_and_outlives_its_source(place: Place) -> None:
    data = os.urandom(MIB)
    source, target = await place.stored(place.temp(), data), place.media()
    copied = await place.storage.copy(source, target)
    assert (copied.key, copied.size, copied.mime) == (target, len(data), JPEG)
    await place.stored(source, b"another")
    await place.storage.delete(source)
    assert await place.all_of(target) == data


@pytest.mark.parametrize("size", [MIB, 20 * MIB + 1])
async def test_a_large_copy_is_made_in_parts(place: Place, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    if isinstance(place.storage, Bucket):  # where large is hundreds of megabytes
        monkeypatch.setattr(place.storage, "_copies_up_to", 2 * MIB)
    source = place.temp(MP4)
    await place.storage.write(source, much(size), mime=MP4)
    target = place.media(MP4)
    copied = await place.storage.copy(source, target)
    assert (copied.size, copied.mime) == (size, MP4)
    assert await place.all_of(target) == b"".join([piece async for piece in much(size)])
    assert [upload async for upload in place.storage.unfinished(target)] == []


async def test_files_are_listed_by_prefix_in_the_order_of_their_keys(place: Place) -> None:
    folder = f"media/{place.workspace}"
    names = ["a.jpg", "a/b.jpg", "a0.jpg", "b/a.jpg", "b/c/d.jpg", "b.jpg"]
    for name in names:
        await place.stored(f"{folder}/{name}", name.encode())
    found = [stored async for stored in place.storage.listed(f"{folder}/")]
    assert [stored.key for stored in found] == sorted(f"{folder}/{name}" for name in names)
    assert {stored.key: stored.size for stored in found} == {f"{folder}/{name}": len(name) for name in names}
    assert all(abs(datetime.now(UTC) - stored.modified_at) < timedelta(minutes=5) for stored in found)
    for prefix in ("a", "a/", "b", "b/c", "b.", "c"):
        some = [stored.key async for stored in place.storage.listed(f"{folder}/{prefix}")]
        assert some == sorted(f"{folder}/{name}" for name in names if name.startswith(prefix))


# --- what browsers put ------------------------------------------------------------------------------------------------


async def test_a_browser_puts_what_it_was_allowed_to(place: Place) -> None:
    key, data = place.temp(), os.urandom(2 * MIB)
    answer = await place.put(await place.storage.put_url(key, mime=JPEG, size=len(data), lasts=SOON), data)
    assert answer.status_code == 200
    stored = await place.storage.head(key)
    assert (stored.size, stored.mime, stored.etag) == (len(data), JPEG, answer.headers["ETag"].strip('"'))
    assert await place.all_of(key) == data


async def test_nothing_else_can_be_put_with_the_same_address(place: Place) -> None:
    key, data = place.temp(), b"x" * 1000
    signed = await place.storage.put_url(key, mime=JPEG, size=len(data), lasts=SOON)
    refused = [
        await place.put(signed.url, data, **{"Content-Type": "text/html"}),
        await place.put(signed.url, data),
        await place.put(signed, data + b"x"),
        await place.put(signed, data[1:]),
        await place.put(signed, b""),
        await place.put(signed.url.replace(key, place.temp()), data, **signed.headers),
        await place.put(signed.url.replace(str(place.workspace), str(Id())), data, **signed.headers),
        await place.put(signed.url[:-1] + ("A" if signed.url[-1] != "A" else "B"), data, **signed.headers),
        await place.put(signed.url.partition("?")[0], data, **signed.headers),
        await place.put(await place.storage.get_url(key, lasts=SOON), data, **signed.headers),
        await place.get(signed.url),
        await place.http.head(signed.url),
    ]
    assert [answer.status_code for answer in refused] == [403] * len(refused)
    assert await nothing_at(place, key)


async def test_an_address_cannot_be_made_to_last_longer(place: Place) -> None:
    signed = await place.storage.put_url(place.temp(), mime=JPEG, size=1, lasts=SOON)
    later = {"until": "99999999999"} if "until=" in signed.url else {"X-Amz-Expires": "604799"}
    assert (await place.put(changed(signed.url, **later), b"x", **signed.headers)).status_code == 403


async def test_an_address_ends(place: Place) -> None:
    key = await place.stored(place.temp(), b"x")
    put = await place.storage.put_url(key, mime=JPEG, size=1, lasts=timedelta(seconds=1))
    get = await place.storage.get_url(key, lasts=timedelta(seconds=1))

    async def ended() -> bool:
        return (await place.put(put, b"y")).status_code == 403 == (await place.get(get)).status_code

    await until(ended)
    assert put.until <= datetime.now(UTC)


async def test_an_address_lasts_as_long_as_every_storage_takes_it(place: Place) -> None:
    for lasts in (timedelta(0), timedelta(seconds=-5), timedelta(days=8)):
        with pytest.raises(ValueError, match="7 days"):
            await place.storage.put_url(place.temp(), mime=JPEG, size=1, lasts=lasts)
        with pytest.raises(ValueError, match="7 days"):
            await place.storage.get_url(place.temp(), lasts=lasts)


async def test_a_type_that_does_not_fit_the_name_is_a_mistake_of_ours(place: Place) -> None:
    for asked in (
        place.storage.put_url(place.temp(JPEG), mime="text/html", size=1, lasts=SOON),
        place.storage.begin(place.temp(JPEG), mime=MP4),
        place.storage.write(place.temp(JPEG), pieces(b"x"), mime=MP4),
    ):
        with pytest.raises(ValueError, match="not the name of a file"):
            await asked


async def test_more_than_one_put_can_carry_is_not_signed(place: Place) -> None:
    with pytest.raises(TooLarge):
        await place.storage.put_url(place.temp(), mime=JPEG, size=5 * 1024 * MIB + 1, lasts=SOON)


async def test_a_body_without_a_length_is_refused(place: Place) -> None:
    key = place.temp()
    signed = await place.storage.put_url(key, mime=JPEG, size=MIB, lasts=SOON)
    answer = await place.http.put(signed.url, content=much(MIB), headers=signed.headers)
    assert answer.status_code in (403, 411)
    assert await nothing_at(place, key)


async def test_a_put_that_is_cut_leaves_what_was_there(place: Place) -> None:
    key = await place.stored(place.temp(), b"before")
    signed = await place.storage.put_url(key, mime=JPEG, size=4 * MIB, lasts=SOON)
    await place.cut(signed, 4 * MIB, 3 * MIB)
    await asyncio.sleep(0.3)
    assert await place.all_of(key) == b"before"


# --- in parts ---------------------------------------------------------------------------------------------------------


async def test_an_upload_whose_connection_is_cut_goes_on_where_it_was(place: Place) -> None:
    key, data = place.temp(MP4), os.urandom(2 * PART + 1000)
    parts = [data[:PART], data[PART : 2 * PART], data[2 * PART :]]
    upload = await place.storage.begin(key, mime=MP4)
    first = await place.put_part(upload, 1, parts[0])
    await place.cut(await place.storage.part_url(upload, 2, size=PART, lasts=SOON), PART, PART - 1000)
    await asyncio.sleep(0.3)
    arrived = await place.storage.parts(upload)
    assert [(part.number, part.size, part.etag) for part in arrived] == [(1, PART, first.etag.strip('"'))]
    assert [one.id async for one in place.storage.unfinished(key)] == [upload.id]
    assert await nothing_at(place, key)
    done = [*arrived, *[await place.put_part(upload, number, parts[number - 1]) for number in (2, 3)]]
    stored = await place.storage.complete(upload, done)
    assert (stored.key, stored.size, stored.mime) == (key, len(data), MP4)
    assert await place.all_of(key) == data
    assert [one.id async for one in place.storage.unfinished(key)] == []


async def test_parts_may_come_in_any_order_and_at_once(place: Place) -> None:
    key, data = place.temp(MP4), os.urandom(2 * PART + 1)
    upload = await place.storage.begin(key, mime=MP4)
    sent = await asyncio.gather(
        *[place.put_part(upload, number, data[(number - 1) * PART : number * PART]) for number in (3, 1, 2)]
    )
    listed = await place.storage.parts(upload)
    assert [part.number for part in listed] == [1, 2, 3]
    assert {part.number: part.etag for part in listed} == {part.number: part.etag.strip('"') for part in sent}
    await place.storage.complete(upload, listed)
    assert await place.all_of(key) == data


async def test_only_what_was_signed_can_be_put_as_a_part(place: Place) -> None:
    upload = await place.storage.begin(place.temp(MP4), mime=MP4)
    other = await place.storage.begin(place.temp(MP4), mime=MP4)
    signed = await place.storage.part_url(upload, 1, size=1000, lasts=SOON)
    name = "part" if "part=" in signed.url else "partNumber"
    refused = [
        await place.put(signed, bytes(1001)),
        await place.put(signed, bytes(999)),
        await place.put(changed(signed.url, **{name: "2"}), bytes(1000)),
        await place.put(signed.url.replace(upload.id, other.id), bytes(1000)),
        await place.put(signed.url.replace(upload.key, other.key), bytes(1000)),
    ]
    assert [answer.status_code for answer in refused] == [403] * len(refused)
    assert await place.storage.parts(upload) == await place.storage.parts(other) == []
    for number in (0, 10_001):
        with pytest.raises(ValueError, match="10000"):
            await place.storage.part_url(upload, number, size=1, lasts=SOON)


async def test_parts_that_are_not_as_they_are_said_to_be_change_nothing(place: Place) -> None:
    key = place.temp(MP4)
    upload = await place.storage.begin(key, mime=MP4)
    one, two = await place.put_part(upload, 1, bytes(PART)), await place.put_part(upload, 2, b"end")
    for wrong in (
        [],
        [one],
        [one, Part(2, one.etag)],
        [Part(1, "0" * 32), two],
        [two, one],
        [one, one],
        [one, two, Part(3, two.etag)],
    ):
        with pytest.raises(Mismatch):
            await place.storage.complete(upload, wrong)
        assert await nothing_at(place, key)
    assert (await place.storage.complete(upload, [one, two])).size == PART + 3


async def test_only_the_last_part_may_be_small(place: Place) -> None:
    upload = await place.storage.begin(place.temp(MP4), mime=MP4)
    parts = [await place.put_part(upload, number, b"small") for number in (1, 2)]
    with pytest.raises(Mismatch):
        await place.storage.complete(upload, parts)
    parts[0] = await place.put_part(upload, 1, bytes(PART))
    assert (await place.storage.complete(upload, parts)).size == PART + 5


async def test_of_two_writers_of_one_part_one_wins_and_its_tag_tells_which(place: Place) -> None:
    key = place.temp(MP4)
    upload = await place.storage.begin(key, mime=MP4)
    bodies = [bytes([digit]) * PART for digit in (1, 2)]
    sent = await asyncio.gather(*[place.put_part(upload, 1, body) for body in bodies])
    tags = [part.etag.strip('"') for part in sent]
    [kept] = await place.storage.parts(upload)
    assert kept.etag in tags
    with pytest.raises(Mismatch):
        await place.storage.complete(upload, [Part(1, tags[1 - tags.index(kept.etag)])])
    await place.storage.complete(upload, [kept])
    assert await place.all_of(key) == bodies[tags.index(kept.etag)]


async def test_to_complete_again_changes_nothing(place: Place) -> None:
    key = place.temp(MP4)
    upload = await place.storage.begin(key, mime=MP4)
    parts = [await place.put_part(upload, 1, b"all of it")]
    first = await place.storage.complete(upload, parts)
    assert await place.storage.complete(upload, parts) == first
    await place.storage.abort(upload)
    assert await place.all_of(key) == b"all of it"
    answer = await place.put(await place.storage.part_url(upload, 1, size=4, lasts=SOON), b"late")
    assert answer.status_code == 404


async def test_two_that_complete_at_once_make_one_file(place: Place) -> None:
    upload = await place.storage.begin(place.temp(MP4), mime=MP4)
    data = os.urandom(2 * PART)
    parts = [await place.put_part(upload, number, data[(number - 1) * PART : number * PART]) for number in (1, 2)]
    answers = await asyncio.gather(*[place.storage.complete(upload, parts) for _ in range(3)], return_exceptions=True)
    assert any(not isinstance(answer, BaseException) for answer in answers)
    assert await place.all_of(upload.key) == data


async def test_an_aborted_upload_is_gone_for_everybody(place: Place) -> None:
    upload = await place.storage.begin(place.temp(MP4), mime=MP4)
    signed = await place.storage.part_url(upload, 2, size=4, lasts=SOON)
    part = await place.put_part(upload, 1, b"part")
    for _ in range(2):
        await place.storage.abort(upload)
        assert (await place.put(signed, b"late")).status_code == 404
        with pytest.raises(Missing):
            await place.storage.parts(upload)
        with pytest.raises(Missing):
            await place.storage.complete(upload, [part])
    assert await nothing_at(place, upload.key)


async def test_an_upload_of_another_key_or_of_none_is_missing(place: Place) -> None:
    upload = await place.storage.begin(place.temp(MP4), mime=MP4)
    part = await place.put_part(upload, 1, b"part")
    for wrong in (Upload(place.temp(MP4), upload.id, upload.started_at), Upload(upload.key, "f" * 32, upload.started_at)):
        with pytest.raises(Missing):
            await place.storage.parts(wrong)
        with pytest.raises(Missing):
            await place.storage.complete(wrong, [part])
        await place.storage.abort(wrong)
    assert [found.etag for found in await place.storage.parts(upload)] == [part.etag.strip('"')]


# --- what is read by an address ---------------------------------------------------------------------------------------


async def test_an_address_gives_the_file_and_any_range_of_it(place: Place) -> None:
    data = os.urandom(3 * MIB)
    url = await place.storage.get_url(await place.stored(place.media(MP4), data, MP4), lasts=SOON)
    answer = await place.get(url)
    assert (answer.status_code, answer.content, answer.headers["Content-Type"]) == (200, data, MP4)
    assert (answer.headers["Content-Length"], answer.headers["Accept-Ranges"]) == (str(len(data)), "bytes")
    for header, part, start in (
        ("bytes=0-9", data[:10], 0),
        (f"bytes={MIB}-", data[MIB:], MIB),
        ("bytes=-5", data[-5:], len(data) - 5),
    ):
        answer = await place.get(url, Range=header)
        assert (answer.status_code, answer.content) == (206, part)
        assert answer.headers["Content-Range"] == f"bytes {start}-{start + len(part) - 1}/{len(data)}"
    assert (await place.get(url, Range=f"bytes={len(data)}-")).status_code == 416


async def test_an_address_gives_nothing_else(place: Place) -> None:
    mine, other = await place.stored(place.media(), b"mine"), await place.stored(keys.original(Id(), Id(), JPEG), b"other")
    url = await place.storage.get_url(mine, lasts=SOON)
    refused = [
        await place.get(url.replace(mine, other)),
        await place.get(url.replace(mine, place.media())),
        await place.get(url.partition("?")[0]),
        await place.get(url[:-1] + ("A" if url[-1] != "A" else "B")),
        await place.http.delete(url),
        await place.http.post(url, content=b"x"),
    ]
    assert {answer.status_code for answer in refused} <= {403, 405}
    assert all(b"other" not in answer.content for answer in refused)
    assert await place.all_of(mine) == b"mine"


async def test_an_address_of_what_is_gone_is_answered_with_404(place: Place) -> None:
    url = await place.storage.get_url(place.media(), lasts=SOON)
    assert (await place.get(url)).status_code == 404


async def test_a_file_is_saved_under_the_name_it_was_given(place: Place) -> None:
    key = await place.stored(place.media(PDF), b"%PDF", PDF)
    url = await place.storage.get_url(key, lasts=SOON, name='Übersicht "1".pdf')
    disposition = (await place.get(url)).headers["Content-Disposition"]
    assert disposition == "attachment; filename*=UTF-8''%C3%9Cbersicht%20%221%22.pdf"


# --- upkeep -----------------------------------------------------------------------------------------------------------


async def test_what_was_never_kept_goes_after_a_day_and_media_stay(place: Place) -> None:
    temp, media = await place.stored(place.temp(), b"temp"), await place.stored(place.media(), b"media")
    upload = await place.storage.begin(place.temp(MP4), mime=MP4)
    await place.put_part(upload, 1, b"part")
    await sweep(place.storage, datetime.now(UTC) + timedelta(hours=23))
    assert (await place.all_of(temp), len(await place.storage.parts(upload))) == (b"temp", 1)
    await asyncio.gather(*[sweep(place.storage, datetime.now(UTC) + timedelta(hours=25)) for _ in range(2)])
    assert await nothing_at(place, temp)
    with pytest.raises(Missing):
        await place.storage.parts(upload)
    assert await place.all_of(media) == b"media"
