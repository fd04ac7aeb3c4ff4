"""What Bluesky's refusals mean: one table from HTTP status, error name and message to a leaf of the error tree.

A server answers a refusal with ``{"error": "<Name>", "message": "<text>"}`` (AT Protocol specification, XRPC). The names and
texts in the table were seen from PDS 0.5.35; expired tokens come with status 400 there, not 401.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus

import httpx
from atproto_client.exceptions import RateLimitExceededError  # type: ignore[import-untyped]
from atproto_client.request import Response  # type: ignore[import-untyped]

from platforms.errors import (
    ContentRejected,
    MediaRejected,
    Misconfigured,
    PlatformError,
    QuotaExhausted,
    RateLimited,
    ScopeMissing,
    TokenExpired,
    TokenRevoked,
    Unavailable,
    UnexpectedReply,
)

PLATFORM = "bluesky"
ODD_REPLY = "odd_reply"
"""The code of an answer that is not XRPC: a proxy's page, or not a Bluesky server at all."""
_NAME = re.compile(r"[A-Za-z][\w.#-]{0,99}", re.ASCII)
"""An error's name is an ASCII constant without spaces (AT Protocol specification, XRPC); a proxy's JSON says a sentence."""
_LONG_WINDOW = 3600
"""Seconds. Limits over an hour or a day (write points) are quotas; shorter ones (requests per five minutes) are speed limits."""
_WINDOW = re.compile(r"w=(\d{1,9})(?!\d)", re.ASCII)
_LONGEST_WAIT = 86_400.0
"""Seconds; the longest window that Bluesky has. Whoever asks for more is asked again after it."""

_REFUSES = frozenset({400, 401, 403, 404, 406, 413, 415, 429})
"""The statuses with which an XRPC server refuses (``ResponseType`` in ``@atproto/xrpc``). All others, among them 408, 409, 425
and 499, come from something in between that gave up waiting, or from a server that failed, and prove nothing."""
_SAYS_WHEN = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
"""Every answer carries the rate-limit headers; only these say that waiting helps."""


@dataclass(frozen=True, slots=True)
class Row:
    """If status, error name and a part of the message match (empty matches all), the refusal means ``leaf``."""

    status: int
    code: str
    says: str
    leaf: type[PlatformError]
    message: str


_RECONNECT = "Bluesky no longer accepts this connection. Connect the account again."
_TOO_LONG = "The text is longer than Bluesky allows."
_TOO_MANY = "There are more pictures than Bluesky allows."
_TOO_LARGE = "A file is larger than Bluesky allows."
_NO_FILE = "A file is not one that Bluesky can show."
_INVALID = "Bluesky refused this as invalid."

TABLE = (
    Row(0, "ExpiredToken", "", TokenExpired, "The connection to Bluesky has expired."),
    Row(0, "InvalidToken", "", TokenRevoked, _RECONNECT),
    Row(400, "BadExpiration", "", Misconfigured, "The clock of this installation is wrong. The operator has to set it."),
    Row(0, "AccountTakedown", "", TokenRevoked, "Bluesky has taken this account down."),
    Row(0, "AccountDeactivated", "", TokenRevoked, "This account is deactivated. Activate it in Bluesky, then connect it."),
    Row(403, "ScopeMissingError", "", ScopeMissing, "Carillon may not post to this account. Connect it again."),
    Row(0, "BlobNotFound", "", Unavailable, "The server has dropped an uploaded file; it will be uploaded again."),
    Row(0, "InvalidMimeType", "", MediaRejected, _NO_FILE),
    Row(0, "InvalidSize", "", MediaRejected, "A file arrived damaged. Upload it again."),
    Row(0, "BlobTooLarge", "", MediaRejected, _TOO_LARGE),
    Row(400, "InvalidRequest", "blob too big", MediaRejected, _TOO_LARGE),
    Row(400, "InvalidRequest", 'Expected "image/', MediaRejected, _NO_FILE),
    Row(400, "InvalidRequest", "record.embed.images", MediaRejected, _TOO_MANY),
    Row(400, "InvalidRequest", "record.embed", MediaRejected, _NO_FILE),
    Row(400, "InvalidRequest", "record.text", ContentRejected, _TOO_LONG),
    Row(413, "", "", MediaRejected, "A file is larger than this server takes."),
    Row(415, "", "", MediaRejected, _NO_FILE),
    Row(429, "", "", RateLimited, "Bluesky asks to slow down."),
)
"""The first row that matches decides."""

