"""Finding out, by reading only, whether a status that we may have sent exists.

The account's own statuses are read back past the moment of sending. A status is ours if it carries an upload of ours,
or if it was made after that moment, by this application, with as many files and the same words.

``Absent`` means that sending again is safe, an hour later too, when the server has forgotten the key. So it is the answer only
if the list is complete, would show the post, is dated by a clock near ours, and holds nothing that might be the post in other
words. In every other case a person compares.
"""

from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from platforms.base import Absent, Published, SentAttempt, Session
from platforms.errors import UnexpectedReply
from platforms.mastodon.api import fetch
from platforms.mastodon.connect import CLIENT_NAME
from platforms.mastodon.errors import NAME, refused
from platforms.mastodon.html import MOST, plain
from platforms.mastodon.listing import NO_SUCH_PAGE, Listing, own_statuses
from platforms.mastodon.media import SAVED
from platforms.mastodon.reply import instant, json_object, json_objects, receipt, remote_id, text_of
from platforms.mastodon.software import is_mastodon
from platforms.mastodon.words import Kept, Verdict, compare

OPENED = 100
"""Statuses whose words are read in one look; a token may make 300 requests in five minutes (documentation, api/rate-limits)."""
MAX_ADDRESS = 200
"""Characters of a status's address that are shown to people."""


async def find(session: Session, attempt: SentAttempt, *, now: datetime) -> Published | Absent:
    """The status of ``attempt``, or the certainty that there is none.

    Raises ``Unavailable`` if the server could not be asked, and ``UnexpectedReply`` if there is no certainty: ``maybe_ours``,
    ``too_many_statuses``, ``clock_unknown``, ``private_hidden``.
    """
    visibility = attempt.content.options.get("visibility") or "public"
    listing = await own_statuses(session, attempt.sent_at, visibility, now)
    candidates = _candidates(session, listing, attempt)
    doubtful: dict[str, Any] | None = None
    for status in candidates[:OPENED]:
        verdict, found = await _verdict(session, status, attempt), receipt(status)
        if verdict is Verdict.YES and found:
            return found
        if verdict is not Verdict.NO:
            doubtful = doubtful or status
    if doubtful:
        raise _maybe_ours(session, doubtful)
    _prove_absence(listing, read_all=len(candidates) <= OPENED)
    return Absent()


def _prove_absence(listing: Listing, *, read_all: bool) -> None:
    """Raises ``UnexpectedReply`` if a post could be there although none was found."""
    if not listing.complete or not read_all:
        raise UnexpectedReply(
            NAME, "too_many_statuses", "The account's posts of that time could not all be read. Please look for the post."
        )
    if not listing.clock_known:
        raise UnexpectedReply(
            NAME, "clock_unknown", "The server's clock is missing or wrong, so its dates prove nothing. Please look for the post."
        )
    if not listing.shows:
        raise UnexpectedReply(
            NAME, "private_hidden", "This server may hide posts for followers from lists. Please look for the post in a browser."
        )


def _maybe_ours(session: Session, status: dict[str, Any]) -> UnexpectedReply:
    found, made_at = receipt(status), instant(status.get("created_at"))
    when = f" of {made_at:%H:%M:%S} UTC" if made_at else ""
    where = f": {found.url}" if found and _may_be_shown(session, found.url) else ""
    message = f"A post{when} may be this one, in words that the server has changed or does not tell. Compare them{where}"
    return UnexpectedReply(NAME, "maybe_ours", message if where else f"{message}.")


def _may_be_shown(session: Session, url: str) -> bool:
    """An address of the account's own server, short, and without a query."""
    try:
        parts, own = urlsplit(url), urlsplit(session.server)
    except ValueError:
        return False
    same = (parts.scheme, parts.netloc) == (own.scheme, own.netloc)
    return same and url.isprintable() and " " not in url and not parts.query and len(url) <= MAX_ADDRESS


