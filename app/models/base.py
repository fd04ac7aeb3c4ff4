"""What all documents share: ids of our own, and instants as MongoDB keeps them."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, Field, TypeAdapter

from app.ids import Id

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
"""Stands for "never" in fields that queries compare: a comparison with a missing value differs between engines."""

FIRST = Id("0" * 28)
"""The revision of what was never saved before there were revisions."""


def now() -> datetime:
    """The current instant, cut to MongoDB's milliseconds so that what was written compares equal to what is read."""
    return to_millis(datetime.now(UTC))


def to_millis(at: datetime) -> datetime:
    """``at`` in UTC without its microseconds."""
    at = at.astimezone(UTC)
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


def in_millis(at: datetime) -> int:
    """``at`` in milliseconds since 1970: what both engines compare, sort and find by an index."""
    return (at - EPOCH) // timedelta(milliseconds=1)


_STORED: TypeAdapter[datetime] = TypeAdapter(datetime)


def as_instant(stored: Any) -> datetime:
    """An instant of a document that is not read as a model: the embedded engine answers with text for what an update wrote."""
    at = _STORED.validate_python(stored)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


Instant = Annotated[datetime, AfterValidator(to_millis)]


class Identified(BaseModel):
    """A document whose id is made here, not by the database: it is known before, and a repeated insert is recognised."""

    id: Id = Field(default_factory=Id)
