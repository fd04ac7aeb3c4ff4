"""What a failed request proves: only a failure to connect proves that nothing was sent. Every server here really listens."""

import asyncio
import os
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

import httpx
import pytest

from platforms.errors import TimedOut, Unavailable
from platforms.http import open_client, reading, sending, warm
from platforms.resolving import Resolver
from tests.integration.certificates import Authority

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
MEGABYTE = 1024 * 1024
SILENT = 30
"""Seconds of silence that no test waits for."""

Act = Callable[["Caller"], Awaitable[None]]


@dataclass
class Caller:
    """One connection to the server. ``heard`` is the server's list of all requests."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    heard: list[bytes]

    async def head(self) -> bytes:
        head = await self.reader.readuntil(b"\r\n\r\n")
        self.heard.append(head)
        return head

    async def whole(self) -> None:
        head = await self.head()
        length = next((line for line in head.lower().splitlines() if line.startswith(b"content-length:")), b":0")
        await self.reader.readexactly(int(length.partition(b":")[2]))

    def answer(self, answer: bytes = OK) -> None:
        self.writer.write(answer)

    def reset(self) -> None:
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    def end(self) -> None:
        """At once, so that the end lies in the client's kernel before its loop has turned."""
        with socket.socket(fileno=os.dup(self.socket.fileno())) as own:
            own.shutdown(socket.SHUT_RDWR)

    @property
    def socket(self) -> socket.socket:
        return self.writer.get_extra_info("socket")


@dataclass
class Server:
    """Does one of ``acts`` on each connection, in order; after the last one it answers every request properly."""

    acts: list[Act] = field(default_factory=list)
    heard: list[bytes] = field(default_factory=list)
    callers: list[Caller] = field(default_factory=list)
    gone: int = 0
    port: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        caller = Caller(reader, writer, self.heard)
        self.callers.append(caller)
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            await (self.acts.pop(0) if self.acts else politely)(caller)
        self.gone += 1
        writer.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    @property
    def asked(self) -> list[bytes]:
        """The first lines of all requests."""
        return [head.split(b"\r\n")[0] for head in self.heard]

    async def left(self, number: int) -> None:
        """Wait until so many connections have ended."""
        async with asyncio.timeout(10):
            while self.gone < number:
                await asyncio.sleep(0.01)


async def politely(caller: Caller) -> None:
    while True:
        await caller.whole()
        caller.answer()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    peer = Server()
    listener = await asyncio.start_server(peer.serve, "127.0.0.1", 0, limit=2 * MEGABYTE)
    peer.port = listener.sockets[0].getsockname()[1]
    async with listener:
        yield peer
        for caller in peer.callers:
            caller.writer.transport.abort()


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    """With one connection only, so that one that is lost would be missed."""
    async with open_client(allow_private=True, read_timeout=0.5, connections=1) as opened:
        yield opened


# --- behind a connection nothing is certain ---------------------------------------------------------------------------


async def at_once(caller: Caller) -> None:
    """Closes before it reads."""


async def after_the_head(caller: Caller) -> None:
    await caller.head()


async def after_the_request(caller: Caller) -> None:
    await caller.whole()


async def with_a_reset(caller: Caller) -> None:
    await caller.whole()
    caller.reset()


async def in_the_status(caller: Caller) -> None:
    await caller.whole()
    caller.answer(b"HTTP/1.1 20")