def _candidates(session: Session, listing: Listing, attempt: SentAttempt) -> list[dict[str, Any]]:
    """What may be ours by everything but its words: first what was made soonest after the moment of sending."""
    earliest = attempt.sent_at - listing.skew
    fitting = []
    for index, status in enumerate(listing.statuses):
        date = instant(status.get("created_at")) or attempt.sent_at
        if _carries_upload(status, attempt) or (date >= earliest and _fits(session, status, attempt)):
            fitting.append((date < attempt.sent_at, abs(date - attempt.sent_at), index))
    return [listing.statuses[index] for _, _, index in sorted(fitting)]


def _carries_upload(status: dict[str, Any], attempt: SentAttempt) -> bool:
    """An upload can be attached to one status only, so this alone is proof."""
    ours = set(attempt.saved.get(SAVED, {}).values())
    return any(remote_id(attached) in ours for attached in _attachments(status))


def _fits(session: Session, status: dict[str, Any], attempt: SentAttempt) -> Verdict:
    """By all but the words. Some servers drop a file, name all applications alike, or leave a date out: ``MAYBE``."""
    files, application = len(_attachments(status)), status.get("application")
    edited = bool(status.get("edited_at"))
    by_another = isinstance(application, dict) and application.get("name") not in (None, CLIENT_NAME)
    if status.get("reblog") or _answers_another(session, status, attempt) or (files > len(attempt.content.media) and not edited):
        return Verdict.NO
    if by_another and is_mastodon(session.limits):
        return Verdict.NO
    fewer = files < len(attempt.content.media) and not edited
    undated = instant(status.get("created_at")) is None
    return Verdict.MAYBE if fewer or by_another or undated else Verdict.YES


def _answers_another(session: Session, status: dict[str, Any], attempt: SentAttempt) -> bool:
    """Whether it goes on from another post than ours does, or from none; other software may keep its threads otherwise."""
    parent = attempt.content.reply_to
    return is_mastodon(session.limits) and status.get("in_reply_to_id") != (parent.remote_id if parent else None)


def _attachments(status: dict[str, Any]) -> list[dict[str, Any]]:
    found = status.get("media_attachments")
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


async def _verdict(session: Session, status: dict[str, Any], attempt: SentAttempt) -> Verdict:
    if _carries_upload(status, attempt):
        return Verdict.YES
    words = await (_first_version if status.get("edited_at") else _source)(session, status, attempt)
    return min(words, _fits(session, status, attempt))


def _sent(attempt: SentAttempt) -> str:
    return f"{attempt.content.options.get('warning', '')} {attempt.content.text}"


async def _source(session: Session, status: dict[str, Any], attempt: SentAttempt) -> Verdict:
    """By the words as they were typed; by the HTML on servers that do not keep them (Mastodon before 3.5)."""
    response = await fetch(session, f"/api/v1/statuses/{remote_id(status)}/source")
    source = json_object(response)
    if response.is_success and isinstance(source.get("text"), str):
        said = f"{text_of(source, 'spoiler_text')} {text_of(source, 'text')}"
        return compare(_sent(attempt), said, Kept.TYPED if is_mastodon(session.limits) else Kept.SOURCE)
    if response.is_success or response.status_code in NO_SUCH_PAGE:
        return _shown(status, attempt)
    raise refused(response, "read")


async def _first_version(session: Session, status: dict[str, Any], attempt: SentAttempt) -> Verdict:
    """By the words before somebody edited the status on the server."""
    response = await fetch(session, f"/api/v1/statuses/{remote_id(status)}/history")
    versions = json_objects(response)
    if response.is_success and versions:
        return _shown(versions[0], attempt)
    if response.is_success or response.status_code in NO_SUCH_PAGE:
        return Verdict.MAYBE
    raise refused(response, "read")


def _shown(version: dict[str, Any], attempt: SentAttempt) -> Verdict:
    content = text_of(version, "content")
    if len(content) > MOST:
        return Verdict.MAYBE
    return compare(_sent(attempt), f"{text_of(version, 'spoiler_text')} {plain(content)}", Kept.SHOWN)
