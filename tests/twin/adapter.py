"""The foundry's adapter: a post is cast in a container, waited for, and published by one request that may not tell its id.

A container's status is proof: what is ``FINISHED`` was not published, what is ``PUBLISHED`` must not be sent again. Only the id
is not told there, so it is looked for in the account's list, and believed if exactly one post can be the one.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from platforms.base import (
    Absent,
    Answer,
    Capabilities,
    Checkpoint,
    Content,
    Idempotency,
    Media,
    MediaKind,
    MediaRule,
    MediaRules,
    Metrics,
    Midnight,
    Outcome,
    Problem,
    Processing,
    Profile,
    Published,
    Quota,
    Refused,
    Segment,
    SentAttempt,
    Session,
    TextRule,
    Tokens,
    Unnamed,
    Waiting,
    counted,
)
from platforms.errors import UnexpectedReply
from platforms.http import reading, sending
from platforms.preflight import files
from platforms.uploading import form
from tests.twin.connect import Password, bearer, read_limits, renew
from tests.twin.errors import NAME, ZONE, failed, json_object, refused

POLLS = 3
"""Looks at a container before the worker is given back."""
LOOK_AGAIN = timedelta(seconds=5)
LISTED_WITHIN = timedelta(minutes=2)
"""How long after sending a published post may be missing in the list."""
TOLERANCE = timedelta(seconds=30)
"""Between the foundry's clock and ours."""
OFTEN = timedelta(seconds=1)

