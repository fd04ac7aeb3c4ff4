"""The Bluesky adapter: a post is one record whose address is known before it is sent.

Its record key follows from the content (:mod:`platforms.bluesky.tid`), and ``putRecord`` with ``"swapRecord": null`` only
creates: the second one with the same key is refused with ``InvalidSwap`` and changes nothing. (``createRecord`` answers a
repetition with 500, which proves nothing.) So a repetition cannot double a post, and ``getRecord``, which needs no token and
knows a write at once, tells what became of it.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from platforms.base import (
    Absent,
    Capabilities,
    Checkpoint,
    Content,
    Idempotency,
    Metrics,
    PartKind,
    PartRule,
    Problem,
    Profile,
    Published,
    Quota,
    Scope,
    Segment,
    SentAttempt,
    Session,
    TextRule,
    Tokens,
    Waiting,
)
from platforms.bluesky import files, lexicon, richtext, validate
from platforms.bluesky.address import pasted_id
from platforms.bluesky.connect import AppPassword, blob_bytes, lasting, server_limits
from platforms.bluesky.embeds import Blobs
from platforms.bluesky.errors import PLATFORM
from platforms.bluesky.reconcile import earlier, look, receipt, reply_to
from platforms.bluesky.tid import record_key
from platforms.bluesky.uploads import upload
from platforms.bluesky.xrpc import Xrpc
from platforms.errors import ContentRejected, PlatformError, Rejected, Transient
from platforms.text import graphemes

_ALREADY_THERE = "InvalidSwap"
_BLOB_GONE = "BlobNotFound"
_POSTS = 25
"""In one request (lexicon app.bsky.feed.getPosts)."""


# Lexicon app.bsky.feed.post.
_TEXT = TextRule(limit=300, max_bytes=3000)
_QUOTAS = (
    Quota(5_000, timedelta(hours=1), cost=3),
    Quota(35_000, timedelta(days=1), cost=3),
    Quota(3_000, timedelta(minutes=5), Scope.SERVER, cost=6),
)
"""Write points of an account; requests from one address, of which a post with pictures takes about six (documentation)."""
_PREPARED_WITHIN = timedelta(hours=1)
"""For a film of ten minutes it takes some minutes."""
_THREAD = 50
"""Parts of a thread besides the first. There is no rule; it keeps one post from using up the account's hour."""


def _capabilities(blob_bytes: int) -> Capabilities:
    """What a server allows that takes uploads of ``blob_bytes``."""
    media = files.rules(blob_bytes)
    return Capabilities(
        text=_TEXT,
        media=media,
        languages=True,
        quotas=_QUOTAS,
        parts=(PartRule(PartKind.REPLY, _THREAD, _TEXT, media), PartRule(PartKind.COMMENT, 1, _TEXT, media)),
        idempotency=Idempotency.NATIVE,
        # A server queues nothing: it carries a request out within a second of reading it, and a read shows it at once. The rest
        # is for a proxy in front of a busy one that still delivers what we gave up on; to repeat is safe all the same.
        settles_in=timedelta(seconds=30),
        processing_limit=_PREPARED_WITHIN,
    )


