"""Files fetched from their addresses: from a server that answers well, and from one that does everything wrong."""

import asyncio
import gzip
import re
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta

import httpx
import pytest

from app import runtime
from app.courier import FETCH
from app.errors import Invalid, NotFound, TooOften
from app.ids import Id
from app.models import EPOCH, MediaFile, MediaState, Post, now
from app.services.media import bringing, expiring, files, importing, uploads
from app.services.media.fetching import Patience
from app.services.media.offers import MAX_PICTURE, Rate
from app.storage import Folder
from app.storage.values import MEBIBYTE
from platforms.http import open_client
from tests.integration.services.places import Place
from tests.integration.services.test_forms import token
from tests.integration.services.test_media import photo
from tests.integration.services.test_uploads import LARGE, Interrupted, here, large_photo
from tests.integration.services.world import World, put, settled, until

__all__ = ["here"]

OK = b"HTTP/1.1 200 OK\r\n"
HASTY = Patience(total=timedelta(minutes=10), first=timedelta(seconds=0.3), slowest=100_000)


def whole(body: bytes, *headers: str, status: str = "200 OK", length: int | None = None) -> bytes:
    lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body) if length is None else length}", "", ""]
    return "\r\n".join(lines).encode() + body


@dataclass
class Stranger:
    """A server on loopback that says ``answer`` to everybody, then holds, drips or floods if told to, and closes.

    ``sent`` counts the bytes of a flood that were taken.
    """

    answer: bytes = b""
    drip: bytes = b""
    flood: int = 0
    hold: asyncio.Event | None = None
    sent: int = 0
    asked: list[str] = field(default_factory=list)
    port: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            self.asked.append((await reader.readuntil(b"\r\n\r\n")).decode())
            writer.write(self.answer.replace(b"PORT", str(self.port).encode()))
            await writer.drain()
            if self.hold is not None:
                await self.hold.wait()
            while self.sent < self.flood:
                writer.write(bytes(64 * 1024))
                await writer.drain()
                self.sent += 64 * 1024
            while self.drip:
                writer.write(self.drip)
                await writer.drain()
                await asyncio.sleep(0.02)
        writer.close()

    def url(self, path: str = "/bell.jpg?key=secret") -> str:
        return f"http://127.0.0.1:{self.port}{path}"


@pytest.fixture
async def stranger() -> AsyncIterator[Stranger]:
    found = Stranger()
    server = await asyncio.start_server(found.serve, "127.0.0.1", 0)
    found.port = server.sockets[0].getsockname()[1]
    yield found
    server.close()


