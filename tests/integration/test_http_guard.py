"""The guard of platforms/http.py against servers that really listen."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from platforms.errors import TimedOut
from platforms.http import HostRefused, open_client, sending
from platforms.resolving import Resolver


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


async def listening(listener: Any) -> AsyncIterator[Any]:
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


@dataclass
class Visited:
    """An HTTP server that notes every request's first line and ``Cookie``, and answers as ``answers`` says.

    ``close``: the connection is closed without an answer, on a connection that has had one before. ``drip``: one byte of the
    answer at a time, without an end.
    """

    answers: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    cookies: list[str] = field(default_factory=list)
    connections: int = 0
    port: int = field(init=False)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().splitlines()
                self.asked.append(head[0])
                self.cookies += [line for line in head if line.lower().startswith("cookie:")]
                if not await self._answered(writer):
                    break
        writer.close()

    async def _answered(self, writer: asyncio.StreamWriter) -> bool:
        match self.answers.pop(0) if self.answers else "":
            case "close":
                return False
            case "half":
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
                return False
            case "drip":
                writer.write(b"HTTP/1.1 200 OK\r\nX-Endless: ")
                while True:
                    writer.write(b"x")
                    await writer.drain()
                    await asyncio.sleep(0.01)
            case "headers":
                writer.write(b"HTTP/1.1 200 OK\r\n")
                while True:
                    writer.write(b"X-Endless: 1\r\n" * 1000)
                    await writer.drain()
        writer.write(b"HTTP/1.1 200 OK\r\nSet-Cookie: tenant=alice; Path=/\r\nContent-Length: 2\r\n\r\nok")
        return True


@pytest.fixture
async def visited() -> AsyncIterator[Visited]:
    async for server in listening(Visited()):
        yield server


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with open_client(allow_private=True, read_timeout=0.5) as opened:
        yield opened


async def test_a_cookie_is_never_sent_back(visited: Visited, client: httpx.AsyncClient) -> None:
    for _ in range(2):
        await client.get(visited.url)
    assert (len(visited.asked), visited.cookies, list(client.cookies.jar)) == (2, [], [])


async def test_a_read_on_a_connection_that_was_just_closed_is_repeated_at_once(
    visited: Visited, client: httpx.AsyncClient
) -> None:
    visited.answers = ["", "close", ""]
    await client.get(f"{visited.url}/first")
    assert (await client.get(f"{visited.url}/second")).text == "ok"
    assert visited.asked == ["GET /first HTTP/1.1", "GET /second HTTP/1.1", "GET /second HTTP/1.1"]


async def test_a_read_is_repeated_only_once(visited: Visited, client: httpx.AsyncClient) -> None:
    visited.answers = ["", "close", "close", ""]
    await client.get(visited.url)
    with pytest.raises(httpx.RemoteProtocolError):
        await client.get(visited.url)
    assert len(visited.asked) == 3


@pytest.mark.parametrize("answers", [["close"], ["", "half"]], ids=["on a new connection", "after the answer has begun"])
async def test_a_read_that_failed_otherwise_is_not_repeated(
    visited: Visited, client: httpx.AsyncClient, answers: list[str]
) -> None:
    visited.answers = list(answers)
    for _ in answers[1:]:
        await client.get(visited.url)
    with pytest.raises(httpx.RemoteProtocolError):
        await client.get(visited.url)
    assert len(visited.asked) == len(answers)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
async def test_what_changes_something_is_never_repeated(visited: Visited, client: httpx.AsyncClient, method: str) -> None:
    visited.answers = ["", "close", ""]
    await client.get(visited.url)
    with pytest.raises(TimedOut), sending("belfry"):
        await client.request(method, visited.url)
    assert visited.asked[1:] == [f"{method} / HTTP/1.1"]


async def test_headers_without_an_end_are_given_up(visited: Visited, client: httpx.AsyncClient) -> None:
    visited.answers = ["headers"]
    with pytest.raises(TimedOut), sending("belfry"):
        await client.post(visited.url)


async def test_an_answer_that_drips_ends_with_the_callers_time_and_frees_its_connection(visited: Visited) -> None:
    visited.answers = ["drip", "drip", ""]
    async with open_client(allow_private=True, connections=1) as client:
        for _ in range(2):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    await client.get(visited.url)
        assert (await client.get(visited.url)).text == "ok"


async def test_an_address_that_refuses_is_followed_by_the_next(visited: Visited) -> None:
    resolver = Resolver(lambda _: ["127.0.0.2", "127.0.0.1"])
    async with open_client(allow_private=True, resolver=resolver) as client:
        assert (await client.get(f"http://two.test:{visited.port}")).text == "ok"
