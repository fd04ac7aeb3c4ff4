"""Finding out, by reading only, whether a status that we may have sent exists.

The account's own statuses are read back past the moment of sending. A status is ours if it carries an upload of ours,
or if it was made after that moment, by this application, with as many files and the same words.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import httpx

from platforms.base import Absent, Content, Published, SentAttempt, Session
from platforms.errors import UnexpectedReply
from platforms.mastodon.api import fetch, odd_reply, read
from platforms.mastodon.connect import CLIENT_NAME
from platforms.mastodon.errors import NAME, refused
from platforms.mastodon.html import plain
from platforms.mastodon.media import SAVED
from platforms.mastodon.reply import instant, json_object, json_objects, receipt, remote_id, served_at, text_of
from platforms.mastodon.text import without_hosts

PAGE = 40
"""Statuses per request, the most the API gives (Mastodon documentation, methods/accounts#statuses)."""
PAGES = 10
"""An account with more than 400 newer statuses is left to a person."""
SLACK = timedelta(seconds=5)
"""Between the clocks of our own workers, and for the whole seconds of a ``Date`` header."""
MAX_SKEW = timedelta(minutes=2)
"""The most by which a server's clock is believed to be behind ours."""
NO_SUCH_PAGE = (httpx.codes.FORBIDDEN, httpx.codes.NOT_FOUND, httpx.codes.METHOD_NOT_ALLOWED, httpx.codes.NOT_IMPLEMENTED)


@dataclass(frozen=True, slots=True)
class Listing:
    """What was read of the account's statuses. ``complete``: back past the moment of sending.

    ``skew`` is how far before the moment of sending, by our clock, a status made after it may be dated.
    """

    statuses: tuple[dict[str, Any], ...]
    complete: bool
    skew: timedelta


async def find(session: Session, attempt: SentAttempt, *, now: datetime) -> Published | Absent:
    """The status of ``attempt``, or the certainty that there is none.

    Raises ``Unavailable`` if the server could not be asked or may not have finished yet, ``UnexpectedReply`` if the
    account has posted so much since that the statuses of that time could not be reached.
    """
    listing = await _own_statuses(session, attempt.sent_at, now)
    for status in _candidates(listing, attempt):
        found = receipt(status)
        if found and (_carries_upload(status, attempt) or await _says(session, status, attempt.content)):
            return found
    if not listing.complete:
        raise UnexpectedReply(NAME, "too_many_statuses", "The account posted too much since. Please look for the post.")
    return Absent()


async def _own_statuses(session: Session, sent_at: datetime, now: datetime) -> Listing:
    statuses: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    skew, complete = MAX_SKEW, False
    for _ in range(PAGES):
        response = await read(session, f"/api/v1/accounts/{session.remote_id}/statuses", **_QUERY, **cursor)
        page = json_objects(response)
        if page is None:
            raise odd_reply(response)
        skew = _skew(response, now) if not cursor else skew
        statuses += page
        if complete := not page or _reaches(page, sent_at - MAX_SKEW):
            break
        cursor = {"max_id": str(page[-1].get("id"))}
    return Listing(tuple(statuses), complete, skew)


_QUERY = {"limit": str(PAGE), "exclude_reblogs": "true"}


def _skew(response: httpx.Response, now: datetime) -> timedelta:
    served = served_at(response)
    if served is None:
        return MAX_SKEW
    return min(max(now - served, timedelta()) + SLACK, MAX_SKEW)


def _reaches(page: Iterable[dict[str, Any]], earliest: datetime) -> bool:
    dates = [date for status in page if (date := instant(status.get("created_at")))]
    return bool(dates) and min(dates) < earliest


def _candidates(listing: Listing, attempt: SentAttempt) -> list[dict[str, Any]]:
    """What may be ours by everything but its words: first what was made soonest after the moment of sending."""
    dated = [(date, status) for status in listing.statuses if (date := instant(status.get("created_at")))]
    earliest = attempt.sent_at - listing.skew
    fitting = [
        (date < attempt.sent_at, abs(date - attempt.sent_at), index)
        for index, (date, status) in enumerate(dated)
        if _carries_upload(status, attempt) or (date >= earliest and _could_be_ours(status, attempt.content))
    ]
    return [dated[index][1] for _, _, index in sorted(fitting)]


def _carries_upload(status: dict[str, Any], attempt: SentAttempt) -> bool:
    """An upload can be attached to one status only, so this alone is proof."""
    ours = set(attempt.saved.get(SAVED, {}).values())
    return any(remote_id(attached) in ours for attached in _attachments(status))


def _could_be_ours(status: dict[str, Any], content: Content) -> bool:
    application = status.get("application")
    by_another = isinstance(application, dict) and application.get("name") not in (None, CLIENT_NAME)
    same_files = bool(status.get("edited_at")) or len(_attachments(status)) == len(content.media)
    return same_files and not by_another and not status.get("reblog")


def _attachments(status: dict[str, Any]) -> list[dict[str, Any]]:
    found = status.get("media_attachments")
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


async def _says(session: Session, status: dict[str, Any], content: Content) -> bool:
    said = await (_first_version if status.get("edited_at") else _source)(session, status)
    return _words(*said) == _words(content.options.get("warning", ""), content.text)


def _words(warning: str, text: str) -> str:
    """Both as one, for a server turns a warning without a text into the text. White space is the server's to trim."""
    return " ".join(without_hosts(f"{warning} {text}").split())


async def _source(session: Session, status: dict[str, Any]) -> tuple[str, str]:
    """Warning and text as they were typed; from the HTML on servers that do not keep them (Mastodon before 3.5)."""
    response = await fetch(session, f"/api/v1/statuses/{remote_id(status)}/source")
    source = json_object(response)
    if response.is_success and isinstance(source.get("text"), str):
        return text_of(source, "spoiler_text"), text_of(source, "text")
    if response.is_success or response.status_code in NO_SUCH_PAGE:
        return text_of(status, "spoiler_text"), plain(text_of(status, "content"))
    raise refused(response, "read")


async def _first_version(session: Session, status: dict[str, Any]) -> tuple[str, str]:
    """Warning and text before somebody edited the status on the server."""
    response = await read(session, f"/api/v1/statuses/{remote_id(status)}/history")
    versions = json_objects(response)
    if not versions:
        raise odd_reply(response)
    return text_of(versions[0], "spoiler_text"), plain(text_of(versions[0], "content"))