@pytest.fixture
async def trusting(world: World, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """The operator allows private hosts."""
    async with open_client(allow_private=True, read_timeout=0.5) as client:
        monkeypatch.setattr(runtime, "_current", replace(runtime.current(), connecting=client))
        yield


async def begun(world: World, url: str) -> MediaFile:
    file = await importing.begin(world.workspace, world.alice, url)
    await settled()
    return file


async def known(file: MediaFile) -> MediaFile:
    found = await MediaFile.get(file.id)
    assert found is not None
    return found


async def fetched(world: World, url: str) -> MediaFile:
    file = await begun(world, url)
    await bringing.fetch(file.id, patience=HASTY)
    return await known(file)


async def left_of(file: MediaFile) -> list[str]:
    storage = runtime.current().storage
    found = [one.key async for one in storage.listed(f"temp/{file.workspace_id}/{file.id}")]
    return found + [one.key async for one in storage.listed(f"media/{file.workspace_id}/{file.id}/")]


async def test_a_file_is_fetched_and_is_one_as_any_other(world: World, trusting: None, stranger: Stranger) -> None:
    stranger.answer = whole(photo())
    file = await begun(world, stranger.url())
    assert [(message.actor, list(message.delivery_ids)) for message in world.outbox.messages] == [(FETCH, [file.id])]
    assert "secret" not in repr(await MediaFile.get_pymongo_collection().find_one({"_id": file.id}))
    await bringing.fetch(file.id)
    ready = await files.get(world.workspace, file.id)
    assert (ready.name, ready.mime, ready.width, ready.source) == ("bell.jpg", "image/jpeg", 20, "")
    assert await left_of(ready) == [ready.path]
    assert "Accept-Encoding: identity" in stranger.asked[0]
    await bringing.fetch(file.id)  # a message that came twice
    assert len(stranger.asked) == 1


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (whole(b"", status="404 Not Found"), "nothing at this address"),
        (whole(b"", status="401 Unauthorized"), "sign in"),
        (whole(b"", status="403 Forbidden"), "sign in"),
        (whole(b"", status="429 Too Many"), "too often"),
        (whole(b"", status="503 Away"), "trouble of its own"),
        (whole(b"", status="418 Teapot"), "418"),
        (whole(b"<!DOCTYPE html><p>Bells", "Content-Type: text/html"), "web page, not a file"),
        (whole(b"\n<html>", "Content-Type: image/jpeg"), "web page, not a file"),
        (whole(b""), "empty"),
        (whole(b"MZ\x90\0"), "program"),
        (whole(b"\0\0\0\x18ftypisom" + bytes(100)), "video cannot be read"),
        (whole(gzip.compress(photo()), "Content-Encoding: gzip"), "no picture"),
        (whole(photo() + bytes(5000), length=MAX_PICTURE + 1), "100 MB"),
        (whole(photo() + bytes(5000), length=10**17), "100 MB"),
        (whole(photo(), length=len(photo()) + 9), "broke"),
        (b"not http at all\r\n\r\n", "broke"),
        (b"", "broke"),
        (whole(b"", "Location: http://127.0.0.1:PORT/again", status="302 Found"), "without an end"),
        (whole(b"", "Location: file:///etc/passwd", status="302 Found"), "leads on to one"),
        (whole(b"", "Location: http://u:p@127.0.0.1/", status="302 Found"), "leads on to one"),
        (whole(b"", "Location: http://example.org/a.jpg", status="302 Found"), "leads on to one"),
    ],
)
async def test_what_a_server_does_wrong_is_told_in_a_sentence(
    world: World, trusting: None, stranger: Stranger, answer: bytes, words: str
) -> None:
    stranger.answer = answer
    file = await fetched(world, stranger.url())
    assert (file.state, words in file.reason, "secret" in file.reason) == (MediaState.FAILED, True, False), file.reason
    assert (await left_of(file), len(stranger.asked) <= 6) == ([], True)


async def test_a_drip_and_a_silence_end(world: World, trusting: None, stranger: Stranger) -> None:
    stranger.answer, stranger.drip = OK + b"\r\n" + photo(), b"\0"
    assert "too slowly" in (await fetched(world, stranger.url())).reason
    stranger.answer, stranger.drip = OK, b"X-More: bells\r\n"
    assert "too slowly" in (await fetched(world, stranger.url())).reason
    stranger.answer, stranger.drip, stranger.hold = OK + b"\r\n" + photo(), b"", asyncio.Event()
    assert "fell silent" in (await fetched(world, stranger.url())).reason
    stranger.hold.set()


async def test_a_whole_file_has_its_time_too(world: World, trusting: None, stranger: Stranger) -> None:
    stranger.answer, stranger.drip = OK + b"\r\n" + photo(), b"\0"
    file = await begun(world, stranger.url())
    await bringing.fetch(file.id, patience=Patience(total=timedelta(seconds=0.4), first=timedelta(minutes=10)))
    assert "too slowly" in (await known(file)).reason


@pytest.mark.parametrize("host", ["127.0.0.1:PORT", "localhost:PORT", "[::1]:PORT", "169.254.169.254"])
async def test_private_hosts_are_refused(world: World, stranger: Stranger, host: str) -> None:
    file = await fetched(world, f"http://{host}/a.jpg".replace("PORT", str(stranger.port)))
    assert (file.state, "private network" in file.reason, stranger.asked) == (MediaState.FAILED, True, [])


async def test_a_redirect_into_a_private_network_is_refused(
    world: World, stranger: Stranger, monkeypatch: pytest.MonkeyPatch
) -> None:
    stranger.answer = whole(b"", "Location: http://169.254.169.254/latest/meta-data/", status="302 Found")
    async with open_client(allow=[stranger.url("")]) as client:
        monkeypatch.setattr(runtime, "_current", replace(runtime.current(), connecting=client))
        file = await fetched(world, stranger.url())
    assert (len(stranger.asked), "private network" in file.reason) == (1, True)


