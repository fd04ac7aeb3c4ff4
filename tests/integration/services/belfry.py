"""Belfry, a network with a memory and moods: for the answers that no sandbox network gives."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, ClassVar

from app.models import Account, Grant, Workspace
from platforms.base import (
    Absent,
    Answer,
    Candidate,
    Capabilities,
    Checkpoint,
    Consent,
    Content,
    Idempotency,
    MediaKind,
    MediaRule,
    MediaRules,
    Metrics,
    Outcome,
    Problem,
    Processing,
    Profile,
    Published,
    Segment,
    SentAttempt,
    Session,
    TextRule,
    Tokens,
)
from platforms.errors import PlatformError, TimedOut, TokenExpired, TokenRevoked

NAME = "belfry"
CAPABILITIES = Capabilities(
    text=TextRule(limit=100),
    media=MediaRules(
        (MediaRule(MediaKind.IMAGE, max_count=1, mimes=frozenset({"image/png"}), max_bytes=1_000_000, alt_limit=100),),
        max_count=1,
    ),
    idempotency=Idempotency.LOOKUP,
)


@dataclass
class Belfry:
    """An adapter that is its own network. ``posts`` maps keys to ids; one that is ``processing`` is accepted and not visible.

    ``publishing`` and ``asking`` are failures still to come, oldest first, ``asking`` also other answers; a *lost* answer is a
    ``TimedOut`` after the post was accepted. ``asked`` is what was asked last. ``doors`` closed make ``reconcile`` and
    ``refresh`` wait.
    """

    name: str = NAME
    label: str = "Belfry"
    colour: str = "#aa7700"
    capabilities: Capabilities = CAPABILITIES
    connector: Any = field(default_factory=lambda: SimpleNamespace(fields=(), app_fields=()))
    refresh_at: datetime | None = None
    posts: dict[str, str] = field(default_factory=dict)
    processing: bool = False
    publishing: list[PlatformError] = field(default_factory=list)
    asking: list[PlatformError | Answer] = field(default_factory=list)
    refreshing: list[PlatformError] = field(default_factory=list)
    refreshed: int = 0
    valid: str = "token-0"
    same_id: str | None = None
    doors: asyncio.Event = field(default_factory=asyncio.Event)
    knocks: int = 0
    asked: SentAttempt | None = None

    def __post_init__(self) -> None:
        self.doors.set()

    def capabilities_for(self, limits: Mapping[str, Any]) -> Capabilities:
        return self.capabilities

    def count(self, content: Content, capabilities: Capabilities) -> int:
        return len(content.text)

    def segments(self, text: str) -> tuple[Segment, ...]:
        return (Segment("text", text),)

    def validate(self, content: Content, capabilities: Capabilities) -> list[Problem]:
        return []

    async def limits(self, session: Session) -> dict[str, Any]:
        return {}

    async def publish(self, session: Session, content: Content, *, key: str, checkpoint: Checkpoint) -> Outcome:
        if session.tokens["access"] != self.valid:
            raise TokenExpired(NAME, "expired", "The token has run out.")
        await checkpoint.fence()
        failure = self.publishing.pop(0) if self.publishing else None
        if failure is None or isinstance(failure, TimedOut):
            self.posts[key] = self.same_id or f"ring-{len(self.posts) + 1}"
        if failure is not None:
            raise failure
        return Processing(key, timedelta(seconds=3)) if self.processing else self._receipt(key)

    async def reconcile(self, session: Session, attempt: SentAttempt) -> Answer:
        self.knocks += 1
        self.asked = attempt
        await self.doors.wait()
        answer = self.asking.pop(0) if self.asking else None
        if isinstance(answer, PlatformError):
            raise answer
        if answer is not None:
            return answer
        if attempt.key not in self.posts:
            return Absent()
        return Processing(attempt.key, timedelta(seconds=3)) if self.processing else self._receipt(attempt.key)

    async def metrics(self, session: Session, remote_ids: Sequence[str]) -> dict[str, Metrics]:
        return {one: Metrics(likes=len(self.posts)) for one in remote_ids if one in self.posts.values()}

    def remote_id(self, url: str, profile: Profile) -> str | None:
        found = url.strip().removeprefix(f"{profile.server}/")
        return found if found != url.strip() and found.replace("-", "").isalnum() else None

    async def refresh(self, session: Session) -> Tokens:
        self.refreshed += 1
        await self.doors.wait()
        if self.refreshing:
            raise self.refreshing.pop(0)
        self.valid = f"token-{self.refreshed}"
        return Tokens({"access": self.valid}, refresh_at=self.refresh_at)

    def _receipt(self, key: str) -> Published:
        return Published(self.posts[key], f"https://belfry.example/{self.posts[key]}")


@dataclass
class Turnstile(Belfry):
    """Belfry with tokens that are good for one renewal. It rotates them at once, whoever still waits for its answer.

    ``doors`` closed hold the answer back; ``answered`` is called when it is there.

    It is also its own connector, which lets in whoever names an id: every consent makes tokens of its own.
    """

    good: set[str] = field(default_factory=lambda: {"token-0"})
    made: int = 0
    answered: Callable[[], object] = int
    app_fields: ClassVar[tuple[()]] = ()

    async def refresh(self, session: Session) -> Tokens:
        self.refreshed += 1
        if session.tokens["access"] not in self.good:
            raise TokenRevoked(NAME, "used", "This token was used already.")
        self.good.remove(session.tokens["access"])
        tokens = self._make()
        await self.doors.wait()
        self.answered()
        return tokens

    async def connect(self, http: object, answers: Any) -> Consent:
        who = answers["id"]
        return Consent("https://belfry.example", who, self._make(), (Candidate(who, who, who, None, {}),))

    def _make(self) -> Tokens:
        self.made += 1
        self.good.add(f"token-{self.made}")
        return Tokens({"access": f"token-{self.made}"})


async def connected(workspace: Workspace, sealed: str) -> Account:
    """Alice's account on Belfry, with a grant of its own."""
    grant = Grant(workspace_id=workspace.id, platform=NAME, server="https://belfry.example", subject="alice", sealed=sealed)
    return await joined(await grant.insert(), "ringer-1")


async def joined(grant: Grant, remote_id: str) -> Account:
    """Another account on Belfry that the same consent covers."""
    return await Account(
        workspace_id=grant.workspace_id,
        grant_id=grant.id,
        platform=grant.platform,
        server=grant.server,
        remote_id=remote_id,
        handle=remote_id,
        display_name=remote_id.title(),
    ).insert()
