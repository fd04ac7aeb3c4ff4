"""httpx's transport over aiohttp, which takes a fraction of the processor time of httpx's own pool.

Once there is a connection, anything may have been sent. So no error that is raised here is one of httpx's errors about
*connecting*; those come from :mod:`platforms.connections` alone. (The package httpx-aiohttp calls a connection that broke in the
middle of an answer a ``ConnectTimeout``. That is why there is this module.)

aiohttp by itself repeats a ``GET`` whose connection broke, but a ``PUT`` and a ``DELETE`` too. It does so when it sees its own
exceptions; so they become httpx's before it sees them, and only a ``GET`` is repeated, by :func:`_once_more`.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress

import aiohttp
import httpx
from aiohttp.connector import Connection
from multidict import CIMultiDict
from yarl import URL

from platforms.connections import Asked, Connector
from platforms.hosts import Guard

MAX_ANSWER = 8 * 1024 * 1024
"""Bytes; the longest answer we ask a network for, a page of forty statuses, is well below one megabyte."""

LONGEST = "longest"
"""Name of a request's extension: so many bytes its answer may have instead. ``math.inf`` is for whoever counts by himself."""

_LINE = 32 * 1024
"""Bytes of the longest header; some servers' security policies exceed aiohttp's 8 KiB."""
_HEADERS = 256
_PIECE = 64 * 1024
"""Bytes of a body that are written at once; aiohttp waits for the network after as many."""
_OWN_HEADERS = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")
"""What aiohttp would add; httpx has added what there is to add."""
_BROKEN = (aiohttp.ClientError, aiohttp.EofStream, OSError, ValueError)
_CLOSED = (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError)


class AnswerTooLong(httpx.ReadError):
    """The answer did not end: somebody wants our memory."""


class Transport(httpx.AsyncBaseTransport):
    """Sends requests; opened at the first one, on the loop that runs then."""

    def __init__(self, guard: Guard, *, connections: int) -> None:
        self._guard, self._connections = guard, connections
        self._context = ssl.create_default_context()
        self._context.set_alpn_protocols(["http/1.1"])
        self._session: aiohttp.ClientSession | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The answer's head; its body follows with the stream. An answer is not unpacked: a packed one could become anything."""
        if request.url.scheme not in {"http", "https"} or not request.url.host:
            raise httpx.UnsupportedProtocol(f"no address to ask: {request.url.scheme}")
        answer = await self._answer(request)
        return httpx.Response(
            answer.status,
            headers=[(name, value) for name, value in answer.raw_headers if name.lower() != b"content-encoding"],
            stream=_Bounded(answer, request.extensions.get(LONGEST, MAX_ANSWER)),
            extensions={"http_version": b"HTTP/1.1", "reason_phrase": (answer.reason or "").encode(errors="surrogateescape")},
        )

    async def warm(self, url: httpx.URL, *, connections: int, timeout: float) -> None:
        """Hold that many connections to the server of ``url`` at once, then let them rest. Raises ``httpx.TransportError``."""
        session = self._opened()
        if not isinstance(connector := session.connector, Connector):
            raise httpx.ConnectError("the client was closed")
        limits = aiohttp.ClientTimeout(connect=timeout, sock_connect=timeout)
        request = Asked("GET", _target(url), loop=asyncio.get_running_loop(), session=session)
        held: list[Connection] = []

        async def hold() -> None:
            held.append(await connector.connect(request, [], limits))

        try:
            found = await asyncio.gather(*(hold() for _ in range(connections)), return_exceptions=True)
        finally:
            for one in held:
                one.release()
        for failed in filter(None, found):
            raise failed

    async def aclose(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=Connector(self._guard, context=self._context, connections=self._connections),
                cookie_jar=aiohttp.DummyCookieJar(),
                request_class=Asked,
                middlewares=(_once_more,),
                skip_auto_headers=_OWN_HEADERS,
                auto_decompress=False,
                trust_env=False,
                max_line_size=_LINE,
                max_field_size=_LINE,
                max_headers=_HEADERS,
            )
        return self._session

    async def _answer(self, request: httpx.Request) -> aiohttp.ClientResponse:
        timeout, patience = request.extensions.get("timeout", {}), asyncio.timeout(None)
        body = _Body(request, patience, timeout.get("write"))
        try:
            async with patience:
                return await self._opened().request(
                    request.method,
                    _target(request.url),
                    headers=_headers(request),
                    data=body.data,
                    allow_redirects=False,
                    timeout=_limits(timeout),
                )
        except TimeoutError as error:
            raise httpx.WriteTimeout("the server does not take what is sent") from error
        except httpx.HTTPError as error:
            if body.failure is not None:  # the connection was broken off because there was no more to send
                raise body.failure from error
            raise
        except ValueError as error:  # what happens later is one of httpx's errors
            raise httpx.UnsupportedProtocol("no request can be made of this") from error


