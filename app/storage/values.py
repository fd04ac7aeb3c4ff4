"""What the storage tells and takes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from app.storage.errors import Mismatch, TooLarge

MEBIBYTE = 1024 * 1024

MAX_PUT = 5 * 1024 * MEBIBYTE
"""Bytes of one PUT and of one part (S3's limit; the folder keeps to it too)."""
MIN_PART = 5 * MEBIBYTE
"""Bytes of every part but the last (S3's limit)."""
MAX_PARTS = 10_000
USUAL_PART = 8 * MEBIBYTE
"""What is lost by a cut connection at most, and held in memory while the server itself writes."""

LONGEST = timedelta(days=7)
"""Life of a signed address (S3's limit)."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A file that is there. ``mime`` is empty in listings. An ``etag`` tells contents apart and says nothing else."""

    key: str
    size: int
    etag: str
    modified_at: datetime
    mime: str = ""


@dataclass(frozen=True, slots=True)
class Signed:
    """An address that works without a session until ``until``. A PUT must carry exactly these ``headers``."""

    url: str
    until: datetime
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Origin:
    """Scheme and host of addresses for reading; ``url`` is empty if they are paths. ``setting`` is the variable that decides."""

    url: str
    setting: str


@dataclass(frozen=True, slots=True)
class Upload:
    """An upload in parts that was begun and not completed."""

    key: str
    id: str
    started_at: datetime


@dataclass(frozen=True, slots=True)
class Part:
    """A part that is there. To complete, ``number`` and ``etag`` are enough; the latter with quotes too, as headers have it."""

    number: int
    etag: str
    size: int = 0


def part_size(size: int) -> int:
    """Bytes of every part but the last, for a file of ``size`` bytes. All are alike, because R2 asks for it.

    Raises ``TooLarge``.
    """
    if size > MAX_PARTS * MAX_PUT:
        raise TooLarge(f"{size} bytes do not fit into {MAX_PARTS} parts")
    whole_mebibytes = -(-size // (MAX_PARTS * MEBIBYTE)) * MEBIBYTE
    return max(USUAL_PART, whole_mebibytes)


def in_order(parts: Sequence[Part]) -> None:
    """Raises ``Mismatch`` unless there are some, each once, by their numbers. Not every server looks."""
    numbers = [part.number for part in parts]
    if not numbers or numbers != sorted(set(numbers)):
        raise Mismatch("name every part once, in the order of their numbers")


def until(lasts: timedelta, at: datetime) -> datetime:
    """When an address that is made ``at`` ends, in whole seconds. Raises ``ValueError`` for what no storage signs."""
    if not timedelta(seconds=1) <= lasts <= LONGEST:
        raise ValueError(f"an address can last from a second to {LONGEST.days} days, not {lasts}")
    return at.replace(microsecond=0) + lasts