@pytest.mark.parametrize(
    "text",
    ["", "bell.jpg", "file:///etc/passwd", "ftp://a.example/b", "http://a.example/b.jpg", "https://u:p@a.example/", "https://"],
)
async def test_what_is_no_address_is_not_begun(world: World, text: str) -> None:
    with pytest.raises(Invalid):
        await importing.begin(world.workspace, world.alice, text)
    assert await MediaFile.find({}).to_list() == []


async def test_a_canceled_one_stops_and_leaves_nothing(world: World, trusting: None, stranger: Stranger) -> None:
    stranger.answer, stranger.hold = whole(photo(), length=10_000_000), asyncio.Event()
    file = await begun(world, stranger.url())
    work = asyncio.create_task(bringing.fetch(file.id))
    await until(lambda: bool(stranger.asked))
    with pytest.raises(NotFound):
        await uploads.cancel(world.elsewhere, file.id)
    await uploads.cancel(world.workspace, file.id)
    await work
    gone = await known(file)
    assert (gone.state, gone.source, await left_of(gone)) == (MediaState.DELETED, "", [])
    stranger.hold.set()


async def test_canceled_in_the_last_moment_nothing_stays(
    world: World, trusting: None, stranger: Stranger, monkeypatch: pytest.MonkeyPatch
) -> None:
    stranger.answer = whole(photo())
    file = await begun(world, stranger.url())
    storage = runtime.current().storage
    assert isinstance(storage, Folder)
    interrupted = Interrupted(storage.root, runtime.current().sealer)
    interrupted.below, interrupted.then = "temp/", lambda: uploads.cancel(world.workspace, file.id)
    monkeypatch.setattr(runtime, "_current", replace(runtime.current(), storage=interrupted))
    await bringing.fetch(file.id)
    assert ((await known(file)).state, await left_of(file)) == (MediaState.DELETED, [])


async def test_a_failure_can_be_tried_again(world: World, trusting: None, stranger: Stranger) -> None:
    stranger.answer = whole(b"", status="404 Not Found")
    file = await fetched(world, stranger.url())
    with pytest.raises(TooOften):
        await importing.again(world.workspace, world.alice, file.id)
    with pytest.raises(NotFound):
        await importing.again(world.elsewhere, world.charlie, file.id)
    await put(file, noted_at=now() - timedelta(seconds=5))
    assert (await importing.again(world.workspace, world.alice, file.id)).state is MediaState.UPLOADING
    stranger.answer = whole(photo())
    await bringing.fetch(file.id)
    assert (await known(file)).state is MediaState.READY


async def test_one_without_a_sign_of_life_is_sent_again_and_in_the_end_given_up(world: World) -> None:
    file = await begun(world, "https://a.example/b.jpg")
    world.outbox.messages.clear()
    assert await importing.resume(now()) == 0
    for _ in range(importing.AGAIN):
        await put(file, noted_at=now() - timedelta(hours=1))
        await asyncio.gather(*[importing.resume(now()) for _ in range(2)])
    await settled()
    assert len(world.outbox.messages) == importing.AGAIN
    await put(file, noted_at=now() - timedelta(hours=1))
    await importing.resume(now())
    found = await known(file)
    assert (found.state, "Try again" in found.reason) == (MediaState.FAILED, True)


async def test_two_workers_fetch_it_once_and_one_that_is_gone_is_followed(
    world: World, trusting: None, stranger: Stranger
) -> None:
    stranger.answer = whole(photo())
    file = await begun(world, stranger.url())
    await put(file, claim=Id(), claimed_until=now() + timedelta(minutes=1))
    await bringing.fetch(file.id)
    assert stranger.asked == []
    await put(file, claimed_until=EPOCH)
    await asyncio.gather(*[bringing.fetch(file.id) for _ in range(3)])
    assert (len(stranger.asked), (await known(file)).state) == (1, MediaState.READY)


async def test_a_process_that_stops_gives_it_back(world: World, trusting: None, stranger: Stranger) -> None:
    stranger.answer, stranger.hold = whole(photo(), length=10_000_000), asyncio.Event()
    file = await begun(world, stranger.url())
    assert await bringing.take(file.id)
    await until(lambda: bool(stranger.asked))
    await bringing.hand_over()
    found = await known(file)
    assert (found.state, found.claim, found.claimed_until) == (MediaState.UPLOADING, None, EPOCH)
    world.outbox.messages.clear()
    assert await importing.resume(now()) == 1
    await settled()
    assert [message.actor for message in world.outbox.messages] == [FETCH]
    stranger.hold.set()


