"""What a plan is made of. Every step is plain data, so that another process can carry it out."""

import hashlib
import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from platforms.base import MediaFacts


class Shape(StrEnum):
    """What becomes of a picture that is too wide or too tall. Without a choice it is the person's turn."""

    ASK = "ask"
    CROP = "crop"
    PAD = "pad"


class Ratio(StrEnum):
    """The shape that a person wants, as width to height; ``KEEP`` is the file's own."""

    KEEP = ""
    SQUARE = "1:1"
    PORTRAIT = "4:5"
    UPRIGHT = "9:16"
    WIDE = "16:9"
    BANNER = "1.91:1"

    @property
    def number(self) -> float | None:
        """Width / height; ``None`` if it stays."""
        width, _, height = self.value.partition(":")
        return float(width) / float(height) if self.value else None


@dataclass(frozen=True, slots=True)
class Choices:
    """What a person decided about one file.

    ``ratio`` is wanted everywhere, as far as the network takes it; ``shape`` says how to get there, and to ask means a crop then.
    ``focus`` is the point that a crop keeps, in parts of width and height from the upper left. ``colour`` (``#rrggbb``) lies
    behind what was see-through and fills what is padded. ``trim`` is (start, end) of a film in seconds; ``None``: all of it.
    """

    shape: Shape = Shape.ASK
    focus: tuple[float, float] = (0.5, 0.5)
    colour: str = "#ffffff"
    trim: tuple[float, float] | None = None
    ratio: Ratio = Ratio.KEEP


AS_THEY_ARE = Choices()
"""Nobody chose anything."""


# --- steps, in the order in which they are taken ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Still:
    """Only the first picture of an animation, because this network would show no other."""


@dataclass(frozen=True, slots=True)
class Trim:
    """Only what lies between ``start`` and ``end`` (seconds)."""

    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Turn:
    """Pixels that lie as Exif's ``orientation`` says are brought upright. All that follows is measured upright."""

    orientation: int


@dataclass(frozen=True, slots=True)
class Crop:
    """Only this rectangle (pixels)."""

    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Scale:
    """To this many pixels: never more than there were."""

    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Pad:
    """In the middle of a sheet of this size and colour."""

    width: int
    height: int
    colour: str


@dataclass(frozen=True, slots=True)
class Flatten:
    """What is see-through lies on ``colour`` from now on."""

    colour: str


@dataclass(frozen=True, slots=True)
class Encode:
    """The one search of a picture: the greatest scale, and there the best quality, that makes at most ``max_bytes``.

    Quality goes from ``best`` down to ``worst`` (libjpeg's and WebP's numbers; a PNG has none); then pixels, down to ``least``
    (width, height). What is larger even then does not fit.
    """

    mime: str
    max_bytes: int
    best: int
    worst: int
    least: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Remux:
    """Picture and sound bit for bit into a new MP4, its index first, and nothing that tells about its maker. Or no ``sound``."""

    sound: bool


@dataclass(frozen=True, slots=True)
class Transcode:
    """To H.264 and AAC in MP4 (yuv420p, index first), of this width and height in pixels, which the steps before led to.

    At most ``frame_rate`` (0: as it is) per second, ``video_bitrate`` and ``audio_bitrate`` (0: silent) in bits per second.
    """

    width: int
    height: int
    frame_rate: float
    video_bitrate: int
    audio_bitrate: int
    max_bytes: int


Step = Still | Trim | Turn | Crop | Scale | Pad | Flatten | Encode | Remux | Transcode


@dataclass(frozen=True, slots=True)
class Rendition:
    """A plan. ``fitted`` is what will come out: at most so many bytes and pixels. Without ``steps`` the file goes as it is."""

    fitted: MediaFacts
    steps: tuple[Step, ...] = ()

    @property
    def recipe(self) -> list[dict[str, Any]]:
        """The steps as JSON, each with its name."""
        return [{"step": type(step).__name__.lower(), **asdict(step)} for step in self.steps]

    @property
    def key(self) -> str:
        """Names what comes out of the steps: equal for equal plans, in every process and version of Python."""
        return hashlib.sha256(json.dumps(self.recipe, sort_keys=True).encode()).hexdigest()[:16]