class Bluesky:
    """Any AT Protocol server that holds Bluesky posts; see :class:`platforms.base.Adapter` for the contract."""

    name = PLATFORM
    label = "Bluesky"
    colour = "#1185fe"
    capabilities = _capabilities(files.FILMS.max_bytes)
    connector = AppPassword()

    def capabilities_for(self, limits: Mapping[str, Any]) -> Capabilities:
        """Smaller files on a server that takes less than the lexicon allows; one that does not say is believed to take all."""
        return _capabilities(blob_bytes(limits.get("blob_bytes")) or files.FILMS.max_bytes)

    def count(self, content: Content, capabilities: Capabilities) -> int:  # noqa: ARG002
        """Grapheme clusters; links count as they are written."""
        return graphemes(content.text)

    def segments(self, text: str) -> tuple[Segment, ...]:
        """Cut by the same detection that :meth:`publish` uses."""
        return richtext.segments(text)

    def validate(self, content: Content, capabilities: Capabilities) -> list[Problem]:
        """See :mod:`platforms.bluesky.validate`."""
        return validate.problems(content, capabilities)

    async def limits(self, session: Session) -> dict[str, Any]:
        """Ask ``describeServer``; see :func:`platforms.bluesky.connect.server_limits`."""
        return await server_limits(_server(session))

    async def publish(self, session: Session, content: Content, *, key: str, checkpoint: Checkpoint) -> Published | Waiting:
        """Upload, resolve mentions, fence, write the record. Everything that can fail early fails before the fence.

        A film is worked on by Bluesky's video service meanwhile, which is waited for without anybody at work here.
        """
        server = _server(session)
        blobs = await upload(session, server, content.media, checkpoint)
        if isinstance(blobs, Waiting):
            return blobs
        found = richtext.spans(content.text)
        facets = richtext.facets(found, await _resolve(server, found))
        rkey = record_key(content.created_at, key)
        body = _put_body(session, rkey, _record(content, blobs, facets, await reply_to(session, content)))
        await checkpoint.fence()
        try:
            address = await server.mutate(lexicon.ids.ComAtprotoRepoPutRecord, lexicon.written, body)
        except PlatformError as error:
            if error.code == _ALREADY_THERE:
                return await earlier(session, content, rkey)
            if error.code == _BLOB_GONE and isinstance(error, Transient):
                await checkpoint.save(blobs={}, jobs={})
            raise
        return receipt(session, address, rkey)

    async def reconcile(self, session: Session, attempt: SentAttempt) -> Published | Absent:
        """Look at the one address where the record can be; see :mod:`platforms.bluesky.reconcile`.

        After ``Absent`` it is safe to send again, even if the first request arrives later: the second one to be carried out is
        refused, and changes nothing.
        """
        return await look(session, attempt.content, record_key(attempt.content.created_at, attempt.key))

    def remote_id(self, url: str, profile: Profile) -> str | None:
        """See :mod:`platforms.bluesky.address`."""
        return pasted_id(url, profile)

    async def metrics(self, session: Session, remote_ids: Sequence[str]) -> dict[str, Metrics]:
        """Asked of the AppView through the account's server; what was just posted it may not know for some seconds."""
        found: dict[str, Metrics] = {}
        for first in range(0, len(remote_ids), _POSTS):
            uris = list(remote_ids[first : first + _POSTS])
            found |= await _server(session).query(lexicon.ids.AppBskyFeedGetPosts, lexicon.metrics, uris=uris)
        return {uri: one for uri, one in found.items() if uri in remote_ids}

    async def refresh(self, session: Session) -> Tokens:
        """Rotate both tokens. The old refresh token still works for two hours, so a lost answer costs nothing (PDS source)."""
        server = _server(session, "refresh")
        return lasting(await server.procedure(lexicon.ids.ComAtprotoServerRefreshSession, lexicon.refreshed))


def _server(session: Session, token: str = "access") -> Xrpc:  # noqa: S107
    return Xrpc(session.http, session.server, session.tokens.get(token))


async def _resolve(server: Xrpc, found: Iterable[richtext.Span]) -> dict[str, str]:
    """The DIDs of the mentioned handles. Who does not exist is left out; not being able to ask is an error."""
    dids = {}
    for handle in {span.value for span in found if span.kind == "mention"}:
        try:
            nsid = lexicon.ids.ComAtprotoIdentityResolveHandle
            dids[handle] = await server.query(nsid, lexicon.resolved, handle=handle)
        except Rejected:
            continue
    return dids


def _record(content: Content, blobs: Blobs, facets: list[Any], reply: lexicon.Reply | None) -> dict[str, Any]:
    try:
        return lexicon.post(content, blobs, facets, reply)
    except ValueError:
        raise ContentRejected(
            PLATFORM, "invalid_record", "Bluesky would refuse this post: it is too long or has too many files."
        ) from None


def _put_body(session: Session, rkey: str, record: Mapping[str, Any]) -> bytes:
    request = {"repo": session.remote_id, "collection": lexicon.POST, "rkey": rkey, "record": record, "swapRecord": None}
    return json.dumps(request, ensure_ascii=False).encode()
