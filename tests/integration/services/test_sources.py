"""Files on their way from the storage to a network: what an adapter opens, and what a network fetches."""

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import httpx
import pytest

from app import runtime
from app.engine import dispatching
from app.engine.sources import Kept, fetchable
from app.errors import Invalid
from app.models import EPOCH, MediaFile, State, now
from app.services.accounts import connecting
from app.services.writing import composing
from app.settings import Settings
from app.storage import Folder, Unavailable, open_storage
from platforms import REGISTRY
from platforms.errors import MediaRejected, Misconfigured
from platforms.errors import Unavailable as NotNow
from tests.integration.services.places import bucket_settings
from tests.integration.services.world import World, fresh
from tests.servers import s3
from tests.twin.adapter import Foundry
from tests.twin.errors import NAME

DATA = bytes(range(256)) * 4096


@pytest.fixture
async def fetching(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """Alice has an account at a foundry that fetches files itself."""
    monkeypatch.setitem(REGISTRY, NAME, Foundry(pause=0.1, by_address=True))
    connected = await connecting.connect_sandbox(world.workspace)
    world.accounts |= {account.platform: account for account in connected}
    return world


def known_as(monkeypatch: pytest.MonkeyPatch, **changes: str | None) -> None:
    """The installation with other settings."""
    parts = runtime.current()
    settings = parts.settings.model_copy(update=changes)
    monkeypatch.setattr(runtime, "_current", replace(parts, settings=settings, storage=open_storage(settings)))


async def codes(world: World) -> list[str]:
    """What is wrong with a post with a picture."""
    draft = world.draft(NAME, attachments=(await world.picture(),))
    [preview] = await composing.previews(world.workspace, draft)
    return [problem.code for problem in preview.problems if problem.blocks]


# --- by address -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "real", "sandbox"),
    [
        ("https://social.example.org", True, True),
        ("https://social.example.org:8443", True, True),
        ("http://social.example.org", False, False),
        ("https://localhost", False, True),
        ("http://localhost:8000", False, True),
        ("http://127.0.0.1:8000", False, True),
        ("http://[::1]:8000", False, True),
        ("https://192.168.0.7", False, False),
        ("http://minio:9000", False, False),
        ("https://minio", False, False),
        ("ftp://127.0.0.1", False, False),
        ("", False, False),
        ("/", False, False),
        ("https://[", False, False),
    ],
)
def test_networks_fetch_from_the_internet_and_the_sandbox_from_this_machine(url: str, real: bool, sandbox: bool) -> None:
    assert (fetchable(url, sandbox=False), fetchable(url, sandbox=True)) == (real, sandbox)


async def test_who_composes_for_a_network_that_fetches_is_told_that_there_is_no_address(
    fetching: World, alice: httpx.AsyncClient
) -> None:
    assert await codes(fetching) == ["no_address"]
    draft = fetching.draft(NAME, attachments=(await fetching.picture(),))
    with pytest.raises(Invalid, match="set CARILLON_PUBLIC_URL to such an address"):
        await composing.check(fetching.workspace, draft)
    await alice.get("/compose")
    token = next(value for name, value in alice.cookies.items() if name.startswith("carillon_csrf"))
    [picture] = draft.attachments
    chosen = {"text": "Ring", "account": fetching.accounts[NAME].id, "media": picture.media_id, "_csrf_token": token}
    page = await alice.post("/compose/preview", data=chosen)
    assert page.status_code == 200
    assert "set CARILLON_PUBLIC_URL to such an address" in page.text


