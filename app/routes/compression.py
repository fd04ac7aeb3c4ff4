"""Pages go over the wire compressed, for a fifth of their bytes.

gzip alone: brotli would save another tenth of some kilobytes, for one more compiled dependency.
"""

import gzip
import re

from litestar.datastructures import Headers, MutableScopeHeaders
from litestar.types import ASGIApp, HTTPResponseStartEvent, Message, Receive, Scope, Send

_LEVEL = 5
"""Of 9; a page of 60 kB takes a millisecond."""

_WORTH_IT = 600
"""Bytes; what is smaller fits into one packet anyway."""

_KINDS = ("text/", "application/json", "image/svg+xml")
"""Pictures are compressed already."""

_NO_GZIP = re.compile(r"\bgzip\s*;\s*q=0(\.0*)?\s*(,|$)")


def accepts_gzip(scope: Scope) -> bool:
    """Whether who asks can unpack it."""
    accepted = Headers.from_scope(scope).get("Accept-Encoding", "").lower()
    return "gzip" in accepted and not _NO_GZIP.search(accepted)


def compress(app: ASGIApp) -> ASGIApp:
    """A middleware that compresses every whole answer of text."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        await app(scope, receive, _Packing(send, pack=accepts_gzip(scope) and _is_ours(scope)))

    return wrapped


def _is_ours(scope: Scope) -> bool:
    """Whether no other site made the browser ask.

    The length of a compressed page tells who listens on the wire whether a guess that stands in it (an address of ours may be
    repeated there) is like the form's token (BREACH). The guesses would have to come from a page of the listener's.
    """
    return Headers.from_scope(scope).get("Sec-Fetch-Site", "none") in ("none", "same-origin")


class _Packing:
    """Holds the head of an answer until its body is known. What comes in pieces goes on as it is."""

    def __init__(self, send: Send, *, pack: bool) -> None:
        self._send = send
        self._pack = pack
        self._head: HTTPResponseStartEvent | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._head = message
            return
        if message["type"] == "http.response.body" and self._head is not None:
            head, self._head = self._head, None
            if _is_text(head) and not message.get("more_body"):
                message["body"] = self._packed(head, message["body"])
            await self._send(head)
        await self._send(message)

    def _packed(self, head: HTTPResponseStartEvent, body: bytes) -> bytes:
        headers = MutableScopeHeaders.from_message(head)
        headers.extend_header_value("Vary", "Accept-Encoding")
        if not self._pack or len(body) < _WORTH_IT:
            return body
        packed = gzip.compress(body, _LEVEL, mtime=0)
        headers["Content-Encoding"] = "gzip"
        headers["Content-Length"] = str(len(packed))
        return packed


def _is_text(head: HTTPResponseStartEvent) -> bool:
    """Text that is not packed, and not named by a tag, which would have to change with it."""
    headers = MutableScopeHeaders.from_message(head)
    return headers.get("Content-Type", "").startswith(_KINDS) and "ETag" not in headers and "Content-Encoding" not in headers
