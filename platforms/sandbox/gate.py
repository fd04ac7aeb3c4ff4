"""In front of the networks: counts every request, plays the faults, and tells the time of day.

Faults act on whole HTTP requests here, so that the emulations behind stay plain. To *accept* without answering, the request
runs to its end against a ``send`` that throws the answer away.
"""

import asyncio
import json
import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from typing import Any
from urllib.parse import parse_qs

from litestar.enums import ScopeType
from litestar.status_codes import HTTP_429_TOO_MANY_REQUESTS
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from platforms.sandbox.context import BLUESKY, MASTODON, Sandbox
from platforms.sandbox.faults import Fault, Kind
from platforms.sandbox.quirks import Quirk

PURPOSES = {
    ("POST", "/bluesky/xrpc/com.atproto.repo.createRecord"): "publish",
    ("POST", "/bluesky/xrpc/com.atproto.repo.putRecord"): "publish",
    ("POST", "/bluesky/xrpc/com.atproto.repo.uploadBlob"): "upload",
    ("POST", "/mastodon/api/v1/statuses"): "publish",
    ("POST", "/mastodon/api/v2/media"): "upload",
}
_PREFIXES = {"/bluesky/xrpc/": "bluesky", "/mastodon/api/": "mastodon", "/mastodon/oauth/": "mastodon"}


class Gate:
    """ASGI around ``app``: what is no network's API passes untouched."""

    def __init__(self, app: ASGIApp, sandbox: Sandbox, *, dates: bool) -> None:
        self._app = app
        self._sandbox = sandbox
        self._store = sandbox.store
        self._dates = dates

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        platform = next((name for prefix, name in _PREFIXES.items() if scope["path"].startswith(prefix)), None)
        if scope["type"] != ScopeType.HTTP or platform is None:
            await self._app(scope, receive, send)
            return
        platform = scope["state"].get("server", platform)
        account = self._account(platform, scope)
        body = await _body(receive)
        if body is not None:
            date = self._date(platform, account) if self._dates else None
            await self._play(platform, account, _Call(self._app, scope, body, receive, send, date))

    async def _play(self, platform: str, account: str | None, call: "_Call") -> None:
        purpose = _purpose(call.scope)
        self._store.count(platform, purpose)
        if purpose == "publish":
            row = self._store.note_publish(platform, text_of(platform, call.body))
            call.on_status = lambda status: self._store.note_status(row, status)
        fault = self._sandbox.faults.take(platform, purpose, account)
        if fault is None:
            await call.run()
        else:
            await self._strike(fault, call)

    def _account(self, platform: str, scope: HTTPScope) -> str | None:
        """The id of the account that signed the request."""
        signed = dict(scope["headers"]).get(b"authorization", b"").decode(errors="replace")
        found = self._store.token(platform, "access", signed.removeprefix("Bearer "))
        return found.account if found else None

    def _date(self, platform: str, account: str | None) -> str | None:
        """The time by the server's clock; ``None`` where it does not tell."""
        quirks = self._sandbox.quirks
        if quirks.has(platform, Quirk.NO_DATE, account):
            return None
        off = sum(quirks.seconds(platform, quirk, account) or 0.0 for quirk in (Quirk.DATE_OFF, Quirk.CLOCK_OFF))
        return formatdate(self._store.clock() + off, usegmt=True)

    async def _strike(self, fault: Fault, call: "_Call") -> None:
        match fault.kind:
            case Kind.ERROR_500:
                await call.refuse(fault, 500)
            case Kind.ERROR_500_AFTER_ACCEPT:
                await call.run(silently=True)
                await call.refuse(fault, 500)
            case Kind.RATE_LIMITED:
                await call.refuse(fault, 429)
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
    """One request whose body has been read, and the ways to treat it."""

    app: ASGIApp
    scope: HTTPScope
    body: bytes
    receive: Receive
    send: Send
    date: str | None = None
    on_status: Any = None

    async def run(self, *, silently: bool = False, delay: float = 0) -> None:
        """Let the network handle it; ``delay`` holds the answer back for so many seconds."""
        answer: list[Message] = []
        unread = [self.body]

        async def replay() -> Any:
            if unread:
                return {"type": "http.request", "body": unread.pop(), "more_body": False}
            return await self.receive()

        async def keep(message: Message) -> None:
            answer.append(message)

        await self.app(self.scope, replay, keep)
        if not silently:
            await asyncio.sleep(delay)
            for message in answer:
                await self._send(message)

    async def refuse(self, fault: Fault, status: int) -> None:
        """Answer with the network's own words for ``status``."""
        headers = [(b"content-type", b"application/json"), *(_waiting(fault) if status == HTTP_429_TOO_MANY_REQUESTS else [])]
        body = json.dumps(_WORDS[_dialect(fault.platform), status]).encode()
        await self._send({"type": "http.response.start", "status": status, "headers": headers})
        await self._send({"type": "http.response.body", "body": body, "more_body": False})

    async def hang(self) -> None:
        """Say nothing until the client hangs up."""
        while (await self.receive())["type"] != "http.disconnect":
            pass

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start" and self.on_status:
            self.on_status(message["status"])
        if message["type"] == "http.response.start" and self.date:
            message["headers"] = [*message["headers"], (b"date", self.date.encode())]
        await self.send(message)


_WORDS: dict[tuple[str, int], dict[str, str]] = {
    ("bluesky", 500): {"error": "InternalServerError", "message": "Internal Server Error"},
    ("bluesky", 429): {"error": "RateLimitExceeded", "message": "Rate Limit Exceeded"},
    ("mastodon", 500): {"error": "Internal Server Error"},
    ("mastodon", 429): {"error": "Too many requests"},
}


def _dialect(platform: str) -> str:
    """Whose API the server speaks."""
    return BLUESKY if platform == BLUESKY else MASTODON


def _waiting(fault: Fault) -> list[tuple[bytes, bytes]]:
    """Retry-After, and the network's own header: unix seconds on one, ISO 8601 on the other."""
    reset = datetime.now(UTC) + timedelta(seconds=fault.seconds)
    own = {
        "bluesky": (b"ratelimit-reset", str(int(reset.timestamp())).encode()),
        "mastodon": (b"x-ratelimit-reset", reset.isoformat().replace("+00:00", "Z").encode()),
    }
    return [(b"retry-after", str(math.ceil(fault.seconds)).encode()), own[_dialect(fault.platform)]]


def _purpose(scope: HTTPScope) -> str:
    fallback = "read" if scope["method"] == "GET" else "other"
    return PURPOSES.get((scope["method"], scope["path"]), fallback)


def text_of(platform: str, body: bytes) -> str:
    """The text that a publish request carries, as JSON or as a form; empty if there is none."""
    try:
        sent = json.loads(body)
        found = sent["record"]["text"] if platform == "bluesky" else sent["status"]
    except (ValueError, KeyError, TypeError):
        found = parse_qs(body.decode(errors="replace")).get("status", [""])[0]
    return str(found)


async def _body(receive: Receive) -> bytes | None:
    """The whole request body; ``None`` if the client gave up in the middle of it: half a request is none."""
    chunks = []
    while True:
        message: Any = await receive()
        if message["type"] == "http.disconnect":
            return None
        chunks.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(chunks)