_NAMED: dict[int, tuple[type[PlatformError], str]] = {
    HTTPStatus.UNAUTHORIZED: (TokenRevoked, _RECONNECT),
    HTTPStatus.FORBIDDEN: (TokenRevoked, "Bluesky does not let this account do that. Connect it again."),
}
"""Named refusals without a row, by status; any other status of theirs means that the content is invalid."""


_NOT_ACTIVE = {
    "deactivated": "This account is deactivated. Activate it in Bluesky first.",
    "deleted": "This account was deleted.",
    "suspended": "Bluesky has suspended this account.",
    "takendown": "Bluesky has taken this account down.",
}
"""Lexicon ``com.atproto.sync.getRepoStatus``; the others of its values are about servers."""


def not_active(status: str | None) -> str:
    """A sentence about an account with ``"active": false``; servers need not say why."""
    return _NOT_ACTIVE.get(status or "", "This account is not active. Look into it in Bluesky first.")


def refusal(answer: httpx.Response, *, mutation: bool) -> PlatformError:
    """The error that ``answer``, not a success, stands for. ``mutation``: whether it may have been carried out all the same."""
    code, text = _error(answer)
    status = answer.status_code
    if status not in _REFUSES:
        return unclear(answer, code or ODD_REPLY, mutation=mutation)
    if not code and mutation:
        # A proxy's. The record is a few kilobytes of JSON, so neither its size nor its type can be meant, and a limit may have
        # been counted after the server had it.
        return unclear(answer, mutation=mutation)
    if row := next((row for row in TABLE if _matches(row, status, code, text)), None):
        return _as_error(row.leaf, code or f"http_{status}", row.message, answer)
    if not code:
        return unclear(answer, mutation=mutation)
    leaf, message = _NAMED.get(status, (ContentRejected, _INVALID))
    return _as_error(leaf, code, message, answer)


def unclear(answer: httpx.Response, code: str = ODD_REPLY, *, mutation: bool) -> PlatformError:
    """The error for an answer that proves nothing: a 5xx, a redirect, a page instead of JSON."""
    if mutation:
        return _as_error(UnexpectedReply, code, "The server's answer does not say whether the post went out.", answer)
    return _as_error(Unavailable, code, "The server has a problem at the moment.", answer)


def _error(answer: httpx.Response) -> tuple[str, str]:
    """The error's name and text, empty if the body is not an XRPC error."""
    try:
        body = answer.json()
    except (ValueError, RecursionError):
        return "", ""
    name = body.get("error") if isinstance(body, dict) else None
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        return "", ""
    return name, str(body.get("message", ""))


def _matches(row: Row, status: int, code: str, text: str) -> bool:
    return row.status in (0, status) and row.code in ("", code) and row.says in text


def _as_error(leaf: type[PlatformError], code: str, message: str, answer: httpx.Response) -> PlatformError:
    limits = RateLimitExceededError(Response(False, answer.status_code, None, dict(answer.headers)))
    if leaf is RateLimited and _window(limits.policy) >= _LONG_WINDOW:
        leaf, message = QuotaExhausted, "This account has used up what Bluesky allows for now."
    retry_after = _wait(limits) if answer.status_code in _SAYS_WHEN else None
    return leaf(PLATFORM, code, message, retry_after=retry_after, status=answer.status_code)


def _window(policy: str | None) -> int:
    """The seconds of a policy such as ``5000;w=3600``; 0 if it has none."""
    found = _WINDOW.search(policy or "")
    return int(found[1]) if found else 0


def _wait(limits: RateLimitExceededError) -> timedelta | None:
    """``Retry-After`` if the server sent it, else the time until ``RateLimit-Reset``; between now and ``_LONGEST_WAIT``."""
    try:
        seconds = limits.retry_after
        if seconds is None and limits.reset_at:
            seconds = (limits.reset_at - datetime.now(UTC)).total_seconds()
    except (OverflowError, ValueError, OSError):
        return None  # a time beyond the calendar
    return None if seconds is None else timedelta(seconds=min(max(seconds, 0.0), _LONGEST_WAIT))
