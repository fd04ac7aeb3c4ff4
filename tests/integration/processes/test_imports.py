"""A worker ends while it fetches a file from its address: another one begins anew, and there is one file."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from tests.integration.processes.conftest import Installation
from tests.integration.processes.visitor import Visitor
from tests.integration.services.test_media import photo


@dataclass
class Source:
    """Somebody's server, on loopback: half of a picture at first, and once it is ``whole`` all of it."""

    url: str = ""
    whole: bool = False
    asked: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        picture = photo() + bytes(1_000_000)  # with a tail, as cameras append them
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            self.asked += 1
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(picture))
            writer.write(picture if self.whole else picture[:500_000])
            await writer.drain()
            while not self.whole:  # a sign of life now and then
                await asyncio.sleep(0.2)
                writer.write(b"\0")
                await writer.drain()
        writer.close()


@pytest.fixture
async def source() -> AsyncIterator[Source]:
    found = Source()
    server = await asyncio.start_server(found.serve, "127.0.0.1", 0)
    found.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/bell.jpg"
    yield found
    server.close()


async def until(happened: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(30):
        while not await happened():
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("how", ["killed", "stopped"])
async def test_a_worker_that_ends_while_it_fetches_leaves_one_file(
    installation: Installation, owner: Visitor, source: Source, how: str
) -> None:
    media = installation.database.media

    async def arriving() -> bool:
        return bool(await media.count_documents({"state": "uploading", "arrived": {"$gt": 0}}))

    async def silent() -> bool:
        before = datetime.now(UTC) - timedelta(seconds=float(installation.environment["CARILLON_LEASE"]))
        return bool(await media.find({"noted_at": {"$lt": before}}).to_list())

    asked = await owner.submit("/compose", action="import", address=source.url)
    media_id = re.findall(r'name="import" value="([0-9a-f]+)"', asked.text)[0]
    await until(arriving)
    if how == "killed":
        installation.worker.kill()
    else:
        installation.worker.stop()
    source.whole = True
    await until(silent)
    installation.start_worker()
    async with asyncio.timeout(100):
        while 'name="media"' not in (await owner.submit("/compose", action="preview", **{"import": media_id})).text:
            await asyncio.sleep(0.2)
    [file] = await media.find({}).to_list()
    assert (file["_id"], file["state"], file["source"], source.asked) == (media_id, "ready", "", 2)
