"""Bluesky's records and answers, through the models that the ``atproto`` package generates from the lexicons.

The package serves for what it is good at: models that refuse what the lexicons refuse and write ``$type`` and camelCase names,
the method names and the reading of DID documents (here), the reading of rate-limit headers (:mod:`platforms.bluesky.errors`),
and Bluesky's own detection of links, mentions and tags (:mod:`platforms.bluesky.richtext`). It does not send: its client opens
a connection pool of its own that follows redirects, and it drops ``"swapRecord": null``; every request of ours passes the
guarded client (:mod:`platforms.bluesky.xrpc`).

The import costs about 0.4 s and 33 MB. It happens when the process starts and not on first use, because that would be a
person's first keystroke in the composer, or the first post that is due.

The readers below take decoded JSON and raise ``ValueError`` (pydantic's is one) for anything the lexicon does not allow.
"""

import json
from base64 import urlsafe_b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from atproto_client import models  # type: ignore[import-untyped]
from atproto_core.did_doc import DidDocument  # type: ignore[import-untyped]

from platforms.base import Content, Metrics, counted
from platforms.bluesky import embeds

ids = models.ids
POST: str = ids.AppBskyFeedPost


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Who signed in. ``pds`` is the server that really holds the account, if its DID document names one."""

    did: str
    handle: str
    pds: str | None
    activity: "Activity"
    tokens: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Activity:
    """Whether an account can be written to; if not, ``reason`` may name why (``deactivated``)."""

    did: str
    active: bool
    reason: str | None


def signed_in(answer: Any) -> SignedIn:
    """Read the answer of ``createSession``."""
    session = models.ComAtprotoServerCreateSession.Response.model_validate(answer)
    pds = DidDocument.from_dict(session.did_doc).get_pds_endpoint() if session.did_doc else None
    activity = Activity(session.did, session.active is not False, session.status)  # older servers do not say it
    return SignedIn(session.did, session.handle, pds, activity, _tokens(session))


def refreshed(answer: Any) -> dict[str, str]:
    """Read the answer of ``refreshSession``: the new ``access`` and ``refresh`` tokens."""
    return _tokens(models.ComAtprotoServerRefreshSession.Response.model_validate(answer))


def _tokens(session: Any) -> dict[str, str]:
    return {"access": session.access_jwt, "refresh": session.refresh_jwt}


def ends_at(token: str) -> datetime | None:
    """When a token of either kind ends, by its own words: it is a JWT, of which nothing else is believed. ``None``: unsaid."""
    try:
        payload = token.split(".")[1]
        claims = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return datetime.fromtimestamp(int(claims["exp"]), UTC)
    except (IndexError, KeyError, TypeError, ValueError, OverflowError, OSError, RecursionError):
        return None


def service_token(answer: Any) -> str:
    """Read the answer of ``getServiceAuth``."""
    token: str = models.ComAtprotoServerGetServiceAuth.Response.model_validate(answer).token
    return token


def resolved(answer: Any) -> str:
    """Read the answer of ``resolveHandle``: a DID."""
    did: str = models.ComAtprotoIdentityResolveHandle.Response.model_validate(answer).did
    return did


@dataclass(frozen=True, slots=True)
class Address:
    """Where a record is, and which of its versions: what an answer to it has to name."""

    uri: str
    cid: str


def written(answer: Any) -> Address:
    """Read the answer of ``putRecord``."""
    found = models.ComAtprotoRepoPutRecord.Response.model_validate(answer)
    return Address(found.uri, found.cid)


def stored(answer: Any) -> tuple[Address, Any]:
    """Read the answer of ``getRecord``: the record's address and the record. Raises ``ValueError`` if it names no version."""
    found = models.ComAtprotoRepoGetRecord.Response.model_validate(answer)
    if not found.cid:
        raise ValueError("a record without its cid")
    return Address(found.uri, found.cid), found.value


def repo_status(answer: Any) -> Activity:
    """Read the answer of ``getRepoStatus``."""
    found = models.ComAtprotoSyncGetRepoStatus.Response.model_validate(answer)
    return Activity(found.did, found.active, found.status)


def uploaded(answer: Any) -> dict[str, Any]:
    """Read the answer of ``uploadBlob`` as it is to be saved."""
    return embeds.reference(models.ComAtprotoRepoUploadBlob.Response.model_validate(answer).blob)


def metrics(answer: Any) -> dict[str, Metrics]:
    """Read the answer of ``getPosts``, leniently: other things in a post than its counts may be new. Nobody counts views."""
    listed = json_object(answer).get("posts")
    if not isinstance(listed, list):
        raise ValueError("no list of posts")
    posts = [post for post in listed if isinstance(post, dict)]
    names = {"likes": "likeCount", "reposts": "repostCount", "replies": "replyCount", "quotes": "quoteCount"}
    return {str(post.get("uri")): Metrics(**{ours: counted(post.get(name)) for ours, name in names.items()}) for post in posts}


def json_object(answer: Any) -> dict[str, Any]:
    """Read an answer of which we need less than its lexicon demands."""
    if not isinstance(answer, dict):
        raise ValueError("not a JSON object")
    return answer


def post(content: Content, blobs: embeds.Blobs, facets: Sequence[Any], reply: "Reply | None" = None) -> dict[str, Any]:
    """The record of ``content`` as JSON; ``blobs`` are the uploads of ``content.media``."""
    record = models.AppBskyFeedPost.Record(
        text=content.text,
        created_at=timestamp(content.created_at),
        facets=list(facets) or None,
        langs=[content.language] if content.language else None,
        embed=embeds.embed(content.media, blobs),
        reply=_reply_ref(reply) if reply else None,
    )
    dumped: dict[str, Any] = record.model_dump(mode="json", by_alias=True, exclude_none=True)
    return dumped


@dataclass(frozen=True, slots=True)
class Reply:
    """What a record answers, and the first record of that thread."""

    parent: Address
    root: Address


def _reply_ref(reply: Reply) -> Any:
    parent, root = (models.ComAtprotoRepoStrongRef.Main(uri=each.uri, cid=each.cid) for each in (reply.parent, reply.root))
    return models.AppBskyFeedPost.ReplyRef(parent=parent, root=root)


def timestamp(at: datetime) -> str:
    """``at`` as the lexicon's datetime, to the millisecond, in UTC."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def same_post(record: Any, content: Content) -> bool:
    """Whether a stored record is ``content``. Mentions may have been resolved differently, so facets are not compared."""
    return (
        isinstance(record, models.AppBskyFeedPost.Record)
        and record.text == content.text
        and record.created_at == timestamp(content.created_at)
        and (record.reply.parent.uri if record.reply else None) == (content.reply_to and content.reply_to.remote_id)
    )
