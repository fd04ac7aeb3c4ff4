"""In front of the networks: counts every request, plays the faults, and tells the time of day.

Faults act on whole HTTP requests here, so that the emulations behind stay plain. To *accept* without answering, the request
runs to its end against a ``send`` that throws the answer away.
"""

import asyncio
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from tempfile import SpooledTemporaryFile
from typing import IO, Any

from litestar.status_codes import (
    HTTP_413_REQUEST_ENTITY_TOO_LARGE,
    HTTP_429_TOO_MANY_REQUESTS,
    HTTP_500_INTERNAL_SERVER_ERROR,
)
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Send

from platforms.sandbox.base import Network
from platforms.sandbox.context import Sandbox
from platforms.sandbox.faults import Fault, Kind
from platforms.sandbox.log import Sent
from platforms.sandbox.quirks import Quirk
from platforms.sandbox.values import SERVICE

Header = tuple[bytes, bytes]

BODY_LIMIT = 32 * 1024 * 1024
"""Bytes of a request that uploads nothing, or that nobody has signed."""
UPLOAD_LIMIT = 2 * 1024 * 1024 * 1024
"""Bytes; above the networks' own limits, so that theirs answer."""
_IN_MEMORY = 1024 * 1024
"""Bytes of a body; what is longer lies on the disk until the request is answered."""
_PIECE = 256 * 1024


class Gate:
    """ASGI around ``app``: what is no network's API passes untouched."""

    def __init__(self, app: ASGIApp, sandbox: Sandbox, *, dates: bool) -> None:
        self._app = app
        self._sandbox = sandbox
        self._store = sandbox.store
        self._dates = dates

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        name, slash, below = scope["path"][1:].partition("/")
        network = self._sandbox.networks.get(name)
        if network is None:
            await self._app(scope, receive, send)
            return
        scope["state"]["network"] = network
        path = slash + below
        if not path.startswith(network.api):
            await self._app(scope, receive, send)
            return
        purpose = _purpose(network, scope["method"], path)
        account = self._account(network, scope)
        limit = UPLOAD_LIMIT if purpose == "upload" and account is not None else BODY_LIMIT
        with SpooledTemporaryFile(max_size=_IN_MEMORY) as body:
            size = await _keep(receive, body, limit)
            date = self._date(network.name, account) if self._dates else None
            call = _Call(self._app, scope, body, receive, send, date)
            if size is not None and size > limit:
                await call.refuse(HTTP_413_REQUEST_ENTITY_TOO_LARGE, {})
            elif size is not None:
                await self._play(network, account, purpose, call)

    async def _play(self, network: Network, account: str | None, purpose: str, call: "_Call") -> None:
        log = self._sandbox.log
        log.counters[network.name, purpose] += 1
        if purpose == "publish":
            call.sent = log.note(network.name, network.text_of(self._store, call.read()), self._store.clock())
        fault = self._sandbox.faults.take(network.name, purpose, account)
        if fault is None:
            await call.run()
        else:
            await self._strike(network, fault, call)

    def _account(self, network: Network, scope: HTTPScope) -> str | None:
        """The id of the account that signed the request."""
        signed = dict(scope["headers"]).get(b"authorization", b"").decode(errors="replace")
        token = signed.removeprefix("Bearer ")
        found = self._store.token(network.name, "access", token) or self._store.token(network.name, SERVICE, token)
        return found.account if found else None

    def _date(self, platform: str, account: str | None) -> str | None:
        """The time by the server's clock; ``None`` where it does not tell."""
        quirks = self._sandbox.quirks
        if quirks.has(platform, Quirk.NO_DATE, account):
            return None
        off = sum(quirks.seconds(platform, quirk, account) or 0.0 for quirk in (Quirk.DATE_OFF, Quirk.CLOCK_OFF))
        return formatdate(self._store.clock() + off, usegmt=True)

    async def _strike(self, network: Network, fault: Fault, call: "_Call") -> None:
        match fault.kind:
            case Kind.ERROR_500:
                await call.refuse(HTTP_500_INTERNAL_SERVER_ERROR, network.words[500])
            case Kind.ERROR_500_AFTER_ACCEPT:
                await call.run(silently=True)
                await call.refuse(HTTP_500_INTERNAL_SERVER_ERROR, network.words[500])
            case Kind.RATE_LIMITED:
                await call.refuse(HTTP_429_TOO_MANY_REQUESTS, network.words[429], _waiting(network, fault.seconds))
            case Kind.TIMEOUT_BEFORE_ACCEPT | Kind.STALL:
                await call.hang()
            case Kind.TIMEOUT_AFTER_ACCEPT:
                await call.run(silently=True)
                await call.hang()
            case Kind.SLOW:
                await call.run(delay=fault.seconds)
            case Kind.EXPIRED_TOKEN:
                self._store.expire_access(fault.platform, fault.account)
                await call.run()
            case Kind.PROCESSING:
                call.scope["state"]["processing"] = fault.seconds
                await call.run()


