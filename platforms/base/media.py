"""A file that goes into a post, and the rules by which a network takes files."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Protocol


class MediaKind(StrEnum):
    """What people take a file for. A GIF is a kind of its own: X and Mastodon make silent videos of it, by rules of its own."""

    IMAGE = "image"
    GIF = "gif"
    VIDEO = "video"
    DOCUMENT = "document"

    @classmethod
    def of(cls, mime: str) -> "MediaKind":
        """By the type alone; what is neither picture nor film is a document (LinkedIn: PDF and slides)."""
        if mime == "image/gif":
            return cls.GIF
        return {"image": cls.IMAGE, "video": cls.VIDEO}.get(mime.partition("/")[0], cls.DOCUMENT)


@dataclass(frozen=True, slots=True)
class MediaFacts:
    """What a file was found to be. Pure: read once, by the process that opened it, and kept with the file.

    ``size`` in bytes. ``width`` and ``height`` in pixels **as shown**, so after ``orientation`` (Exif's 1 to 8; 1 is upright);
    0 if not known. ``pixels`` is how they are stored, as Pillow (``RGB``, ``CMYK``, ``I;16``) or FFmpeg (``yuv420p``) calls it.
    ``frames`` of what moves, ``duration`` of one run; ``frame_rate`` per second, ``bitrate`` in bits per second, both 0 if not
    known. Codecs by FFmpeg's names, ``""`` without picture or sound. ``fast_start``: its index comes first, so that it can be
    played while it is fetched. ``colour`` is the dominant one, as ``#rrggbb``. ``loops``: a film that was an animation, to be
    shown again and again (Bluesky plays it like a GIF if it is told).
    """

    mime: str
    size: int
    width: int = 0
    height: int = 0
    orientation: int = 1
    pixels: str = ""
    alpha: bool = False
    frames: int = 1
    duration: timedelta | None = None
    frame_rate: float = 0.0
    bitrate: int = 0
    video_codec: str = ""
    audio_codec: str = ""
    fast_start: bool = True
    colour: str = ""
    loops: bool = False

    @property
    def is_film(self) -> bool:
        """Whether it is a video, in whatever container."""
        return self.mime.startswith("video/")

    @property
    def animated(self) -> bool:
        """Whether it is a picture that moves: GIF, WebP or PNG of several frames."""
        return self.frames > 1 and not self.is_film


FETCHED_WITHIN = timedelta(hours=24)
"""How long an address works, if nobody says otherwise: networks fetch at once, and once more when a container is cast again."""


class Source(Protocol):
    """Where a file's bytes come from. They are never held together: who opens it gets one chunk at a time.

    What goes wrong is one of :mod:`platforms.errors`: ``Transient`` if it may work later, ``MediaRejected`` if the file is gone
    or nothing makes it fit, ``Misconfigured`` if only the operator can help.
    """

    def open(self, start: int = 0) -> AsyncIterator[bytes]:
        """The bytes from ``start`` to the end, exactly as many as were announced, or an error. Each call begins anew."""
        ...

    async def address(self, lifetime: timedelta) -> str:
        """Where a network may fetch the file for so long: https, with a signature that is good for this file only."""
        ...


@dataclass(frozen=True, slots=True)
class Captions:
    """What is said in a film, for those who cannot hear it: WebVTT as ``text``, in ``language`` (BCP 47)."""

    language: str
    text: str


@dataclass(frozen=True, slots=True)
class Media:
    """One attached file. Its bytes are fetched when they are sent, so that validation costs no I/O.

    ``facts`` are those of what is sent. ``publish`` gets the exact size; before, while a post is composed, a file that will be
    made to fit is announced with the most bytes and pixels it can have. ``alt`` is ``""`` when the person gave none.
    ``captions`` in several languages come with films only (Bluesky, YouTube, Facebook, LinkedIn take them).
    """

    id: str
    facts: MediaFacts
    alt: str
    source: Source = field(repr=False, compare=False)
    captions: tuple[Captions, ...] = ()

    def open(self, start: int = 0) -> AsyncIterator[bytes]:
        """See :meth:`Source.open`: for networks that take the bytes, in one request or part after part."""
        return self.source.open(start)

    async def address(self, lifetime: timedelta = FETCHED_WITHIN) -> str:
        """See :meth:`Source.address`: for networks whose rule says ``by_address``."""
        return await self.source.address(lifetime)

    @property
    def mime(self) -> str:
        """Its type."""
        return self.facts.mime

    @property
    def size(self) -> int:
        """Bytes."""
        return self.facts.size

    @property
    def width(self) -> int:
        """Pixels as shown; 0 if not known."""
        return self.facts.width

    @property
    def height(self) -> int:
        """Pixels as shown; 0 if not known."""
        return self.facts.height

    @property
    def duration(self) -> timedelta | None:
        """A film's; ``None`` for what has none or is not known (YouTube, Threads, X and others limit it)."""
        return self.facts.duration if self.facts.is_film else None

    @property
    def kind(self) -> MediaKind:
        """What people take it for."""
        return MediaKind.of(self.mime)


@dataclass(frozen=True, slots=True)
class MediaRule:
    """How a network takes files of one kind. What it does not limit is ``None``, or an empty set.

    ``kind`` is what a person attaches; ``mimes`` are what the network gets. So a rule for GIFs with MP4 among them, and without
    ``moves``, is one of a network that would show a GIF as a still.

    ``max_count`` files of this kind in one post, ``max_bytes`` each, ``min_bytes`` at least (LinkedIn's videos). ``max_pixels`` =
    width x height (Mastodon, LinkedIn). ``smallest`` and ``largest`` are (width, height) in pixels that it refuses to go below
    (Facebook's reels) or beyond (X's GIFs and videos); networks that scale by themselves have none. ``shapes`` are the least and
    the greatest width / height (Instagram: 4:5 to 1.91:1). ``durations``: the shortest and the longest (Threads: to 5 minutes;
    LinkedIn: 3 s to 30 minutes). ``alt_limit`` in graphemes; ``None``: it keeps no descriptions of this kind (YouTube, Facebook's
    videos).

    ``transparency``: whether it keeps what is see-through. ``moves``: whether a picture that moves is shown moving.
    ``max_frames`` of what moves (Mastodon, X, LinkedIn), ``frame_rates`` per second, ``max_bitrate`` in bits per second of
    picture and sound together. ``video_codecs`` and ``audio_codecs`` by FFmpeg's names; ``sound``: whether it takes any.
    ``by_address``: it fetches the file from a public address (Instagram, Threads) instead of taking its bytes.
    """

    kind: MediaKind
    max_count: int
    mimes: frozenset[str]
    max_bytes: int
    max_pixels: int | None = None
    smallest: tuple[int, int] | None = None
    largest: tuple[int, int] | None = None
    shapes: tuple[float, float] | None = None
    durations: tuple[timedelta, timedelta] | None = None
    alt_limit: int | None = None
    min_bytes: int = 0
    transparency: bool = True
    moves: bool = False
    max_frames: int | None = None
    frame_rates: tuple[float, float] | None = None
    max_bitrate: int | None = None
    video_codecs: frozenset[str] = frozenset()
    audio_codecs: frozenset[str] = frozenset()
    sound: bool = True
    by_address: bool = False


@dataclass(frozen=True, slots=True)
class MediaRules:
    """Which files one post takes: one rule for each kind that it takes at all.

    ``max_count`` files together, ``min_count`` at least (Instagram and YouTube have no post without one). Files of different
    kinds stand side by side only if one set of ``mixed`` holds all of them (Instagram: images and videos in a carousel;
    Mastodon: images and GIFs, a video alone).
    """

    rules: tuple[MediaRule, ...] = ()
    max_count: int = 0
    min_count: int = 0
    mixed: tuple[frozenset[MediaKind], ...] = ()

    def of(self, kind: MediaKind) -> MediaRule | None:
        """The rule for files of ``kind``; ``None`` if the network takes none of them."""
        return next((rule for rule in self.rules if rule.kind is kind), None)

    @property
    def mimes(self) -> frozenset[str]:
        """Every type that it takes."""
        return frozenset().union(*(rule.mimes for rule in self.rules))

    def together(self, kinds: frozenset[MediaKind]) -> bool:
        """Whether files of these ``kinds`` may stand in one post."""
        return len(kinds) <= 1 or any(kinds <= mixed for mixed in self.mixed)


NO_MEDIA = MediaRules()
"""Of parts that are words only (comments on LinkedIn and YouTube)."""
