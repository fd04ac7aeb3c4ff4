"""What somebody wants to bring, judged by what is said about it: the file itself is looked at when it is there."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import PurePath

from app.storage import keys
from app.storage.values import MEBIBYTE
from platforms.base import MediaKind, MediaRules

MAX_PICTURE = 100 * MEBIBYTE
"""Bytes. Phones' photos have 3 to 12 MB, a camera's raw 100 megapixels as JPEG 60."""

MAX_FILM = 4 * 1024 * MEBIBYTE
"""Bytes. Ten minutes of a phone's 4K have 3.5 GB; networks take 100 MB to 10 GB, what is too large is made smaller."""

MAX_NAME = 200
"""Characters that are kept of a file's name."""

_KINDS = "Use JPEG, PNG, WebP, GIF, MP4, MOV or WebM."
_WORDS = {MediaKind.IMAGE: "pictures", MediaKind.GIF: "GIFs", MediaKind.VIDEO: "videos"}
_ALSO_CALLED = {"jpeg": "image/jpeg", "jpe": "image/jpeg", "jfif": "image/jpeg", "heif": "image/heic"}


@dataclass(frozen=True, slots=True)
class Rate:
    """How much one person may bring: uploads begun within ``per``, and unfinished at a time."""

    begun: int = 60
    per: timedelta = timedelta(minutes=1)
    unfinished: int = 50


RATE = Rate()
"""A post holds 40 files at most, so nobody who works by hand comes near it."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A file as a browser announces it: ``size`` in bytes, ``mime`` as it guesses from the name, and often not at all."""

    name: str
    mime: str
    size: int

    @property
    def type(self) -> str:
        """The type that its storage key gets; ``""`` for what is kept under none. By the name, where the type says nothing."""
        said = self.mime.partition(";")[0].strip().lower()
        if said in keys.TYPES.values():
            return said
        ending = PurePath(self.name).suffix.removeprefix(".").lower()
        return keys.TYPES.get(ending) or _ALSO_CALLED.get(ending, "")

    @property
    def title(self) -> str:
        """The name without folders, control characters and endless length."""
        last = self.name.replace("\\", "/").rpartition("/")[2]
        return "".join(letter for letter in last if letter.isprintable())[:MAX_NAME]


def most(mime: str) -> int:
    """Bytes that a file of the type ``mime`` may have."""
    return MAX_FILM if mime.startswith("video/") else MAX_PICTURE


def too_large(mime: str) -> str:
    """What is said about a file of the type ``mime`` that has more."""
    return f"The file is larger than {most(mime) // MEBIBYTE:,} MB. Make it smaller."


def refusal(offer: Offer, takers: Sequence[MediaRules]) -> str | None:
    """Why it need not even be sent. ``takers``: what the chosen accounts take; with none chosen, nobody knows yet."""
    if offer.size <= 0:
        return "This file is empty. Choose another one."
    if not offer.type.startswith(("image/", "video/")):
        return f"This file is no picture or video we can read. {_KINDS}"
    if offer.size > most(offer.type):
        return too_large(offer.type)
    kind = MediaKind.of(offer.type)
    if takers and not any(rules.of(kind) for rules in takers):
        return f"None of the chosen accounts takes {_WORDS[kind]}."
    return None


# --- in parts ---------------------------------------------------------------------------------------------------------

IN_PARTS = 16 * MEBIBYTE
"""Larger files come in parts: what a cut connection loses is one of them."""


def part_sizes(size: int, step: int) -> dict[int, int]:
    """Bytes of each part of a file, by its number from 1."""
    return {number: min(step, size - start) for number, start in enumerate(range(0, size, step), start=1)}
