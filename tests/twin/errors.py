"""What the foundry's refusals mean for us."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx

from platforms.errors import (
    ContentRejected,
    MediaRejected,
    PlatformError,
    QuotaExhausted,
    RateLimited,
    Rejected,
    TokenRevoked,
    Unavailable,
    UnexpectedReply,
)

NAME = "foundry"
ZONE = "America/Los_Angeles"
"""Where the foundry's day begins."""
LONGEST_WAIT = 24 * 3600
"""Seconds; whoever tells us to wait for longer is asked again after a day."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """The leaf of the error tree, and what a person reads."""

    leaf: type[PlatformError]
    message: str


MEANINGS = {
    "already_published": Meaning(UnexpectedReply, "The foundry says that this post was published before."),
    "container_expired": Meaning(Unavailable, "The foundry did not keep the post long enough; it is cast again."),
    "container_failed": Meaning(ContentRejected, "The foundry refused the post while it was cast."),
    "daily_quota": Meaning(QuotaExhausted, "No more posts today; the foundry's day ends at midnight in Los Angeles."),
    "no_such_container": Meaning(Unavailable, "The foundry has lost what it was sent; it is cast again."),
    "not_ready": Meaning(Unavailable, "The foundry is still casting."),
    "nothing_to_cast": Meaning(ContentRejected, "Write something, or attach a picture."),
    "text_too_long": Meaning(ContentRejected, "The text is too long for the foundry."),
    "token_expired": Meaning(TokenRevoked, "The foundry no longer accepts our access. Connect the account again."),
    "token_invalid": Meaning(TokenRevoked, "The foundry no longer accepts our access. Connect the account again."),
    "too_many_calls": Meaning(RateLimited, "The foundry asks us to slow down."),
    "wrong_password": Meaning(Rejected, "Name and password do not match."),
}
"""By the reason that the network gives: its HTTP statuses say little."""

REASONS = {
    "AGAINST_RULES": Meaning(ContentRejected, "The foundry says that the post breaks its rules."),
    "UNKNOWN_FORMAT": Meaning(MediaRejected, "The foundry cannot read the file. Use JPEG or PNG."),
    "NOT_FETCHED": Meaning(MediaRejected, "The foundry could not fetch the file."),
    "WITHDRAWN": Meaning(ContentRejected, "The foundry took the post, and refused it afterwards."),
}
"""By the reason of a container that ended in ``ERROR``."""


def refused(response: httpx.Response, *, sent: bool, now: datetime) -> PlatformError:
    """What an answer that is no success means; ``sent``: to the visible request, so that what is unknown proves nothing."""
    reason = _reason(response)
    meaning = MEANINGS.get(reason)
    if meaning is None:
        leaf = UnexpectedReply if sent else Unavailable
        return leaf(NAME, "odd_reply", "The foundry gave an answer that says nothing.", status=response.status_code)
    retry_after = until_midnight(now) if meaning.leaf is QuotaExhausted else _retry_after(response)
    return meaning.leaf(NAME, reason, meaning.message, retry_after=retry_after, status=response.status_code)


def failed(reason: str) -> PlatformError:
    """Why a container ended in ``ERROR``."""
    meaning = REASONS.get(reason, Meaning(ContentRejected, "The foundry refused the post."))
    return meaning.leaf(NAME, reason.lower() or "refused", meaning.message)


def until_midnight(now: datetime) -> timedelta:
    """How long the foundry's day still lasts."""
    there = now.astimezone(ZoneInfo(ZONE))
    ends = (there + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    return timedelta(seconds=ends.timestamp() - now.timestamp())


def json_object(response: httpx.Response) -> dict[str, Any]:
    """The answer's JSON object; empty if it is none."""
    try:
        found = response.json()
    except ValueError:
        found = None
    return found if isinstance(found, dict) else {}


def _reason(response: httpx.Response) -> str:
    error = json_object(response).get("error")
    return str(error.get("reason", "")) if isinstance(error, Mapping) else ""


def _retry_after(response: httpx.Response) -> timedelta | None:
    told = response.headers.get("retry-after", "")
    return timedelta(seconds=min(int(told), LONGEST_WAIT)) if told.isdecimal() and len(told) < len("1000000") else None
