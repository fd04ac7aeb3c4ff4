"""The guard of platforms/http.py against servers that really listen."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field

import httpx
import pytest

from platforms.errors import TimedOut
from platforms.http import HostRefused, open_client, sending


@dataclass
class Listener:
    """An HTTP server on loopback that counts connections and sends everybody elsewhere, with more or less of a body."""

    elsewhere: str = "http://elsewhere.test/"
    connections: int = 0
    endless: bool = False
    packed: bytes = b""
    port: int = field(init=False)

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        await reader.readuntil(b"\r\n\r\n")
        reply = f"HTTP/1.1 302 Found\r\nLocation: {self.elsewhere}\r\nConnection: close\r\n"
        reply += "Content-Encoding: gzip\r\n\r\n" if self.packed else "\r\n"
        writer.write(reply.encode() + self.packed)
        with suppress(ConnectionError):
            await writer.drain()
            while self.endless:
                writer.write(bytes(65_536))
                await writer.drain()
        writer.close()


async def listening(listener: Listener) -> AsyncIterator[Listener]:
    server = await asyncio.start_server(listener.answer, "127.0.0.1", 0)
    listener.port = server.sockets[0].getsockname()[1]
    async with server:
        yield listener


@pytest.fixture
async def sandbox() -> AsyncIterator[Listener]:
    async for listener in listening(Listener()):
        yield listener


@pytest.fixture
async def private() -> AsyncIterator[Listener]:
    async for listener in listening(Listener()):
        yield listener


async def test_the_allow_list_lets_exactly_one_origin_through(sandbox: Listener, private: Listener) -> None:
    async with open_client(allow=[sandbox.url]) as client:
        assert (await client.get(sandbox.url)).status_code == 302
        with pytest.raises(HostRefused):
            await client.get(private.url)
    assert (sandbox.connections, private.connections) == (1, 0)


async def test_a_redirect_is_an_answer_not_a_journey(sandbox: Listener, private: Listener) -> None:
    sandbox.elsewhere = private.url
    async with open_client(allow_private=True) as client:
        assert (await client.get(sandbox.url)).headers["location"] == private.url
    assert private.connections == 0


async def test_an_operator_may_allow_private_hosts(private: Listener) -> None:
    async with open_client(allow_private=True) as client:
        await client.get(private.url)
    assert private.connections == 1


async def test_a_proxy_from_the_environment_is_not_asked(
    sandbox: Listener, private: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", private.url)
    monkeypatch.setenv("NO_PROXY", "")
    async with open_client(allow=[sandbox.url]) as client:
        await client.get(sandbox.url)
    assert private.connections == 0


async def test_a_refused_connection_is_not_called_a_refused_host(unused_tcp_port: int) -> None:
    origin = f"http://localhost:{unused_tcp_port}"
    async with open_client(allow=[origin]) as client:
        with pytest.raises(httpx.ConnectError) as failed:
            await client.get(origin)
    assert not isinstance(failed.value, HostRefused)


async def test_an_answer_without_an_end_is_given_up_and_proves_nothing(sandbox: Listener) -> None:
    sandbox.endless = True
    async with open_client(allow=[sandbox.url]) as client:
        with pytest.raises(TimedOut), sending("belfry"):
            await client.post(sandbox.url)


async def test_a_packed_answer_is_not_unpacked(sandbox: Listener) -> None:
    sandbox.packed = gzip.compress(bytes(1_000_000))
    async with open_client(allow=[sandbox.url]) as client:
        assert (await client.get(sandbox.url)).content == sandbox.packed