class _Bounded(httpx.AsyncByteStream):
    """The body of an answer, which ends after ``longest`` bytes."""

    def __init__(self, answer: aiohttp.ClientResponse, longest: float) -> None:
        self._answer, self._longest = answer, longest
        # Without a length the answer ends with the connection. aiohttp takes a reset for such an end.
        endless = "Content-Length" not in answer.headers and "Transfer-Encoding" not in answer.headers
        self._until_closed = answer.connection.protocol if endless and answer.connection else None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        left = self._longest
        try:
            async for chunk in self._answer.content.iter_any():
                left -= len(chunk)
                if left < 0:
                    raise AnswerTooLong(f"more than {self._longest} bytes")
                yield chunk
            if self._until_closed is not None and isinstance(broken := self._until_closed.exception(), OSError):
                raise broken
        except _BROKEN as error:
            raise _after_connecting(error) from error

    async def aclose(self) -> None:
        """Closes the connection too, unless the answer was read to its end: then that is somebody else's by now."""
        self._answer.close()


async def _once_more(request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """A server may close a kept connection in the moment we use it. What only reads is then asked once more."""
    try:
        return await _told(request, send)
    except _CLOSED:
        kept = isinstance(request, Asked) and request.kept
        if request.method != "GET" or not kept:  # it answered a new connection like this: that is how it is today
            raise
    return await _told(request, send)


async def _told(request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    try:
        return await send(request)
    except _BROKEN as error:
        raise _after_connecting(error) from error


def _after_connecting(error: Exception) -> httpx.TransportError:
    """httpx's word for what happened on a connection: never one that means that there was none."""
    match error:
        case TimeoutError():
            return httpx.ReadTimeout("the server is silent")
        case aiohttp.ServerDisconnectedError() | aiohttp.ClientPayloadError() | aiohttp.ClientResponseError():
            return httpx.RemoteProtocolError("the connection ended before the answer did, or this is no answer")
        case aiohttp.ClientError() | OSError():
            return httpx.ReadError("the connection broke")
        case ValueError():
            return httpx.LocalProtocolError("this cannot be sent")
    return httpx.RemoteProtocolError("the connection was closed")


def _target(url: httpx.URL) -> URL:
    """As httpx would send it; yarl by itself would write some characters another way. Without name and password, which httpx
    has put into a header.
    """
    return URL(f"{url.scheme}://{url.netloc.decode()}{url.raw_path.decode()}", encoded=True)


def _headers(request: httpx.Request) -> CIMultiDict[str]:
    """All but the one that aiohttp adds itself to a body of unknown length."""
    pairs = ((name.decode(), value.decode()) for name, value in request.headers.raw)
    return CIMultiDict((name, value) for name, value in pairs if name.lower() != "transfer-encoding")


def _limits(timeout: Mapping[str, float | None]) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(connect=timeout.get("pool"), sock_connect=timeout.get("connect"), sock_read=timeout.get("read"))


class _Body:
    """What is sent: a short body as it is, a long one in pieces. ``patience`` ends when none of it is taken for ``seconds``.

    The time that its source takes for the next piece is not the server's. ``failure`` is why there was none: aiohttp would tell
    of a connection that broke.
    """

    def __init__(self, request: httpx.Request, patience: asyncio.Timeout, seconds: float | None) -> None:
        self._request, self._patience, self._seconds = request, patience, seconds
        self.failure: Exception | None = None

    @property
    def data(self) -> bytes | AsyncIterator[bytes] | None:
        """For aiohttp."""
        try:
            content = self._request.content
        except httpx.RequestNotRead:
            return self._pieces()
        return self._pieces() if len(content) > _PIECE else content or None

    async def _pieces(self) -> AsyncIterator[bytes]:
        async for chunk in self._chunks():
            for start in range(0, len(chunk), _PIECE):
                self._wait(self._seconds)
                yield chunk[start : start + _PIECE]
            self._wait(None)  # for what comes next, and in the end for the answer, of which aiohttp takes care

    async def _chunks(self) -> AsyncIterator[bytes]:
        stream = self._request.stream
        if not isinstance(stream, httpx.AsyncByteStream):
            raise TypeError("an asynchronous client sends an asynchronous stream")
        try:
            async for chunk in stream:
                yield chunk
        except Exception as error:
            self.failure = error
            raise

    def _wait(self, seconds: float | None) -> None:
        with suppress(RuntimeError):  # the answer came before all was sent
            self._patience.reschedule(None if seconds is None else asyncio.get_running_loop().time() + seconds)
