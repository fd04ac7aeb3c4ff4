"""What Bluesky's refusals mean: one table from HTTP status, error name and message to a leaf of the error tree.

A server answers a refusal with ``{"error": "<Name>", "message": "<text>"}`` (AT Protocol specification, XRPC). The names and
texts in the table were seen from PDS 0.5.35; expired tokens come with status 400 there, not 401.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus

import httpx
from atproto_client.exceptions import RateLimitExceededError  # type: ignore[import-untyped]
from atproto_client.request import Response  # type: ignore[import-untyped]

from platforms.errors import (
    ContentRejected,
    MediaRejected,
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
_LONG_WINDOW = 3600
"""Seconds. Limits over an hour or a day (write points) are quotas; shorter ones (requests per five minutes) are speed limits."""

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
_TOO_LARGE = "A picture is larger than Bluesky allows."
_NO_PICTURE = "A file is not a picture that Bluesky can show."
_INVALID = "Bluesky refused this as invalid."

TABLE = (
    Row(0, "ExpiredToken", "", TokenExpired, "The connection to Bluesky has expired."),
    Row(0, "InvalidToken", "", TokenRevoked, _RECONNECT),
    Row(0, "AccountTakedown", "", TokenRevoked, "Bluesky has suspended this account."),
    Row(0, "AccountDeactivated", "", TokenRevoked, "This account is deactivated. Activate it in Bluesky, then connect it."),
    Row(403, "ScopeMissingError", "", ScopeMissing, "Carillon may not post to this account. Connect it again."),
    Row(0, "BlobNotFound", "", Unavailable, "The server has dropped an uploaded picture; it will be uploaded again."),
    Row(0, "InvalidMimeType", "", MediaRejected, _NO_PICTURE),
    Row(0, "InvalidSize", "", MediaRejected, "A picture arrived damaged. Upload it again."),
    Row(0, "BlobTooLarge", "", MediaRejected, _TOO_LARGE),
    Row(400, "InvalidRequest", "blob too big", MediaRejected, _TOO_LARGE),
    Row(400, "InvalidRequest", 'Expected "image/', MediaRejected, _NO_PICTURE),
    Row(400, "InvalidRequest", "record.embed.images", MediaRejected, _TOO_MANY),
    Row(400, "InvalidRequest", "record.text", ContentRejected, _TOO_LONG),
    Row(413, "", "", MediaRejected, "A file is larger than this server takes."),
    Row(415, "", "", MediaRejected, _NO_PICTURE),
    Row(429, "", "", RateLimited, "Bluesky asks to slow down."),
)
"""The first row that matches decides."""

_NAMED: dict[int, tuple[type[PlatformError], str]] = {
    HTTPStatus.UNAUTHORIZED: (TokenRevoked, _RECONNECT),
    HTTPStatus.FORBIDDEN: (TokenRevoked, "Bluesky does not let this account do that. Connect it again."),
}
"""Named refusals without a row, by status; any other status of theirs means that the content is invalid."""


def refusal(answer: httpx.Response, *, mutation: bool) -> PlatformError:
    """The error that ``answer``, not a success, stands for. ``mutation``: whether it may have been carried out all the same."""
    code, text = _error(answer)
    if not answer.is_client_error:
        return unclear(answer, code or ODD_REPLY, mutation=mutation)
    if row := next((row for row in TABLE if _matches(row, answer.status_code, code, text)), None):
        return _as_error(row.leaf, code or f"http_{answer.status_code}", row.message, answer)
    if not code:
        return unclear(answer, mutation=mutation)
    leaf, message = _NAMED.get(answer.status_code, (ContentRejected, _INVALID))
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
    except ValueError:
        return "", ""
    if not isinstance(body, dict) or not isinstance(body.get("error"), str):
        return "", ""
    return body["error"], str(body.get("message", ""))


def _matches(row: Row, status: int, code: str, text: str) -> bool:
    return row.status in (0, status) and row.code in ("", code) and row.says in text


def _as_error(leaf: type[PlatformError], code: str, message: str, answer: httpx.Response) -> PlatformError:
    limits = RateLimitExceededError(Response(False, answer.status_code, None, dict(answer.headers)))
    if leaf is RateLimited and _window(limits.policy) >= _LONG_WINDOW:
        leaf, message = QuotaExhausted, "This account has used up what Bluesky allows for now."
    retry_after = _wait(limits) if answer.status_code in _SAYS_WHEN else None
    return leaf(PLATFORM, code, message, retry_after=retry_after, status=answer.status_code)


def _window(policy: str | None) -> int:
    """The seconds of a policy such as ``5000;w=3600``."""
    _, _, seconds = (policy or "").partition("w=")
    return int(seconds) if seconds.isdecimal() else 0


def _wait(limits: RateLimitExceededError) -> timedelta | None:
    """``Retry-After`` if the server sent it, else the time until ``RateLimit-Reset``."""
    try:
        if limits.retry_after is not None:
            return timedelta(seconds=limits.retry_after)
        until_reset: timedelta | None = limits.reset_at and limits.reset_at - datetime.now(UTC)
    except (OverflowError, ValueError, OSError):
        return None  # a time beyond the calendar
    return until_reset and max(until_reset, timedelta(0))