async def test_a_process_fetches_a_few_at_once_and_lets_the_others_wait(world: World, trusting: None, stranger: Stranger) -> None:
    stranger.answer, stranger.hold = whole(photo()), asyncio.Event()
    waiting = [await begun(world, stranger.url()) for _ in range(6)]
    taken = [await bringing.take(file.id) for file in waiting]
    assert taken == [True, True, True, True, False, False]
    assert await bringing.take(Id())  # of nothing there is nothing to wait for
    await put(waiting[4], noted_at=now() - timedelta(hours=2))
    assert not await bringing.take(waiting[4].id)
    assert await importing.resume(now()) == 0  # who waits is alive
    stranger.hold.set()
    for file in waiting:
        await until(lambda file=file: bringing.take(file.id))  # type: ignore[misc]
    await until(lambda: _all_ready(waiting))
    assert len(stranger.asked) == 6


async def _all_ready(given: list[MediaFile]) -> bool:
    return all([(await known(file)).state is MediaState.READY for file in given])


async def test_a_storage_that_is_away_ends_nothing(
    world: World, trusting: None, stranger: Stranger, monkeypatch: pytest.MonkeyPatch
) -> None:
    stranger.answer = whole(photo())
    file = await begun(world, stranger.url())
    storage = runtime.current().storage
    (blocked := runtime.current().settings.data_dir / "in the way").write_text("a file where a folder should be")
    away = type(storage)(blocked, runtime.current().sealer)  # type: ignore[call-arg]
    with monkeypatch.context() as patch:
        patch.setattr(runtime, "_current", replace(runtime.current(), storage=away))
        assert await bringing.take(file.id)
        await until(lambda: bool(stranger.asked))
        await until(lambda: _is_free(file))
    assert await importing.resume(now() + timedelta(minutes=2)) == 1
    await bringing.fetch(file.id)
    assert (await known(file)).state is MediaState.READY


async def _is_free(file: MediaFile) -> bool:
    found = await known(file)
    return found.state is MediaState.UPLOADING and found.sent == 1 and found.claim is None


async def test_a_large_file_without_a_length_takes_little_memory(
    here: Place, world: World, trusting: None, stranger: Stranger
) -> None:
    stranger.answer = OK + b"\r\n" + large_photo()
    file = await begun(world, stranger.url())
    tracemalloc.start()
    try:
        await bringing.fetch(file.id)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    ready = await known(file)
    assert (ready.state, ready.arrived) == (MediaState.READY, LARGE)
    assert await left_of(ready) == [ready.path]
    assert peak < 34 * MEBIBYTE  # a part is in memory, and what an S3 client makes of it; the stranger holds as much


@pytest.mark.parametrize("head", [b"\r\n", b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % (2 * MAX_PICTURE)])
async def test_an_endless_file_ends(world: World, trusting: None, stranger: Stranger, head: bytes) -> None:
    stranger.answer, stranger.flood = OK + head + photo(), 2 * MAX_PICTURE
    file = await fetched(world, stranger.url())
    assert (file.state, "100 MB" in file.reason, await left_of(file)) == (MediaState.FAILED, True, [])
    assert stranger.sent < MAX_PICTURE + 16 * MEBIBYTE


async def test_more_than_was_announced_is_not_taken(world: World, trusting: None, stranger: Stranger) -> None:
    stranger.answer, stranger.flood = whole(photo()), 16 * MEBIBYTE
    file = await fetched(world, stranger.url())
    assert file.arrived <= len(photo())
    assert await left_of(file) == ([file.path] if file.path else [])


async def test_one_that_is_forgotten_meanwhile_leaves_nothing(world: World, trusting: None, stranger: Stranger) -> None:
    stranger.answer, stranger.hold = whole(photo(), length=10_000_000), asyncio.Event()
    file = await begun(world, stranger.url())
    work = asyncio.create_task(bringing.fetch(file.id))
    await until(lambda: bool(stranger.asked))
    assert await expiring.expire(now() + timedelta(days=1, minutes=1)) == 1
    await work
    assert (await MediaFile.get(file.id), await left_of(file)) == (None, [])
    stranger.hold.set()


