"""What people choose about a file, from the words of a form to values that hold: the one place that looks at them."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from app.ids import Id
from app.models import Attachment, MediaFile
from app.renditions import facts
from platforms.fitting import AS_THEY_ARE, Ratio, Shape

ASPECTS = ("ratio", "shape", "focus", "colour", "from", "to")
"""The fields of one file's fit, as forms call them."""

LONGEST = 86_400.0
"""Seconds. Where an end was left open, it is this until the film's own length is known."""

_COLOUR = re.compile(r"#[0-9a-f]{6}")
_WORDY = 60
"""Characters; no number is longer."""


@dataclass(frozen=True, slots=True)
class Refused:
    """What was typed into one field, and what is wrong with it. Kept, so that the page can show both again."""

    value: str
    message: str


class _Wrong(Exception):
    """Which aspect, and the sentence about it."""

    def __init__(self, aspect: str, message: str) -> None:
        super().__init__(message)
        self.aspect, self.message = aspect, message


def read(media_id: Id, alt: str, typed: Mapping[str, str]) -> tuple[Attachment, dict[str, Refused]]:
    """The attachment that is meant, and by aspect what cannot be: there it is as if nothing had been chosen. Never raises."""
    found = Attachment(media_id=media_id, alt=alt)
    refused: dict[str, Refused] = {}
    for look in (_ratio, _shape, _focus, _colour, _trim):
        try:
            found = found.model_copy(update=look(typed))
        except _Wrong as wrong:
            refused[wrong.aspect] = Refused(typed.get(wrong.aspect, ""), wrong.message)
    if found.ratio is not Ratio.KEEP and found.shape is Shape.ASK:  # whoever chose a shape was asked
        found = found.model_copy(update={"shape": Shape.CROP})
    beside = {"from", "to"} if refused.keys() & {"from", "to"} else set()
    kept = {aspect: Refused(typed[aspect], "") for aspect in beside - refused.keys() if typed.get(aspect)}
    return found, refused | kept


def written(attachment: Attachment) -> dict[str, str]:
    """The fields that :func:`read` turns into the same choices."""
    focus, trim = attachment.focus, attachment.trim
    return {
        "ratio": attachment.ratio.value,
        "shape": attachment.shape.value,
        "focus": f"{focus[0]!r},{focus[1]!r}" if focus else "",
        "colour": attachment.colour,
        "from": spoken(trim[0]) if trim else "",
        "to": spoken(trim[1]) if trim and trim[1] < LONGEST else "",
    }


def spoken(number: float) -> str:
    """As short as it can be without being another number."""
    return short if float(short := f"{number:g}") == number else repr(number)


def within(attachment: Attachment, file: MediaFile) -> Attachment:
    """The choices as far as they mean anything for ``file``: a cut ends with the film, and what does not move has none."""
    if attachment.trim is None:
        return attachment
    length = length_of(file)
    if length is None:
        return attachment.model_copy(update={"trim": None})
    start, end = attachment.trim
    if start >= length:  # a person is told, see :func:`misses`
        return attachment
    return attachment.model_copy(update={"trim": None if start == 0 and end >= length else (start, min(end, length))})


def misses(attachment: Attachment, file: MediaFile) -> str | None:
    """What is wrong with a cut that begins after the film's end, as a sentence."""
    length = length_of(file)
    if attachment.trim is None or length is None or attachment.trim[0] < length:
        return None
    return f"The video ends after {length:g} seconds: begin earlier."


def length_of(file: MediaFile) -> float | None:
    """Seconds of what moves; ``None`` for all else."""
    known = facts(file)
    return known.duration.total_seconds() if known.duration and (known.is_film or known.animated) else None


# --- one aspect each --------------------------------------------------------------------------------------------------


def _ratio(typed: Mapping[str, str]) -> dict[str, object]:
    given = typed.get("ratio", "").strip()
    if given not in set(Ratio):
        raise _Wrong("ratio", "Choose one of the offered shapes.")
    return {"ratio": Ratio(given)}


def _shape(typed: Mapping[str, str]) -> dict[str, object]:
    given = typed.get("shape", "").strip()
    if given and given not in set(Shape):
        raise _Wrong("shape", "Choose one of the offered ways to fit it.")
    return {"shape": Shape(given) if given else AS_THEY_ARE.shape}


def _focus(typed: Mapping[str, str]) -> dict[str, object]:
    given = typed.get("focus", "").strip()
    if not given:
        return {"focus": None}
    shares = [_number(part) for part in given.split(",", 2)] if len(given) <= _WORDY else []
    if len(shares) != 2 or None in shares:  # noqa: PLR2004 (across, and down)
        raise _Wrong("focus", "Choose a point inside the picture.")
    return {"focus": tuple(max(0.0, min(1.0, share)) for share in shares if share is not None)}


def _colour(typed: Mapping[str, str]) -> dict[str, object]:
    given = typed.get("colour", "").strip().lower()
    if given and not _COLOUR.fullmatch(given):
        raise _Wrong("colour", "Write the colour as # and six digits, like #1a6e6e.")
    return {"colour": given or AS_THEY_ARE.colour}


def _trim(typed: Mapping[str, str]) -> dict[str, object]:
    given = {aspect: typed.get(aspect, "").strip() for aspect in ("from", "to")}
    if not any(given.values()):
        return {"trim": None}
    start, end = _seconds("from", given["from"] or "0"), _seconds("to", given["to"] or f"{LONGEST}")
    if start >= end:
        raise _Wrong("to" if given["to"] else "from", "The end must come after the beginning.")
    return {"trim": (start, end)}


def _seconds(aspect: str, given: str) -> float:
    number = _number(given.replace(",", "."))
    if number is None or number < 0:
        raise _Wrong(aspect, "Write seconds as a number, like 2.5.")
    return max(0.0, min(LONGEST, number))


def _number(given: str) -> float | None:
    """A finite number, or ``None``."""
    try:
        number = float(given) if len(given) <= _WORDY else math.nan
    except ValueError:
        return None
    return number if math.isfinite(number) else None