async def in_the_headers(caller: Caller) -> None:
    await caller.whole()
    caller.answer(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n")


async def in_the_body(caller: Caller) -> None:
    await caller.whole()
    caller.answer(OK[:-1])


async def in_a_chunk(caller: Caller) -> None:
    await caller.whole()
    caller.answer(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhal")


async def with_a_reset_in_the_body(caller: Caller) -> None:
    await in_the_body(caller)
    await caller.writer.drain()
    caller.reset()


async def with_a_reset_in_a_body_without_a_length(caller: Caller) -> None:
    await caller.whole()
    caller.answer(b"HTTP/1.1 200 OK\r\n\r\nhal")
    await asyncio.sleep(0.1)
    caller.reset()


async def in_another_language(caller: Caller) -> None:
    await caller.whole()
    caller.answer(b"220 mail.example ESMTP\r\n")


async def silently(caller: Caller) -> None:
    await caller.whole()
    await caller.reader.read()


async def silently_in_the_body(caller: Caller) -> None:
    await in_the_body(caller)
    await caller.reader.read()


BROKEN = [
    at_once,
    after_the_head,
    after_the_request,
    with_a_reset,
    in_the_status,
    in_the_headers,
    in_the_body,
    in_a_chunk,
    with_a_reset_in_the_body,
    with_a_reset_in_a_body_without_a_length,
    in_another_language,
    silently,
    silently_in_the_body,
]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
@pytest.mark.parametrize("act", BROKEN, ids=lambda act: act.__name__)
@pytest.mark.parametrize("kept", [False, True], ids=["new", "kept"])
async def test_a_change_whose_connection_breaks_may_have_happened_and_is_not_repeated(
    server: Server, client: httpx.AsyncClient, method: str, act: Act, kept: bool
) -> None:
    server.acts = [then(act) if kept else act]
    if kept:
        await client.get(server.url)
    with pytest.raises(TimedOut), sending("belfry"):
        await client.request(method, server.url, content=b"ring")
    mutations = [line for line in server.asked if not line.startswith(b"GET")]
    assert len(mutations) <= 1
    assert len(server.callers) == 1
    assert (await client.post(server.url)).text == "ok"  # and what is left of it disturbs nobody


def then(act: Act) -> Act:
    """One proper answer, then ``act``, on one connection."""

    async def acting(caller: Caller) -> None:
        await caller.whole()
        caller.answer()
        if act is at_once:
            await caller.reader.read(1)
        await act(caller)

    return acting


@pytest.mark.parametrize("act", BROKEN, ids=lambda act: act.__name__)
async def test_a_question_whose_connection_breaks_is_a_server_that_was_not_reached(
    server: Server, client: httpx.AsyncClient, act: Act
) -> None:
    server.acts = [act]
    with pytest.raises(Unavailable), reading("belfry"):
        await client.get(server.url)
    assert len(server.heard) <= 1


async def test_an_answer_without_a_length_ends_with_the_connection(server: Server, client: httpx.AsyncClient) -> None:
    async def in_its_own_time(caller: Caller) -> None:
        await caller.whole()
        for part in (b"HTTP/1.1 200 OK\r\n\r\n", b"o", b"k"):
            caller.answer(part)
            await asyncio.sleep(0.02)

    server.acts = [in_its_own_time]
    assert (await client.post(server.url)).text == "ok"


async def test_an_answer_in_no_known_letters_is_an_answer(server: Server, client: httpx.AsyncClient) -> None:
    async def in_its_own_letters(caller: Caller) -> None:
        await caller.whole()
        caller.answer(b"HTTP/1.1 200 \xff\xfe\r\nX-Bell: \xff\r\nSet-Cookie: \xff\r\nContent-Length: 2\r\n\r\nok")

    server.acts = [in_its_own_letters]
    assert (await client.post(server.url)).text == "ok"


async def test_a_long_body_that_nobody_takes_is_given_up(server: Server, client: httpx.AsyncClient) -> None:
    async def stands_still(caller: Caller) -> None:
        await caller.head()
        caller.writer.transport.pause_reading()
        await caller.writer.wait_closed()

    server.acts = [stands_still]
    with pytest.raises(TimedOut), sending("belfry"):
        await client.post(server.url, content=bytes(32 * MEGABYTE))


async def test_an_answer_that_comes_before_the_body_is_sent_counts_and_the_connection_is_not_used_again(
    server: Server, client: httpx.AsyncClient
) -> None:
    async def too_large(caller: Caller) -> None:
        await caller.head()
        caller.answer(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        await caller.reader.read()

    server.acts = [too_large]
    assert (await client.post(server.url, content=bytes(32 * MEGABYTE))).status_code == 413
    assert (await client.post(server.url)).text == "ok"
    assert len(server.callers) == 2


# --- without a connection nothing was sent ----------------------------------------------------------------------------


async def not_sent(client: httpx.AsyncClient, url: str, *, pool: float = SILENT) -> None:
    with pytest.raises(Unavailable) as failed, sending("belfry"):
        await client.post(url, content=b"ring", timeout=httpx.Timeout(5, connect=0.3, pool=pool))
    assert failed.value.code == "unreachable"


async def test_a_port_that_nobody_listens_on(client: httpx.AsyncClient, unused_tcp_port: int) -> None:
    await not_sent(client, f"http://127.0.0.1:{unused_tcp_port}/")


async def test_a_name_that_does_not_exist() -> None:
    def nowhere(_: str) -> list[str]:
        raise OSError("no such name")

    async with open_client(resolver=Resolver(nowhere)) as client:
        await not_sent(client, "https://nowhere.test/")


@pytest.fixture
def hole() -> Iterator[str]:
    """A server whose queue is full: connecting to it takes for ever."""
    with socket.socket() as listener:
        listener.bind(("0.0.0.0", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
        yield f"http://127.0.0.1:{port}/"
        for one in waiting:
            one.close()


async def test_a_connection_that_takes_too_long(client: httpx.AsyncClient, hole: str) -> None:
    await not_sent(client, hole)


async def test_the_time_to_connect_is_for_all_addresses_together(hole: str) -> None:
    everywhere = Resolver(lambda _: [f"127.0.0.{number}" for number in range(1, 200)])  # each for 0.3 s would be a minute
    async with open_client(allow_private=True, resolver=everywhere) as client, asyncio.timeout(20):
        await not_sent(client, hole.replace("127.0.0.1", "hole.test"))


async def test_no_connection_became_free(server: Server, client: httpx.AsyncClient) -> None:
    server.acts = [silently]
    waiting = asyncio.create_task(client.get(server.url, timeout=SILENT))
    while not server.heard:
        await asyncio.sleep(0.01)
    await not_sent(client, server.url, pool=0.1)
    waiting.cancel()
    assert server.asked == [b"GET / HTTP/1.1"]


@pytest.mark.parametrize("url", ["ftp://social.test/", "http:///nowhere", "//social.test/", "unix:///run/docker.sock"])
async def test_an_address_that_is_none(client: httpx.AsyncClient, url: str) -> None:
    await not_sent(client, url)


@pytest.fixture
def authority(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Authority:
    """Clients that are opened from now on believe it and nobody else."""
    authority = Authority.made(tmp_path_factory.mktemp("certificates"))
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    return authority


async def encrypted(server: Server, context: ssl.SSLContext) -> AsyncIterator[str]:
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=context)
    async with listener:
        yield f"https://social.test:{listener.sockets[0].getsockname()[1]}/"


async def test_a_server_is_believed_that_has_a_certificate_for_the_name_that_was_asked_for(
    server: Server, authority: Authority
) -> None:
    named: list[str | None] = []
    context = authority.context("social.test")
    context.sni_callback = lambda _, name, __: named.append(name)
    async for url in encrypted(server, context):
        async with open_client(allow_private=True, resolver=Resolver(lambda _: ["127.0.0.1"])) as client:
            for _ in range(2):
                assert (await client.post(url, content=b"ring")).text == "ok"
    assert (named, len(server.callers)) == (["social.test"], 1)


@pytest.mark.parametrize("name", ["another.test", "127.0.0.1"])
async def test_a_certificate_for_another_name(server: Server, authority: Authority, name: str) -> None:
    async for url in encrypted(server, authority.context(name)):
        async with open_client(allow_private=True, resolver=Resolver(lambda _: ["127.0.0.1"])) as client:
            await not_sent(client, url)
    assert server.heard == []


async def test_a_certificate_that_nobody_vouches_for(server: Server, tmp_path_factory: pytest.TempPathFactory) -> None:
    stranger = Authority.made(tmp_path_factory.mktemp("stranger"))
    async for url in encrypted(server, stranger.context("social.test")):
        async with open_client(allow_private=True, resolver=Resolver(lambda _: ["127.0.0.1"])) as client:
            await not_sent(client, url)
    assert server.heard == []


async def test_a_server_that_does_not_encrypt(server: Server, client: httpx.AsyncClient) -> None:
    async def says_so(caller: Caller) -> None:
        await caller.reader.read(1)
        caller.answer(b"HTTP/1.1 400 This is plain HTTP\r\n\r\n")

    server.acts = [says_so]
    await not_sent(client, server.url.replace("http:", "https:"))


# --- kept connections -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("turns", [0, 1, 2, 20], ids=lambda turns: f"{turns} turns of the loop")
async def test_a_kept_connection_that_was_closed_before_a_change_is_not_used_for_it(
    server: Server, client: httpx.AsyncClient, turns: int
) -> None:
    await client.get(server.url)
    server.callers[0].end()
    for _ in range(turns):
        await asyncio.sleep(0)
    assert (await client.post(server.url, content=b"ring")).text == "ok"
    assert server.asked == [b"GET / HTTP/1.1", b"POST / HTTP/1.1"]
    assert len(server.callers) == 2


@pytest.mark.parametrize("turns", [0, 1, 2, 20], ids=lambda turns: f"{turns} turns of the loop")
@pytest.mark.parametrize("closes", [False, True], ids=["stays", "closes"])
async def test_what_a_server_says_unasked_is_nobodys_answer(
    server: Server, client: httpx.AsyncClient, turns: int, closes: bool
) -> None:
    await client.get(server.url)
    server.callers[0].answer(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 5\r\n\r\nstale")
    if closes:
        server.callers[0].end()
    for _ in range(turns):
        await asyncio.sleep(0)
    assert (await client.post(server.url, content=b"ring")).text == "ok"
    assert len(server.callers) == 2


async def test_what_follows_an_answer_is_not_the_next_one(server: Server, client: httpx.AsyncClient) -> None:
    async def twice(caller: Caller) -> None:
        await caller.whole()
        caller.answer(OK + OK.replace(b"ok", b"no"))
        await caller.reader.read()

    server.acts = [twice]
    await client.get(server.url)
    assert (await client.post(server.url, content=b"ring")).text == "ok"
    assert len(server.callers) == 2


async def test_the_connections_that_are_kept_are_counted(client: httpx.AsyncClient) -> None:
    servers = [Server(), Server(), Server()]
    for server in servers:
        listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
        server.port = listener.sockets[0].getsockname()[1]
        await client.get(server.url)
    await servers[0].left(1)
    await servers[1].left(1)
    await client.get(servers[2].url)
    assert (len(servers[2].callers), servers[2].gone) == (1, 0)


# --- given up ---------------------------------------------------------------------------------------------------------


async def given_up(asking: Awaitable[object]) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await asking


async def test_who_gives_up_connecting_leaves_nothing(server: Server, client: httpx.AsyncClient, hole: str) -> None:
    await given_up(client.post(hole, content=b"ring"))
    await given_up(warm(client, hole))
    assert (await client.get(server.url)).text == "ok"


async def test_who_gives_up_sending_leaves_nothing(server: Server, client: httpx.AsyncClient) -> None:
    async def stands_still(caller: Caller) -> None:
        await caller.head()
        caller.writer.transport.pause_reading()
        await asyncio.sleep(0.5)
        caller.writer.transport.resume_reading()
        await caller.reader.read()

    server.acts = [stands_still]
    await given_up(client.post(server.url, content=bytes(32 * MEGABYTE)))
    assert (await client.get(server.url)).text == "ok"
    assert len(server.callers) == 2


@pytest.mark.parametrize("act", [silently, silently_in_the_body], ids=lambda act: act.__name__)
async def test_who_gives_up_reading_closes_the_connection(server: Server, client: httpx.AsyncClient, act: Act) -> None:
    server.acts = [act]
    await given_up(client.post(server.url, content=b"ring", timeout=SILENT))
    await server.left(1)
    assert (await client.get(server.url)).text == "ok"
    assert len(server.callers) == 2


async def test_an_answer_that_is_not_read_to_its_end_closes_the_connection(server: Server, client: httpx.AsyncClient) -> None:
    async with client.stream("GET", server.url) as answer:
        assert answer.status_code == 200
    async with client.stream("POST", server.url) as answer:
        assert await answer.aread() == b"ok"


# --- what is sent -----------------------------------------------------------------------------------------------------


async def test_a_request_travels_as_it_was_written(server: Server, client: httpx.AsyncClient) -> None:
    path = "xrpc/a%2Fb/~me/%7Eyou;v=1?uri=at%3A%2F%2Fdid%3Aplc%3Ax&q=a+b%20c&empty=&tilde=~'!*()"
    await client.get(f"{server.url}{path}", auth=("alice", "secret"))
    [head] = server.heard
    [first, *rest] = head.decode().strip().split("\r\n")
    assert first == f"GET /{path} HTTP/1.1"
    assert {line.partition(":")[0] for line in rest} == {
        "Host",
        "Accept",
        "Accept-Encoding",
        "Connection",
        "User-Agent",
        "Authorization",
    }


async def test_a_change_without_a_body_says_so(server: Server, client: httpx.AsyncClient) -> None:
    await client.post(server.url)
    assert b"Content-Length: 0\r\n" in server.heard[0]
    assert b"Content-Type" not in server.heard[0]


async def test_a_file_is_sent_whole(server: Server, client: httpx.AsyncClient) -> None:
    received = bytearray()

    async def keeps_it(caller: Caller) -> None:
        head = await caller.head()
        length = next(line for line in head.splitlines() if line.startswith(b"Content-Length:"))
        received.extend(await caller.reader.readexactly(int(length.split()[1])))
        caller.answer()

    server.acts = [keeps_it]
    picture = bytes(range(256)) * 4096
    await client.post(server.url, files={"file": ("bell.png", picture, "image/png")})
    assert picture in received
    assert server.heard[0].count(b"Content-Type: multipart/form-data; boundary=") == 1


async def test_a_body_of_unknown_length_is_sent_in_chunks(server: Server, client: httpx.AsyncClient) -> None:
    async def parts() -> AsyncIterator[bytes]:
        yield b"ring "
        yield b"ring"

    chunks = bytearray()

    async def keeps_it(caller: Caller) -> None:
        await caller.head()
        chunks.extend(await caller.reader.readuntil(b"0\r\n\r\n"))
        caller.answer()

    server.acts = [keeps_it]
    await client.post(server.url, content=parts())
    assert bytes(chunks) == b"5\r\nring \r\n4\r\nring\r\n0\r\n\r\n"


async def test_a_file_that_cannot_be_read_on_breaks_the_request_off_and_says_why(
    server: Server, client: httpx.AsyncClient
) -> None:
    async def cut() -> AsyncIterator[bytes]:
        yield bytes(MEGABYTE)
        raise LookupError("the disk is gone")

    received = bytearray()

    async def waits_for_all(caller: Caller) -> None:
        await caller.head()
        received.extend(await caller.reader.read())

    server.acts = [waits_for_all]
    with pytest.raises(LookupError, match="the disk is gone"), reading("belfry"):
        await client.post(server.url, content=cut(), headers={"Content-Length": str(2 * MEGABYTE)})
    assert len(received) <= MEGABYTE


async def test_the_time_that_a_file_takes_to_be_read_is_not_the_servers(server: Server, client: httpx.AsyncClient) -> None:
    async def slow() -> AsyncIterator[bytes]:
        for _ in range(2):
            await asyncio.sleep(0.4)
            yield b"ring"

    impatient = httpx.Timeout(SILENT, write=0.2)
    answer = await client.post(server.url, content=slow(), headers={"Content-Length": "8"}, timeout=impatient)
    assert answer.text == "ok"


# --- ahead of time ----------------------------------------------------------------------------------------------------


async def test_connections_can_be_opened_ahead_of_time(server: Server) -> None:
    async with open_client(allow_private=True) as client:
        await warm(client, server.url, connections=3)
        assert (len(server.callers), server.heard) == (3, [])
        await asyncio.gather(*(client.post(f"{server.url}{number}") for number in range(3)))
        await warm(client, server.url, connections=3)
    assert (len(server.callers), len(server.heard)) == (3, 3)


async def test_what_cannot_be_opened_ahead_of_time_is_a_server_that_was_not_reached(
    client: httpx.AsyncClient, unused_tcp_port: int
) -> None:
    with pytest.raises(Unavailable), reading("belfry"):
        await warm(client, f"http://127.0.0.1:{unused_tcp_port}/")
