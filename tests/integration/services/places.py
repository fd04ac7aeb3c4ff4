"""A folder and a bucket, each as browsers and networks see it: an address that somebody was given, and bytes over a real wire."""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import SplitResult, urljoin, urlsplit

import httpx
import uvicorn
from litestar import Litestar

from app.ids import Id
from app.settings import Settings
from app.storage import Part, Signed, Storage, Upload, keys, pieces
from tests.servers import s3
from tests.servers.process import free_port

MIB = 1024 * 1024
JPEG, MP4, PDF = "image/jpeg", "video/mp4", "application/pdf"


@dataclass(frozen=True)
class Place:
    """A storage, and a browser that has been given its addresses. ``workspace`` is this test's own."""

    storage: Storage
    base_url: str
    http: httpx.AsyncClient
    workspace: Id

    def temp(self, mime: str = JPEG) -> str:
        """A key that nobody used yet."""
        return keys.temp(self.workspace, Id(), mime)

    def media(self, mime: str = JPEG) -> str:
        """A key that nobody used yet."""
        return keys.original(self.workspace, Id(), mime)

    async def put(self, signed: Signed | str, data: bytes, **headers: str) -> httpx.Response:
        """What a browser does with the address: the signed headers, and a length that it counts itself."""
        url, given = (signed.url, signed.headers) if isinstance(signed, Signed) else (signed, {})
        return await self.http.put(url, content=data, headers={**given, **headers})

    async def get(self, url: str, **headers: str) -> httpx.Response:
        """What whoever was given the address does."""
        return await self.http.get(url, headers=headers)

    async def stored(self, key: str, data: bytes, mime: str = JPEG) -> str:
        """``key``, where ``data`` lies now."""
        await self.storage.write(key, pieces(data), mime=mime, size=len(data))
        return key

    async def all_of(self, key: str) -> bytes:
        """The whole file."""
        return b"".join([piece async for piece in self.storage.read(key)])

    async def put_part(self, upload: Upload, number: int, data: bytes, lasts: timedelta = timedelta(minutes=5)) -> Part:
        """Put a part as a browser does, and remember its tag as the answer tells it."""
        answer = await self.put(await self.storage.part_url(upload, number, size=len(data), lasts=lasts), data)
        answer.raise_for_status()
        return Part(number, answer.headers["ETag"])

    async def status_of(self, signed: Signed, size: int) -> int:
        """What is answered to the head of a PUT of ``size`` bytes, before any of them is sent."""
        url = urlsplit(urljoin(self.base_url, signed.url))
        reader, writer = await asyncio.open_connection(url.hostname, url.port)
        writer.write(_head(signed, size, url))
        line = await reader.readline()
        writer.transport.abort()
        return int(line.split()[1])

    async def cut(self, signed: Signed, size: int, sent: int) -> None:
        """Begin to put ``size`` bytes, and lose the connection after ``sent`` of them."""
        url = urlsplit(urljoin(self.base_url, signed.url))
        _, writer = await asyncio.open_connection(url.hostname, url.port)
        writer.write(_head(signed, size, url) + os.urandom(sent))
        await writer.drain()
        await asyncio.sleep(0.1)
        writer.transport.abort()


def _head(signed: Signed, size: int, url: SplitResult) -> bytes:
    lines = [f"PUT {url.path}?{url.query} HTTP/1.1", f"Host: {url.netloc}", f"Content-Length: {size}"]
    lines += [f"{name}: {value}" for name, value in signed.headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()


def bucket_settings(settings: Settings, bucket: s3.Bucket, **more: str) -> Settings:
    """The settings of an installation that keeps its media in ``bucket``."""
    named = {"s3_bucket": bucket.name, "s3_endpoint_url": bucket.endpoint_url, "s3_region": bucket.region}
    secret = {"s3_access_key": bucket.access_key, "s3_secret_key": bucket.secret_key}
    return Settings(**(settings.model_dump() | named | secret | more))


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the test run's."""
        yield


@asynccontextmanager
async def served(web: Litestar) -> AsyncIterator[str]:
    """``web`` on a port of its own: only a real server has connections that can be cut."""
    port = free_port()
    with socket.create_server(("127.0.0.1", port)) as listener:
        server = _Server(uvicorn.Config(web, log_level="warning", lifespan="off", timeout_graceful_shutdown=1))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        while not server.started:
            await asyncio.sleep(0.01)
        yield f"http://127.0.0.1:{port}"
        server.should_exit = True
        await serving
