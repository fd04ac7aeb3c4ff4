"""Processor time of one POST, many at once, to a server in another process: our client, httpx's own pool, and aiohttp bare.

The server does as little as one can (``python -m tests.bench.http_cost PORT``), the client is measured alone.
"""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aiohttp
import httpx
import uvloop

from platforms.http import open_client
from tests.bench.figures import Figure
from tests.bench.people import Profiles
from tests.bench.site import Base
from tests.servers.process import Server, accepts, free_port

AT_ONCE = 40
POSTS = 4000
HEADERS = {"Authorization": "Bearer 0123456789", "Content-Type": "application/json"}
BODY = b'{"status": "Ring the bells", "visibility": "public", "language": "en"}'
ANSWER = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 512\r\n\r\n{"id": "1"}' + b" " * 501

Post = Callable[[str], Awaitable[object]]


async def measure(base: Base, _: Profiles) -> list[Figure]:
    """Each client on asyncio's own event loop, ours on the one we use too."""
    port = free_port()
    command = [sys.executable, "-m", "tests.bench.http_cost", str(port)]
    log = base.new_folder("http") / "output.log"
    server = Server(url=f"http://127.0.0.1:{port}/", command=command, env={}, ready=lambda: accepts(port), log=log).start()
    try:
        return [
            await _figure("http_pool", _pooled, asyncio.new_event_loop, server.url),
            await _figure("http_bare", _bare, asyncio.new_event_loop, server.url),
            await _figure("http_ours", _ours, asyncio.new_event_loop, server.url),
            await _figure("http_ours_uvloop", _ours, uvloop.new_event_loop, server.url),
        ]
    finally:
        server.stop()


async def _figure(key: str, opened: Callable[[], object], loop: Callable[[], asyncio.AbstractEventLoop], url: str) -> Figure:
    cost = await asyncio.to_thread(_on, loop, opened, url)
    return Figure(f"{key}_cpu_ms", round(cost * 1000, 2), "", f"{POSTS} POSTs, {AT_ONCE} at once")


def _on(loop: Callable[[], asyncio.AbstractEventLoop], opened: Callable[..., object], url: str) -> float:
    with asyncio.Runner(loop_factory=loop) as runner:
        return runner.run(_cost(opened, url))


async def _cost(opened: Callable[..., object], url: str) -> float:
    """Seconds of this process for one POST; the first ones open the connections and do not count."""
    async with opened() as post:  # type: ignore[attr-defined]
        await _all(post, url, AT_ONCE * 5)
        begun = time.process_time()
        await _all(post, url, POSTS)
        return (time.process_time() - begun) / POSTS


async def _all(post: Post, url: str, number: int) -> None:
    waiting = iter(range(number))

    async def one_after_the_other() -> None:
        for _ in waiting:
            await post(url)

    await asyncio.gather(*(one_after_the_other() for _ in range(AT_ONCE)))


@asynccontextmanager
async def _pooled() -> AsyncIterator[Post]:
    async with httpx.AsyncClient(trust_env=False, limits=httpx.Limits(max_connections=200)) as client:
        yield lambda url: client.post(url, content=BODY, headers=HEADERS)


@asynccontextmanager
async def _ours() -> AsyncIterator[Post]:
    async with open_client(allow_private=True) as client:
        yield lambda url: client.post(url, content=BODY, headers=HEADERS)


@asynccontextmanager
async def _bare() -> AsyncIterator[Post]:
    async with aiohttp.ClientSession() as session:

        async def post(url: str) -> bytes:
            async with session.post(url, data=BODY, headers=HEADERS) as answer:
                return await answer.read()

        yield post


class _Answering(asyncio.Protocol):
    """One answer for each request; they arrive in one piece here."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if data.endswith(BODY):
            self._transport.write(ANSWER)  # type: ignore[attr-defined]


async def _serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(_Answering, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1])))