@dataclass(slots=True)
class _Call:
    """One request whose body has come, and the ways to treat it."""

    app: ASGIApp
    scope: HTTPScope
    body: IO[bytes]
    receive: Receive
    send: Send
    date: str | None = None
    sent: Sent | None = None

    def read(self) -> bytes:
        """The whole body, which is small but for uploads."""
        self.body.seek(0)
        return self.body.read()

    async def run(self, *, silently: bool = False, delay: float = 0) -> None:
        """Let the network handle it; ``delay`` holds the answer back for so many seconds."""
        answer: list[Message] = []
        unread = _messages(self.body)

        async def replay() -> Any:
            return next(unread, None) or await self.receive()

        async def keep(message: Message) -> None:
            answer.append(message)

        await self.app(self.scope, replay, keep)
        if not silently:
            await asyncio.sleep(delay)
            for message in answer:
                await self._send(message)

    async def refuse(self, status: int, words: Mapping[str, Any], headers: Sequence[Header] = ()) -> None:
        """Answer with the network's own words for ``status``."""
        told = [(b"content-type", b"application/json"), *headers]
        await self._send({"type": "http.response.start", "status": status, "headers": told})
        await self._send({"type": "http.response.body", "body": json.dumps(words).encode(), "more_body": False})

    async def hang(self) -> None:
        """Say nothing until the client hangs up."""
        while (await self.receive())["type"] != "http.disconnect":
            pass

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start" and self.sent:
            self.sent.status = message["status"]
        if message["type"] == "http.response.start" and self.date:
            message["headers"] = [*message["headers"], (b"date", self.date.encode())]
        await self.send(message)


def _waiting(network: Network, seconds: float) -> list[Header]:
    """Retry-After, and the network's own header."""
    reset = datetime.now(UTC) + timedelta(seconds=seconds)
    return [(b"retry-after", str(math.ceil(seconds)).encode()), network.reset_header(reset)]


def _purpose(network: Network, method: str, path: str) -> str:
    fallback = "read" if method == "GET" else "other"
    return network.purposes.get((method, path), fallback)


async def _keep(receive: Receive, body: IO[bytes], limit: int) -> int | None:
    """Keep at most ``limit`` bytes of the body. Returns its size; ``None`` if not all of it came: half a request is none."""
    size = 0
    while True:
        message: Any = await receive()
        if message["type"] == "http.disconnect":
            return None
        size += len(message.get("body", b""))
        if size <= limit:
            body.write(message.get("body", b""))
        if not message.get("more_body", False):
            return size


def _messages(body: IO[bytes]) -> Iterator[dict[str, Any]]:
    """What the network is to receive: the body, a piece at a time."""
    body.seek(0)
    while piece := body.read(_PIECE):
        yield {"type": "http.request", "body": piece, "more_body": True}
    yield {"type": "http.request", "body": b"", "more_body": False}