_PICTURE = MediaRule(
    MediaKind.IMAGE, max_count=1, mimes=frozenset({"image/jpeg", "image/png"}), max_bytes=8_000_000, alt_limit=1000
)
_FILM = MediaRule(MediaKind.VIDEO, max_count=1, mimes=frozenset({"video/mp4"}), max_bytes=2_000_000_000, alt_limit=1000)


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Foundry:
    """See :class:`platforms.base.Adapter`. ``pause`` is the time between two looks at a container, in seconds.

    ``by_address``: the network fetches files itself, as Instagram and Threads do.
    """

    name = NAME
    label = "The foundry"
    colour = "#9a5b13"
    capabilities = Capabilities(
        text=TextRule(limit=500),
        media=MediaRules((_PICTURE, _FILM), max_count=1),
        quotas=(Quota(100, Midnight(ZONE)),),
        idempotency=Idempotency.LOOKUP,
        settles_in=timedelta(seconds=30),
        processing_limit=timedelta(minutes=10),
    )
    connector = Password()

    def __init__(
        self,
        *,
        pause: float = 1.0,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        now: Callable[[], datetime] = _utc_now,
        by_address: bool = False,
    ) -> None:
        rules = tuple(replace(rule, by_address=by_address) for rule in self.capabilities.media.rules)
        self.capabilities = replace(self.capabilities, media=replace(self.capabilities.media, rules=rules))
        self._by_address = by_address
        self._pause = pause
        self._sleep = sleep
        self._now = now

    # --- pure ---

    def capabilities_for(self, limits: Mapping[str, Any]) -> Capabilities:
        """What is the account's own is its daily quota."""
        daily = limits.get("daily")
        known = isinstance(daily, int) and daily > 0
        return replace(self.capabilities, quotas=(Quota(daily, Midnight(ZONE)),)) if known else self.capabilities

    def count(self, content: Content, capabilities: Capabilities) -> int:
        """Characters."""
        return len(content.text)

    def segments(self, text: str) -> tuple[Segment, ...]:
        """Plain text."""
        return (Segment("text", text),) if text else ()

    def validate(self, content: Content, capabilities: Capabilities) -> list[Problem]:
        """Too long, empty, and what files can be."""
        over = self.count(content, capabilities) - capabilities.text.limit
        found = [Problem("text", "too_long", f"Shorten the text by {over}.")] if over > 0 else []
        if not content.text.strip() and not content.media:
            found.append(Problem("text", "empty", "Write something, or attach a picture."))
        return [*found, *files(content.media, capabilities.media, "the foundry")]

    def remote_id(self, url: str, profile: Profile) -> str | None:
        """The last part of a post's address."""
        found = url.strip().removeprefix(f"{profile.server}/{profile.handle}/")
        return found if found != url.strip() and found.isdecimal() and found.isascii() else None

    # --- the network ---

    async def limits(self, session: Session) -> dict[str, Any]:
        """How many posts a day."""
        return await read_limits(session.http, session.server, session.tokens["access"])

    async def refresh(self, session: Session) -> Tokens:
        """A token renews itself while it is good; afterwards raises ``TokenRevoked``."""
        return await renew(session.http, session.server, session.tokens["access"])

    async def metrics(self, session: Session, remote_ids: Sequence[str]) -> dict[str, Metrics]:
        """Views, of what is among the newest hundred posts."""
        if not remote_ids:
            return {}
        posts = [post for post in await self._posts(session) if isinstance(post, dict) and post.get("id") in remote_ids]
        return {post["id"]: Metrics(views=counted(post.get("views"))) for post in posts}

    async def publish(self, session: Session, content: Content, *, key: str, checkpoint: Checkpoint) -> Outcome:
        """Cast, save, wait, fence, publish. What was published by an earlier attempt is found, and not sent again."""
        container = await self._container(session, content, checkpoint)
        status, reason = await self._when_ready(session, container)
        if status == "ERROR":
            raise failed(reason)
        if status == "PUBLISHING":
            return Processing(container, LOOK_AGAIN)
        if status == "PUBLISHED":
            return await self._earlier(session, content, container, since=checkpoint.first_sent_at or content.created_at)
        if status != "FINISHED":
            return Waiting(LOOK_AGAIN)
        request = self._request(session, container)
        await checkpoint.fence()
        with sending(NAME):
            response = await session.http.send(request)
        if not response.is_success:
            raise refused(response, sent=True, now=self._now())
        return _receipt(json_object(response)) or Processing(container, OFTEN)

    async def reconcile(self, session: Session, attempt: SentAttempt) -> Answer:
        """Ask for the container; without one nothing was sent."""
        container = attempt.saved.get("container")
        if not container:
            return Absent()
        status, reason = await self._status(session, container)
        match status:
            case "FINISHED" | "IN_PROGRESS" | "EXPIRED":
                return Absent()
            case "PUBLISHING":
                return Processing(container, LOOK_AGAIN)
            case "PUBLISHED":
                return await self._find(session, attempt.content, container, since=attempt.sent_at)
            case "ERROR":
                return Refused(failed(reason))
        raise UnexpectedReply(NAME, "container_gone", "The foundry no longer knows what it was sent. Please look for the post.")

    # --- containers ---

    async def _container(self, session: Session, content: Content, checkpoint: Checkpoint) -> str:
        """The saved one, if it is still good for something; else a new one, which nobody sees before it is published."""
        saved = checkpoint.saved.get("container")
        if saved:
            status, _ = await self._status(session, saved)
            if status not in {"EXPIRED", "GONE"}:
                return str(saved)
        made = await self._cast(session, content, checkpoint)
        await checkpoint.save(container=made)
        return made

    async def _cast(self, session: Session, content: Content, checkpoint: Checkpoint) -> str:
        url, headers = f"{session.server}/v1/containers", bearer(session.tokens["access"])
        if content.media:
            sent = await self._with_file(content, content.media[0], checkpoint)
        else:
            sent = {"json": {"text": content.text}}
        with reading(NAME):
            response = await session.http.post(url, **{**sent, "headers": headers | sent.get("headers", {})})
        made = json_object(response).get("id")
        if not response.is_success or not isinstance(made, str):
            raise refused(response, sent=False, now=self._now())
        return made

    async def _with_file(self, content: Content, media: Media, checkpoint: Checkpoint) -> dict[str, Any]:
        """Its bytes in a form, or where to fetch them."""
        if self._by_address:
            return {"json": {"text": content.text, "alt": media.alt, "media_url": await media.address()}}
        sent = form(media, {"text": content.text, "alt": media.alt}, checkpoint)
        return {"content": sent.content, "headers": sent.headers}

    async def _when_ready(self, session: Session, container: str) -> tuple[str, str]:
        """How far it is, after a few looks if need be. Together they take less time than any step may."""
        status, reason = await self._status(session, container)
        for _ in range(POLLS - 1):
            if status != "IN_PROGRESS":
                break
            await self._sleep(self._pause)
            status, reason = await self._status(session, container)
        return status, reason

    async def _status(self, session: Session, container: str) -> tuple[str, str]:
        """``GONE`` if the network does not know it."""
        response = await self._get(session, f"/v1/containers/{container}")
        error = None if response.is_success else refused(response, sent=False, now=self._now())
        if error is not None and error.code == "no_such_container":
            return "GONE", ""
        if error is not None:
            raise error
        found = json_object(response)
        return str(found.get("status", "")), str(found.get("error", ""))

    async def _find(self, session: Session, content: Content, container: str, *, since: datetime) -> Answer:
        """The one post that it can be, soon after sending perhaps not listed yet."""
        fitting = [post for post in await self._posts(session) if _may_be(post, content, since)]
        receipt = _receipt(fitting[0]) if len(fitting) == 1 else None
        if receipt:
            return receipt
        if not fitting and self._now() < since + LISTED_WITHIN:
            return Processing(container, LOOK_AGAIN)
        return Unnamed(f"The foundry says that the post is out, and {len(fitting)} posts in its list could be it.")

    async def _earlier(self, session: Session, content: Content, container: str, *, since: datetime) -> Published | Processing:
        """What an earlier attempt has published after all. Raises ``UnexpectedReply`` if its id is not to be found."""
        match await self._find(session, content, container, since=since):
            case Published() | Processing() as found:
                return found
        raise UnexpectedReply(NAME, "already_published", "An earlier attempt has arrived after all.")

    async def _posts(self, session: Session) -> list[Any]:
        """The account's newest posts."""
        response = await self._get(session, "/v1/posts?limit=100")
        posts = json_object(response).get("posts")
        if not response.is_success or not isinstance(posts, list):
            raise refused(response, sent=False, now=self._now())
        return posts

    async def _get(self, session: Session, path: str) -> httpx.Response:
        with reading(NAME):
            return await session.http.get(f"{session.server}{path}", headers=bearer(session.tokens["access"]))

    def _request(self, session: Session, container: str) -> httpx.Request:
        headers = bearer(session.tokens["access"])
        return session.http.build_request("POST", f"{session.server}/v1/publish", headers=headers, json={"container": container})


def _receipt(post: Mapping[str, Any]) -> Published | None:
    found, url = post.get("id"), post.get("url")
    return Published(found, url) if isinstance(found, str) and isinstance(url, str) and found and url else None


def _may_be(post: Any, content: Content, since: datetime) -> bool:
    """The same words and files, made after it was sent."""
    try:
        same = (post["text"], post["files"]) == (content.text, len(content.media))
        return bool(same and datetime.fromisoformat(post["made_at"]) >= since - TOLERANCE)
    except (KeyError, TypeError, ValueError):
        return False