async def test_no_browser_brings_what_a_worker_fetches(world: World) -> None:
    file = await begun(world, "https://a.example/b.jpg")
    arrival = await uploads.confirm(world.workspace, file.id)
    assert (arrival.file.state, arrival.put, arrival.sizes) == (MediaState.UPLOADING, None, None)
    with pytest.raises(Invalid):
        await uploads.part_urls(world.workspace, file.id, [1])


async def test_a_person_begins_only_so_many(world: World) -> None:
    few = Rate(unfinished=1)
    await importing.begin(world.workspace, world.alice, "https://a.example/b.jpg", rate=few)
    with pytest.raises(TooOften):
        await importing.begin(world.workspace, world.alice, "https://a.example/b.jpg", rate=few)
    assert len(await MediaFile.find({}).to_list()) == 1


async def test_a_person_has_only_a_few_fetched_at_once(world: World) -> None:
    for _ in range(importing.UNFINISHED_AT_ONCE):
        await importing.begin(world.workspace, world.alice, "https://a.example/b.jpg")
    with pytest.raises(TooOften):
        await importing.begin(world.workspace, world.alice, "https://a.example/b.jpg")
    await importing.begin(world.elsewhere, world.charlie, "https://a.example/b.jpg")
    one, *_ = await MediaFile.find({"uploader_id": world.alice.id}).to_list()
    await put(one, state=MediaState.FAILED, reason="broke", noted_at=EPOCH)
    await importing.begin(world.workspace, world.alice, "https://a.example/b.jpg")
    with pytest.raises(TooOften):
        await importing.again(world.workspace, world.alice, one.id)
    assert ((await known(one)).state, (await known(one)).reason) == (MediaState.FAILED, "broke")


# --- in the composer --------------------------------------------------------------------------------------------------


async def press(alice: httpx.AsyncClient, path: str, **fields: str | list[str]) -> httpx.Response:
    """Send a form."""
    return await alice.post(path, data={"_csrf_token": await token(alice), **fields})


def id_in(page: httpx.Response, name: str = "import") -> Id:
    found = re.findall(rf'name="{name}" value="([0-9a-f]+)"', page.text)
    assert len(found) == 1, page.text
    return Id(found[0])


async def test_without_scripts_it_travels_with_the_form(
    world: World, trusting: None, stranger: Stranger, alice: httpx.AsyncClient
) -> None:
    stranger.answer = whole(photo())
    asked = await press(alice, "/compose", text="Ring", action="import", address=stranger.url())
    media_id = id_in(asked)
    assert (asked.status_code, "Waiting…" in asked.text, "secret" in asked.text) == (200, True, False)
    early = await press(alice, "/compose", text="Ring", action="draft", **{"import": media_id})
    assert (early.status_code, "has not arrived yet" in early.text, id_in(early)) == (422, True, media_id)
    assert await Post.find({}).to_list() == []
    await bringing.fetch(media_id)
    assert id_in(await press(alice, "/compose", action="preview", **{"import": media_id}), "media") == media_id
    saved = await press(alice, "/compose", text="Ring", action="draft", **{"import": media_id})
    [post] = await Post.find({}).to_list()
    assert (saved.status_code, [each.media_id for each in post.attachments]) == (303, [media_id])


async def test_without_scripts_what_failed_is_tried_again_or_removed(
    world: World, trusting: None, stranger: Stranger, alice: httpx.AsyncClient
) -> None:
    stranger.answer = whole(b"", status="404 Not Found")
    media_id = id_in(await press(alice, "/compose", action="now", text="Ring", address=stranger.url()))
    await bringing.fetch(media_id)
    failed = await press(alice, "/compose", action="now", text="Ring", **{"import": media_id})
    assert (failed.status_code, "nothing at this address" in failed.text, "was not fetched" in failed.text) == (422, True, True)
    hasty = await press(alice, "/compose", text="Ring", action=f"import-again:{media_id}", **{"import": media_id})
    assert (hasty.status_code, "tried just now" in hasty.text, "Ring</textarea>" in hasty.text) == (422, True, True)
    await put(await known_by(media_id), noted_at=EPOCH)
    again = await press(alice, "/compose", action=f"import-again:{media_id}", **{"import": media_id})
    assert (id_in(again), "Waiting…" in again.text) == (media_id, True)
    gone = await press(alice, "/compose", action=f"import-cancel:{media_id}", **{"import": media_id})
    assert (gone.status_code, 'name="import"' in gone.text) == (200, False)
    assert (await known_by(media_id)).state is MediaState.DELETED


