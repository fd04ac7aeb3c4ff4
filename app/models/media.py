"""Files that people bring, from the first byte to the last look at them."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, ClassVar

from beanie import Document
from pydantic import Field
from pymongo import ASCENDING, DESCENDING, IndexModel

from app.ids import Id
from app.models.base import EPOCH, Identified, Instant, now
from platforms.base import Captions


class MediaState(StrEnum):
    """Where a file is on its way. Only a ``ready`` one is a file: the others are the memory of an upload."""

    UPLOADING = "uploading"
    CHECKING = "checking"
    READY = "ready"
    FAILED = "failed"
    DELETED = "deleted"


MEDIA_TRANSITIONS: Mapping[MediaState, frozenset[MediaState]] = {
    MediaState.UPLOADING: frozenset({MediaState.CHECKING, MediaState.FAILED, MediaState.DELETED}),
    MediaState.CHECKING: frozenset(MediaState),
    MediaState.READY: frozenset({MediaState.DELETED}),
    MediaState.FAILED: frozenset({MediaState.UPLOADING, MediaState.DELETED}),
    MediaState.DELETED: frozenset(),
}
"""Checking may begin anew when whoever checked is gone, and goes back to uploading when something has not arrived. What failed to
be fetched from its address may be tried again."""

UNFINISHED = frozenset({MediaState.UPLOADING, MediaState.CHECKING})


class MediaFile(Identified, Document):
    """An uploaded file: ``size`` in bytes, ``width``/``height`` in pixels as shown; the bytes lie in the storage at ``path``.

    ``facts`` is all that was found (:func:`app.pictures.stored`); empty for files from before it was kept. ``name`` is what its
    owner calls it, ``alt`` the description that a post begins with, ``focus`` the point that a crop keeps, as shares of width and
    height from the left upper corner. ``folder`` is where the library lists it, ``""`` at the top. A film has a ``poster``, the
    storage key of the JPEG that stands for it, and may have ``captions``. ``thumb`` is the key of a small WebP; ``""`` where the
    file itself is small, or was there before there were any. ``order`` repeats the id, which sorts by age, for the index.

    ``pins`` counts the posts with it that are being saved, until ``pin_ms`` (milliseconds since 1970).

    Until it is ready, ``mime`` and ``size`` are what the browser claims, and ``path`` is empty, which is no key.
    ``incoming`` is where the browser puts it, ``upload_id`` the storage's upload if it comes in parts. ``claim`` is the one who
    checks it, until ``claimed_until``. ``reason`` tells a person why it failed.

    One that a worker fetches has its address, sealed, in ``source`` until it is ready or deleted; ``arrived`` of its bytes are
    there, of ``size`` if its server told (else 0). ``noted_at`` is its last sign of life, ``sent`` counts the messages about it.
    """

    workspace_id: Id
    mime: str
    size: int
    width: int = 0
    height: int = 0
    path: str = ""
    facts: dict[str, Any] = Field(default_factory=dict)
    state: MediaState = MediaState.READY
    name: str = ""
    alt: str = ""
    focus: tuple[float, float] = (0.5, 0.5)
    folder: str = ""
    poster: str = ""
    thumb: str = ""
    order: str = ""
    pins: int = 0
    pin_ms: int = 0
    captions: tuple[Captions, ...] = ()
    uploader_id: Id | None = None
    incoming: str = ""
    upload_id: str = ""
    claim: Id | None = None
    claimed_until: Instant = EPOCH
    reason: str = ""
    source: str = ""
    arrived: int = 0
    noted_at: Instant = EPOCH
    sent: int = 0
    created_at: Instant = Field(default_factory=now)

    class Settings:
        name = "media"
        indexes: ClassVar = [
            IndexModel([("workspace_id", ASCENDING), ("state", ASCENDING), ("order", DESCENDING)], name="by_order"),
            IndexModel([("uploader_id", ASCENDING), ("created_at", ASCENDING)], name="uploader"),
            IndexModel([("state", ASCENDING), ("created_at", ASCENDING)], name="unfinished"),
        ]

    def model_post_init(self, context: object) -> None:
        """The order follows from the id."""
        super().model_post_init(context)
        self.order = self.id


class FittedFile(Document):
    """What was made of a file for one set of rules, or is being made; its bytes lie in the storage under ``id``.

    ``claim`` is the one who makes it, until ``lease_ms`` (milliseconds since 1970, so that an index finds it on both engines) and
    ``share`` says how much is done. ``used_ms`` is when it was last wanted.
    """

    id: str  # type: ignore[assignment]
    workspace_id: Id
    media_id: Id
    claim: Id | None = None
    lease_ms: int = 0
    share: float = 0.0
    used_ms: int = 0

    class Settings:
        name = "fitted"
        indexes: ClassVar = [IndexModel([("used_ms", ASCENDING)], name="used")]
