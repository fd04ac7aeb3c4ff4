"""What every try at a delivery did, kept as evidence."""

from enum import StrEnum
from typing import ClassVar

from beanie import Document
from pydantic import Field
from pymongo import ASCENDING, IndexModel

from app.ids import Id
from app.models.base import Identified, Instant, now


class AttemptKind(StrEnum):
    """What a try did: change something, or only look."""

    PUBLISH = "publish"
    RECONCILE = "reconcile"


class Attempt(Identified):
    """One try at a delivery, kept as evidence: who did what, how far it came, and what follows."""

    kind: AttemptKind
    number: int
    worker: str
    step: str = "claimed"
    outcome: str | None = None
    error: str | None = None
    code: str | None = None
    message: str | None = None
    status: int | None = None
    remedy: str | None = None
    next_at: Instant | None = None
    started_at: Instant = Field(default_factory=now)
    finished_at: Instant | None = None


class PastAttempt(Attempt, Document):
    """An attempt that its delivery has no room for any more (see ``engine/attempts``)."""

    delivery_id: Id
    workspace_id: Id

    class Settings:
        name = "attempts"
        indexes: ClassVar = [
            IndexModel([("delivery_id", ASCENDING), ("started_at", ASCENDING)], name="timeline"),
            IndexModel([("started_at", ASCENDING)], name="age"),
        ]
