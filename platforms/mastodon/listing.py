"""Reading an account's statuses back past a moment, and knowing what the reading is worth."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import httpx

from platforms.base import Session
from platforms.mastodon.api import fetch, odd_reply
from platforms.mastodon.errors import refused
from platforms.mastodon.reply import instant, json_objects, remote_id, served_at
from platforms.mastodon.software import is_mastodon

PAGE = 40
"""Statuses per request, the most the API gives (Mastodon documentation, methods/accounts#statuses)."""
PAGES = 10
"""An account with more than 400 newer statuses is left to a person."""
SLACK = timedelta(seconds=5)
"""Between the clocks of our own workers, and for the whole seconds of a ``Date`` header."""
MAX_SKEW = timedelta(minutes=2)
"""The most by which a server's clock may differ from ours, either way, for its dates to prove anything."""
NO_SUCH_PAGE = (httpx.codes.FORBIDDEN, httpx.codes.NOT_FOUND, httpx.codes.METHOD_NOT_ALLOWED, httpx.codes.NOT_IMPLEMENTED)
LISTED = ("public", "unlisted")
"""What the whole world may see is in the account's list on every server; the rest is not everywhere."""
HOME = "/api/v1/timelines/home"


@dataclass(frozen=True, slots=True)
class Listing:
    """What was read, the newest first. ``complete``: back past the moment asked for.

    ``ahead``: the server's clock minus ours, ``None`` if it did not tell. ``shows``: whether a status of the visibility asked
    for would certainly be in it.
    """

    statuses: tuple[dict[str, Any], ...]
    complete: bool
    ahead: timedelta | None
    shows: bool

    @property
    def clock_known(self) -> bool:
        """Whether its dates can be compared with ours."""
        return self.ahead is not None and abs(self.ahead) <= MAX_SKEW

    @property
    def skew(self) -> timedelta:
        """How far before the moment of sending, by our clock, a status made after it may be dated."""
        return MAX_SKEW if self.ahead is None else min(max(-self.ahead, timedelta()) + SLACK, MAX_SKEW)


async def own_statuses(session: Session, sent_at: datetime, visibility: str, now: datetime) -> Listing:
    """The account's statuses since ``sent_at``, among them one of ``visibility`` if there is one. Raises ``PlatformError``.

    Mastodon shows authors all of their own (AccountStatusesFilter). Other software may hide those for followers from its
    list, so the home timeline is read as well, and either is believed to show them only if one is seen in it.
    """
    path = f"/api/v1/accounts/{session.remote_id}/statuses"
    listed = await _read_back(session, path, sent_at - MAX_SKEW, now, exclude_reblogs="true")
    known = visibility in LISTED or is_mastodon(session.limits)
    if known or _seen(listed.statuses, visibility):
        return listed
    home = await _read_back(session, HOME, sent_at - MAX_SKEW, now)
    own = tuple(status for status in home.statuses if _author(status) == session.remote_id)
    shown = home.complete and _seen(own, visibility)
    return Listing(listed.statuses + _others(own, listed.statuses), listed.complete, listed.ahead, shown)


async def _read_back(session: Session, path: str, earliest: datetime, now: datetime, **query: str) -> Listing:
    """Page by page, until one reaches back to ``earliest``. One without a new status means that pages are not turned."""
    found: dict[str, dict[str, Any]] = {}
    ahead: timedelta | None = None
    complete = False
    for _ in range(PAGES):
        cursor = {"max_id": next(reversed(found))} if found else {}
        response = await fetch(session, path, limit=str(PAGE), **query, **cursor)
        if path == HOME and response.status_code in NO_SUCH_PAGE:
            break
        page = _page(response)
        ahead = _ahead(response, now) if not found else ahead
        new = {key: status for status in page if (key := remote_id(status)) and key not in found}
        found |= new
        complete = not page or _reaches(new.values(), earliest)
        if complete or not new:
            break
    return Listing(tuple(found.values()), complete, ahead, shows=True)


def _page(response: httpx.Response) -> list[dict[str, Any]]:
    if not response.is_success:
        raise refused(response, "read")
    page = json_objects(response)
    if page is None:
        raise odd_reply(response)
    return page


def _ahead(response: httpx.Response, now: datetime) -> timedelta | None:
    served = served_at(response)
    return None if served is None else served - now


def _reaches(new: Iterable[dict[str, Any]], earliest: datetime) -> bool:
    """Whether the last one is older; not any one, for a pinned status may come first."""
    dates = [date for status in new if (date := instant(status.get("created_at")))]
    return bool(dates) and dates[-1] < earliest


def _seen(statuses: Iterable[dict[str, Any]], visibility: str) -> bool:
    return any(status.get("visibility") == visibility and not status.get("reblog") for status in statuses)


def _author(status: dict[str, Any]) -> str | None:
    account = status.get("account")
    return remote_id(account) if isinstance(account, dict) else None


def _others(statuses: Iterable[dict[str, Any]], known: Iterable[dict[str, Any]]) -> tuple[dict[str, Any], ...]:
    ids = {remote_id(status) for status in known}
    return tuple(status for status in statuses if remote_id(status) not in ids)
