"""Mastodon, and every server that speaks its client API."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import httpx

from platforms.base import (
    Absent,
    Capabilities,
    Checkpoint,
    Connector,
    Content,
    Metrics,
    Problem,
    Profile,
    Published,
    Segment,
    SentAttempt,
    Session,
    Tokens,
    Waiting,
)
from platforms.errors import TokenRevoked, UnexpectedReply
from platforms.http import sending
from platforms.mastodon.address import post_id
from platforms.mastodon.api import ENGLISH, bearer
from platforms.mastodon.connect import MastodonConnector
from platforms.mastodon.counts import read_metrics
from platforms.mastodon.errors import NAME, RECONNECT, refused
from platforms.mastodon.limits import capabilities_for, read_limits
from platforms.mastodon.media import upload_all
from platforms.mastodon.reconcile import find
from platforms.mastodon.reply import json_object, receipt
from platforms.mastodon.text import segments
from platforms.mastodon.validation import count, problems


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Mastodon:
    """The adapter. It keeps no state; the clock can be replaced, for tests."""

    name = NAME
    label = "Mastodon"
    colour = "#6364ff"
    capabilities = capabilities_for({})

    def __init__(self, *, now: Callable[[], datetime] = _utc_now) -> None:
        self.connector: Connector = MastodonConnector()
        self._now = now

    def capabilities_for(self, limits: Mapping[str, Any]) -> Capabilities:
        """The server's own limits, upstream's defaults where it names none."""
        return capabilities_for(limits)

    def count(self, content: Content, capabilities: Capabilities) -> int:
        """Warning and text in grapheme clusters, links and remote mentions shortened as the server does."""
        return count(content, capabilities)

    def segments(self, text: str) -> tuple[Segment, ...]:
        """Links, mentions and tags as the server will find them."""
        return tuple(segments(text))

    def validate(self, content: Content, capabilities: Capabilities) -> list[Problem]:
        """The blocking problems first, otherwise in the order of the form."""
        return sorted(problems(content, capabilities), key=lambda problem: not problem.blocks)

    async def limits(self, session: Session) -> dict[str, Any]:
        """The server's limits, its version and its domain. Raises ``PlatformError``."""
        return await read_limits(session)

    async def publish(self, session: Session, content: Content, *, key: str, checkpoint: Checkpoint) -> Published | Waiting:
        """Upload, wait until it is processed, fence, post.

        The request is built before the fence, so that nothing of ours can fail after it.

        The server remembers ``key`` for an hour and answers a repetition with the first status; some 4.6 releases
        answer it with a 500 instead, which is one more reason why every 5xx is ``Unconfirmed``.
        """
        media_ids = await upload_all(session, content.media, checkpoint)
        if isinstance(media_ids, Waiting):
            return media_ids
        request = _status_request(session, content, media_ids, key)
        await checkpoint.fence()
        with sending(NAME):
            response = await session.http.send(request)
        if not response.is_success:
            raise refused(response, "post")
        published = receipt(json_object(response))
        if published is None:
            raise UnexpectedReply(
                NAME, "no_status", "The server took the post and did not say where it is.", status=response.status_code
            )
        return published

    async def reconcile(self, session: Session, attempt: SentAttempt) -> Published | Absent:
        """Read the account's own statuses back past ``attempt.sent_at``. Raises ``PlatformError``."""
        return await find(session, attempt, now=self._now())

    def remote_id(self, url: str, profile: Profile) -> str | None:
        """See :func:`platforms.mastodon.address.post_id`."""
        return post_id(url, profile)

    async def metrics(self, session: Session, remote_ids: Sequence[str]) -> dict[str, Metrics]:
        """See :func:`platforms.mastodon.counts.read_metrics`."""
        return await read_metrics(session, remote_ids)

    async def refresh(self, session: Session) -> Tokens:  # noqa: ARG002 - the contract's signature
        """Always raises ``TokenRevoked``: tokens here do not expire, so a refused one was withdrawn."""
        raise TokenRevoked(NAME, "token_invalid", RECONNECT)


def _status_request(session: Session, content: Content, media_ids: Sequence[str], key: str) -> httpx.Request:
    """``sensitive`` is left to the server: a warning sets it, otherwise the account's own default holds."""
    warning, language = content.options.get("warning", ""), content.language
    body: dict[str, Any] = {
        "status": content.text,
        "visibility": content.options.get("visibility") or "public",
        "media_ids": list(media_ids),
    }
    body |= {"spoiler_text": warning} if warning else {}
    body |= {"language": language} if language else {}
    body |= {"in_reply_to_id": content.reply_to.remote_id} if content.reply_to else {}
    headers = bearer(session.tokens["access"]) | {"Idempotency-Key": key}
    return session.http.build_request("POST", f"{session.server}/api/v1/statuses", params=ENGLISH, headers=headers, json=body)