async def known_by(media_id: Id) -> MediaFile:
    found = await MediaFile.get(media_id)
    assert found is not None
    return found


async def test_an_address_that_is_none_is_kept_and_explained(world: World, alice: httpx.AsyncClient) -> None:
    for path, action in (("/compose", "import"), ("/compose", "now"), ("/compose/imports", "")):
        answer = await press(alice, path, action=action, text="Ring", address="bell.jpg")
        words = ("whole address" in answer.text, 'value="bell.jpg"' in answer.text)
        assert (answer.status_code, words) == (422, (True, True)), path
    assert (await press(alice, "/compose/imports", address=" ")).status_code == 422
    assert await Post.find({}).to_list() == []


async def test_a_row_asks_for_itself_until_it_is_a_picture(
    world: World, trusting: None, stranger: Stranger, alice: httpx.AsyncClient
) -> None:
    large = large_photo()
    stranger.answer, stranger.drip = whole(large[: LARGE // 2], length=LARGE), b"\0"
    row = await press(alice, "/compose/imports", address=stranger.url())
    media_id = id_in(row)
    assert ('hx-swap-oob="beforeend:#imports"' in row.text, 'value=""' in row.text, "secret" in row.text) == (True, True, False)
    work = asyncio.create_task(bringing.fetch(media_id))
    path = f"/compose/imports/{media_id}"

    async def half() -> bool:
        return "50 % of 17.8 MB" in (await alice.get(path)).text

    await until(half)
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    stranger.answer, stranger.drip = whole(large), b""
    await bringing.fetch(media_id)
    ready = await alice.get(path, params={"media": [str(Id()), str(Id())]})
    assert (id_in(ready, "media"), ready.headers["HX-Retarget"]) == (media_id, "#media-list")
    assert ("data-number>3<" in ready.text, "bell.jpg is attached" in ready.text) == (True, True)


async def test_a_row_is_canceled_and_is_gone(world: World, alice: httpx.AsyncClient) -> None:
    path = f"/compose/imports/{id_in(await press(alice, '/compose/imports', address='https://a.example/b.jpg'))}"
    canceled = await press(alice, f"{path}/cancel")
    assert (canceled.status_code, canceled.text.strip()) == (200, "")
    assert ((await alice.get(path)).status_code, (await alice.get(path)).text.strip()) == (200, "")


async def test_nothing_is_begun_by_a_stranger_or_another_page(world: World, browser: httpx.AsyncClient) -> None:
    wanted = {"address": "https://a.example/b.jpg"}
    assert (await press(browser, "/compose/imports", **wanted)).status_code == 303
    assert await MediaFile.find({}).to_list() == []


async def test_another_page_begins_nothing(world: World, alice: httpx.AsyncClient) -> None:
    assert (await alice.post("/compose/imports", data={"address": "https://a.example/b.jpg"})).status_code == 403
    assert await MediaFile.find({}).to_list() == []


async def test_another_workspaces_file_does_not_exist(world: World, alice: httpx.AsyncClient) -> None:
    theirs = await importing.begin(world.elsewhere, world.charlie, "https://a.example/b.jpg")
    for media_id in (theirs.id, Id(), "no-id"):
        path = f"/compose/imports/{media_id}"
        assert (await alice.get(path)).status_code == 404
        for verb in ("again", "cancel"):
            assert (await press(alice, f"{path}/{verb}")).status_code == 404
            kept = await press(alice, "/compose", text="Ring", action=f"import-{verb}:{media_id}")
            assert (kept.status_code, "Ring</textarea>" in kept.text) == (200, True)
    assert 'name="import"' not in (await press(alice, "/compose", action="preview", **{"import": theirs.id})).text
    assert (await known(theirs)).state is MediaState.UPLOADING
