"""Files that come to the sandbox: told by their bytes, and not kept unless a page shows them."""

import hashlib
import sqlite3
import time
import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from platforms.sandbox import receiving
from platforms.sandbox.receiving import KEPT, receive
from platforms.sandbox.store import Store
from platforms.sandbox.values import cid, cid_of
from tests.unit.platforms.sandbox.conftest import PNG, Founder, Pds

MEGABYTE = 1024 * 1024


async def pieces(head: bytes, size: int) -> AsyncIterator[bytes]:
    yield head
    for start in range(len(head), size, MEGABYTE):
        yield bytes(min(MEGABYTE, size - start))


@pytest.mark.parametrize(("head", "mime"), [(b"\0\0\0\x18ftypmp42", "video/mp4"), (b"words", ""), (PNG, "image/png")])
async def test_a_large_file_is_known_by_its_hash_and_not_kept(head: bytes, mime: str) -> None:
    size = KEPT + 1
    tracemalloc.start()
    blob = await receive(pieces(head, size))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    expected = hashlib.sha256(head + bytes(size - len(head))).digest()
    assert (blob.cid, blob.mime, blob.size, blob.data) == (cid_of(expected), mime, size, b"")
    assert peak < 4 * MEGABYTE + (0 if mime == "" else 2 * KEPT)


async def test_a_picture_is_kept_for_the_pages(pds: Pds) -> None:
    uploaded = await pds.upload(PNG)
    assert uploaded["ref"]["$link"] == cid(PNG)
    assert (await pds.http.get(f"/media/{cid(PNG)}")).content == PNG


FTYP = b"\0\0\0\x18ftypmp42"


async def test_a_film_is_shown_with_a_player_that_loads_nothing_by_itself(founder: Founder) -> None:
    film = FTYP + bytes(MEGABYTE)
    published = (await founder.publish(await founder.cast_file(film, text="Look", alt="A <bell>"))).json()
    page = await founder.http.get(published["url"])
    assert f'<video src="/media/{cid(film)}" aria-label="A &lt;bell&gt;" controls preload="none" playsinline>' in page.text
    assert "media-src 'self'" in page.headers["content-security-policy"]
    shown = await founder.http.get(f"/media/{cid(film)}")
    assert (shown.content, shown.headers["content-type"]) == (film, "video/mp4")


async def test_a_film_that_is_too_large_to_be_kept_is_not_shown(pds: Pds, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receiving, "KEPT", MEGABYTE)
    film = FTYP + bytes(MEGABYTE)
    embed = {"$type": "app.bsky.embed.video", "video": await pds.upload(film, "video/mp4")}
    assert (await pds.write(record={"embed": embed})).status_code == 200
    page = (await pds.http.get(f"/bluesky/profile/{pds.did}/post/3mabcdefghi2k")).text
    assert ("too large to be kept" in page, "<video" in page) == (True, False)
    assert (await pds.http.get(f"/media/{cid(film)}")).status_code == 404


async def test_a_request_that_is_too_long_is_refused(pds: Pds) -> None:
    answer = await pds.post("repo.putRecord", content=bytes(32 * MEGABYTE + 1))
    assert answer.status_code == 413


def test_a_database_from_before_sizes_were_told_learns_them(tmp_path: Path) -> None:
    path = tmp_path / "sandbox.db"
    with sqlite3.connect(path) as old:
        old.execute("CREATE TABLE blobs (cid TEXT, account TEXT, mime TEXT, data BLOB, PRIMARY KEY (cid, account))")
        old.execute("INSERT INTO blobs VALUES ('bell', 'you', 'image/png', ?)", (PNG,))
    for _ in range(2):
        found = Store(path, time.time).blob("bell")
        assert found is not None
        assert (found.size, found.data) == (len(PNG), PNG)
