"""What a contract test holds in its hands: an account, the judge, and a checkpoint that keeps a diary."""

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any
from uuid import uuid4

import httpx
from PIL import Image

from platforms.base import Adapter, Consent, Content, Media, MediaFacts, Outcome, SentAttempt, Session

LONG_AGO = timedelta(minutes=10)
"""Longer than any network needs to finish what it was sent."""


@dataclass
class Diary:
    """A checkpoint. ``entries`` holds ``"fence"``, ``"save"``, ``"progress"`` and every request's ``"METHOD path"``, in order.

    One that is used for several attempts remembers when the first of them was fenced, as the engine does.
    """

    saved: dict[str, Any] = field(default_factory=dict)
    entries: list[str] = field(default_factory=list)
    first_sent_at: datetime | None = None

    async def save(self, **data: Any) -> None:
        self.saved |= data
        self.entries.append("save")

    async def progress(self, **data: Any) -> None:
        self.saved |= data
        self.entries.append("progress")

    async def fence(self) -> None:
        self.first_sent_at = self.first_sent_at or datetime.now(UTC)
        self.entries.append("fence")

    async def note(self, request: httpx.Request) -> None:
        self.entries.append(f"{request.method} {request.url.path}")


PIECE = 64 * 1024


@dataclass
class Pieces:
    """A source of ``size`` bytes, of which ``piece`` makes those from a place on. ``asked`` counts the bytes that were asked for.

    ``opened`` tells how often it was begun; ``failures`` are still to come, each in the middle of the file.
    """

    piece: Callable[[int], bytes]
    size: int
    asked: int = 0
    opened: int = 0
    failures: list[Exception] = field(default_factory=list)

    async def open(self, start: int = 0) -> AsyncIterator[bytes]:
        self.opened += 1
        while start < self.size:
            if self.failures and start >= self.size // 2:
                raise self.failures.pop(0)
            chunk = self.piece(start)
            start, self.asked = start + len(chunk), self.asked + len(chunk)
            yield chunk

    async def address(self, lifetime: timedelta) -> str:
        raise NotImplementedError


@dataclass
class Judge:
    """What the sandbox really accepted. ``http`` speaks to its judge API, without any adapter."""

    http: httpx.AsyncClient

    async def posts(self) -> list[dict[str, Any]]:
        return (await self.http.get("/posts")).json()

    async def counted(self, platform: str) -> dict[str, int]:
        return (await self.http.get("/requests")).json()["counters"][platform]

    async def sent(self, text: str) -> dict[str, Any]:
        first = (await self.http.get("/requests")).json()["first"]
        return next(entry for entry in first if entry["text"] == text)

    async def fault(self, platform: str, kind: str, **more: Any) -> None:
        answer = await self.http.post("/faults", json={"platform": platform, "kind": kind, **more})
        answer.raise_for_status()


@dataclass
class Bench:
    """One adapter with a connected account on the sandbox."""

    adapter: Adapter
    session: Session
    judge: Judge
    diary: Diary = field(default_factory=Diary)

    async def publish(self, content: Content, *, key: str = "key-1") -> Outcome:
        return await self.adapter.publish(self.session, content, key=key, checkpoint=self.diary)

    async def fault(self, kind: str, **more: Any) -> None:
        await self.judge.fault(self.adapter.name, kind, **more)

    def attempt(self, content: Content, *, key: str = "key-1") -> SentAttempt:
        """The attempt just made, as it is asked about ten minutes later."""
        return SentAttempt(key, content, self.diary.saved, datetime.now(UTC) - LONG_AGO)


def session_of(consent: Consent, http: httpx.AsyncClient) -> Session:
    """Ready to be used as the one profile that ``consent`` covers."""
    [account] = consent.candidates
    known = {"server": consent.server, "remote_id": account.remote_id, "handle": account.handle, "limits": account.limits}
    return Session(**known, tokens=consent.tokens.values, http=http)


def words(text: str = "Ring the bells", *, media: tuple[Media, ...] = (), options: Mapping[str, str] | None = None) -> Content:
    """Content that no other test has."""
    return Content(f"{text} {uuid4()}", created_at=datetime.now(UTC), media=media, language="en", options=options or {})


def picture(alt: str = "A bell") -> Media:
    """A small real PNG."""
    file = BytesIO()
    Image.new("RGB", (32, 24), "goldenrod").save(file, "PNG")
    return media(file.getvalue(), alt=alt, width=32, height=24)


def media(data: bytes, mime: str = "image/png", *, alt: str = "A bell", **facts: Any) -> Media:
    """A file in memory."""
    return Media(str(uuid4()), MediaFacts(mime, len(data), **facts), alt, Pieces(lambda at: data[at : at + PIECE], len(data)))


async def whole(file: Media) -> bytes:
    """All of its bytes."""
    return b"".join([chunk async for chunk in file.open()])
