"""Tower, a network that remembers every ring, doubles too, and has every mood that a network can have."""

import asyncio
from dataclasses import dataclass, field, replace
from datetime import timedelta

from platforms.base import Absent, Checkpoint, Content, Idempotency, Outcome, Processing, Published, SentAttempt, Session, Tokens
from platforms.errors import (
    ContentRejected,
    RateLimited,
    TimedOut,
    TokenExpired,
    TokenRevoked,
    Unavailable,
    UnexpectedReply,
)
from tests.integration.services.belfry import CAPABILITIES, NAME, Belfry

LATEST = 100.0
"""Seconds after its fence in which a request that was given up arrives at last: less than a step may take and ``settles_in``."""

BEFORE_FENCE = {"away": Unavailable(NAME, "away", "The server is away."), "expired": TokenExpired(NAME, "expired", "Run out.")}
NOT_TAKEN = {
    "lost": TimedOut(NAME, "no_answer", "The request got lost."),
    "late": TimedOut(NAME, "no_answer", "No answer came in time."),
    "limited": RateLimited(NAME, "slow", "Slow down.", retry_after=timedelta(seconds=7)),
    "refused": ContentRejected(NAME, "no", "Not in these words."),
}
TAKEN = {
    "unheard": TimedOut(NAME, "no_answer", "The answer got lost."),
    "odd": UnexpectedReply(NAME, "odd", "An odd answer."),
}
ASKED = {
    "away": Unavailable(NAME, "away", "The server is away."),
    "no way": UnexpectedReply(NAME, "no_way", "This network cannot be asked."),
    "revoked": TokenRevoked(NAME, "revoked", "Connect it again."),
}
MOODS = [*sorted(BEFORE_FENCE | NOT_TAKEN | TAKEN), "processing", "late", "late"]


@dataclass
class Ring:
    """One post on the network; it cannot be seen while ``looks`` at it are still to come."""

    id: str
    key: str
    text: str
    looks: int = 0


@dataclass
class Tower(Belfry):
    """``rung`` is everything that was accepted, ``heard`` the words of every request. ``late`` is still on its way.

    It knows keys when it is asked about them and not when it is posted to, so a repetition is a second ring. With
    ``Idempotency.NONE`` it is blind besides: it never finds anything.
    """

    rung: list[Ring] = field(default_factory=list)
    heard: list[str] = field(default_factory=list)
    late: list[tuple[float, str, str]] = field(default_factory=list)
    moods: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def become(self, idempotency: Idempotency) -> None:
        """A new and healthy network of this kind."""
        self.capabilities = replace(CAPABILITIES, idempotency=idempotency)
        for kept in (self.rung, self.heard, self.late, self.moods, self.asked):
            kept.clear()

    async def publish(self, session: Session, content: Content, *, key: str, checkpoint: Checkpoint) -> Outcome:
        mood = self.moods.pop(0) if self.moods else ""
        if mood in BEFORE_FENCE:
            raise BEFORE_FENCE[mood]
        await checkpoint.save(uploaded=True)
        fenced_at = asyncio.get_running_loop().time()
        await checkpoint.fence()
        self.heard.append(content.text)
        if mood == "late":
            self.late.append((fenced_at, key, content.text))
        if mood in NOT_TAKEN:
            raise NOT_TAKEN[mood]
        ring = self._take(key, content.text, looks=2 if mood == "processing" else 0)
        if mood in TAKEN:
            raise TAKEN[mood]
        return self._shown(ring)

    async def reconcile(self, session: Session, attempt: SentAttempt) -> Published | Processing | Absent:
        self.knocks += 1
        if self.asked:
            raise ASKED[self.asked.pop(0)]
        found = [ring for ring in self.rung if ring.key == attempt.key]
        if not found or (self.capabilities.idempotency is Idempotency.NONE and not found[0].looks):
            return Absent()
        found[0].looks = max(0, found[0].looks - 1)
        return self._shown(found[0])

    async def refresh(self, session: Session) -> Tokens:
        return Tokens({"access": self.valid})

    def arrive(self, by: float) -> None:
        """What was sent so long ago that it is settled ``by`` seconds from now arrives at last."""
        settled = asyncio.get_running_loop().time() + by - LATEST
        for sent_at, key, text in [one for one in self.late if one[0] <= settled]:
            self.late.remove((sent_at, key, text))
            self._take(key, text)

    def _take(self, key: str, text: str, looks: int = 0) -> Ring:
        self.rung.append(Ring(f"ring-{len(self.rung) + 1}", key, text, looks))
        return self.rung[-1]

    def _shown(self, ring: Ring) -> Published | Processing:
        if ring.looks:
            return Processing(ring.key, timedelta(seconds=3))
        return Published(ring.id, f"https://belfry.example/{ring.id}")