async def test_without_files_and_where_there_is_an_address_nobody_is_told(
    fetching: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    [preview] = await composing.previews(fetching.workspace, fetching.draft(NAME))
    assert preview.problems == []
    known_as(monkeypatch, public_url="https://social.example.org")
    assert await codes(fetching) == []
    known_as(monkeypatch, public_url="http://localhost:8000")
    assert await codes(fetching) == []
    known_as(monkeypatch, public_url="http://social.example.org")
    assert await codes(fetching) == ["no_address"]


async def test_a_sandbox_among_our_own_pages_fetches_from_them(fetching: World, monkeypatch: pytest.MonkeyPatch) -> None:
    known_as(monkeypatch, sandbox_public_url="/", sandbox_url="http://127.0.0.1:8000/sandbox")
    assert await codes(fetching) == []
    file = await stored(fetching)
    address = await Kept(file, None, fetching.accounts[NAME]).address(timedelta(hours=24))
    assert re.match(r"http://127\.0\.0\.1:8000/files/media/\w+/\w+/original\.png\?until=\d+&sig=", address)


async def test_a_bucket_has_an_address_of_its_own(fetching: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for endpoint, expected in (("https://s3.example.org", []), ("http://minio:9000", ["no_address"])):
        with monkeypatch.context() as patch:
            storage = open_storage(bucket_settings(runtime.current().settings, s3.Bucket("carillon", endpoint)))
            attachments = (await fetching.picture(),)
            patch.setattr(runtime, "_current", replace(runtime.current(), storage=storage))
            [preview] = await composing.previews(fetching.workspace, fetching.draft(NAME, attachments=attachments))
            assert [problem.code for problem in preview.problems if problem.blocks] == expected
            assert all("CARILLON_S3_PUBLIC_URL" in one.message for one in preview.problems if one.blocks)


async def test_a_real_network_gets_no_address_on_this_machine(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    known_as(monkeypatch, public_url="http://127.0.0.1:8000")
    real = world.accounts["mastodon"].model_copy(update={"sandbox": False})
    with pytest.raises(Misconfigured) as refusal:
        await Kept(await stored(world), None, real).address(timedelta(hours=24))
    assert refusal.value.code == "no_address"


async def test_the_sandbox_fetches_a_file_from_its_signed_address(
    fetching: World, folder_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    known_as(monkeypatch, public_url=folder_url)
    attachment = await fetching.picture()
    await fetching.publish_now(NAME, attachments=(attachment,))
    await fetching.outbox.deliver()
    [post] = await fetching.judge.posts()
    assert post["media"] == 1
    [shown] = re.findall(r"/media/\w+", (await fetching.judge.http.get(post["url"])).text)
    file = await MediaFile.get(attachment.media_id)
    assert file is not None
    found = await fetching.judge.http.get(post["url"].partition("/foundry/")[0] + shown)
    assert found.content == b"".join([piece async for piece in runtime.current().storage.read(file.path)])


# --- opened -----------------------------------------------------------------------------------------------------------


async def stored(world: World) -> MediaFile:
    """A file in the storage."""
    file = await MediaFile.get((await world.picture()).media_id)
    assert file is not None
    return file


async def read(source: Kept, start: int = 0) -> bytes:
    return b"".join([chunk async for chunk in source.open(start)])


async def test_a_file_is_opened_as_often_as_it_is_needed_and_from_anywhere(world: World) -> None:
    source = Kept(await stored(world), None, world.accounts["mastodon"])
    whole = await read(source)
    assert len(whole) == source.file.size
    assert await read(source) == whole
    assert await read(source, 7) == whole[7:]
    assert await read(source, len(whole)) == b""


async def test_a_file_that_is_shorter_than_it_was_told_is_no_file_to_send(world: World) -> None:
    file, account = await stored(world), world.accounts["mastodon"]
    with pytest.raises(NotNow, match="ended too early"):
        await read(Kept(file, None, account, size=file.size + 1))
    assert len(await read(Kept(file, None, account, size=file.size - 1))) == file.size - 1
    await runtime.current().storage.delete(file.path)
    with pytest.raises(MediaRejected, match="no longer exists"):
        await read(Kept(file, None, account))


class Torn(Folder):
    """A folder on a disk that fails in the middle of a file, so many times."""

    cuts = 1

    async def read(self, key: str, *, start: int = 0, end: int | None = None) -> AsyncGenerator[bytes, None]:
        async for piece in super().read(key, start=start, end=end):
            if self.cuts:
                self.cuts -= 1
                yield piece[:10]
                raise Unavailable("the disk failed")
            yield piece


@pytest.mark.parametrize("platform", ["bluesky", "mastodon", NAME])
async def test_a_read_that_is_cut_in_the_middle_of_an_upload_has_sent_nothing_and_is_made_again(
    world: World, monkeypatch: pytest.MonkeyPatch, platform: str
) -> None:
    monkeypatch.setitem(REGISTRY, NAME, Foundry(pause=0.1))
    world.accounts |= {account.platform: account for account in await connecting.connect_sandbox(world.workspace)}
    parts = runtime.current()
    torn = Torn(parts.settings.data_dir / "media", parts.sealer)
    attachments = (await world.picture(),)
    delivery = await world.queued(platform, attachments=attachments)
    monkeypatch.setattr(runtime, "_current", replace(parts, storage=torn))
    await world.outbox.deliver()
    delivery = await fresh(delivery)
    assert (delivery.state, delivery.trouble.code, delivery.strikes) == (State.QUEUED, "storage_unavailable", 1)
    assert (torn.cuts, delivery.fenced_at, await world.judge.posts()) == (0, EPOCH, [])
    await world.pass_time(timedelta(minutes=5))
    await dispatching.run_pass(now())
    await world.outbox.deliver()
    assert (await fresh(delivery)).state == State.PUBLISHED
    assert [post["media"] for post in await world.judge.posts()] == [1]


# --- a bucket whose connections break ---------------------------------------------------------------------------------


class Cutting:
    """A bucket with one file, whose connections break after ``after`` bytes, ``cuts`` times. ``asked`` are ranges and tags."""

    def __init__(self, *, after: int, cuts: int) -> None:
        self.after, self.cuts, self.etag = after, cuts, "one"
        self.asked: list[tuple[str, str]] = []

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        found = {name: value for name, _, value in (line.partition(": ") for line in head.splitlines())}
        self.asked.append((found.get("range", ""), found.get("if-match", "")))
        if found.get("if-match", f'"{self.etag}"') != f'"{self.etag}"':
            writer.write(b"HTTP/1.1 412 Precondition Failed\r\nContent-Length: 0\r\n\r\n")
        else:
            start = int(found.get("range", "bytes=0-").removeprefix("bytes=").partition("-")[0])
            rest = DATA[start:]
            status = f"206 Partial Content\r\nContent-Range: bytes {start}-{len(DATA) - 1}/{len(DATA)}" if start else "200 OK"
            writer.write(f'HTTP/1.1 {status}\r\nETag: "{self.etag}"\r\nContent-Length: {len(rest)}\r\n\r\n'.encode())
            writer.write(rest[: self.after] if self.cuts else rest)
            self.cuts = max(0, self.cuts - 1)
        writer.close()


@asynccontextmanager
async def listening(cutting: Cutting, settings: Settings) -> AsyncIterator[AsyncGenerator[bytes, None]]:
    """What is read from there."""
    server = await asyncio.start_server(cutting.answer, "127.0.0.1", 0)
    async with server:
        bucket = s3.Bucket("carillon", f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        yield open_storage(bucket_settings(settings, bucket)).read("media/bell.png")


async def drained(source: AsyncGenerator[bytes, None]) -> bytes:
    return b"".join([piece async for piece in source])


async def test_a_buckets_read_that_breaks_off_goes_on_where_it_was(settings: Settings) -> None:
    cutting = Cutting(after=300_000, cuts=3)
    async with listening(cutting, settings) as source:
        assert await drained(source) == DATA
    assert cutting.asked[0] == ("", "")
    assert len(cutting.asked) == 4
    assert all(tag == '"one"' and re.fullmatch(r"bytes=\d+-", asked) for asked, tag in cutting.asked[1:])


async def test_a_buckets_read_that_never_gets_on_ends(settings: Settings) -> None:
    cutting = Cutting(after=0, cuts=1000)
    async with listening(cutting, settings) as source:
        with pytest.raises(Unavailable):
            await drained(source)
    assert len(cutting.asked) < 20


async def test_a_buckets_read_does_not_go_on_in_another_file(settings: Settings) -> None:
    cutting = Cutting(after=300_000, cuts=1)
    async with listening(cutting, settings) as source:
        first = await anext(source)
        cutting.etag = "two"
        with pytest.raises(Unavailable):
            await drained(source)
    assert DATA.startswith(first)
