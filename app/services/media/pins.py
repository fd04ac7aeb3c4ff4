"""While a post is saved its files are pinned, so that nobody deletes one in between.

There are two kinds of documents and no transactions, so the order of writes decides. Who saves: pin the files, write the post,
let go. Who deletes: read the file, look at the posts, then take the file away by a compare-and-set on the pin that was read. A
pin from before that reading refuses the deletion, or its post is seen; one from after it makes the compare-and-set fail. So of a
save and a deletion at the same time one loses, and is told.

A process that stops while it holds a pin would keep the file for ever: pins end by themselves. Whoever was slower than that looks
at the files once more after the write, and says that one is gone.
"""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from datetime import timedelta

from app.errors import Invalid
from app.ids import Id
from app.models import MediaFile, MediaState, Workspace, in_millis, now, reading
from app.queries import equal

LASTS = timedelta(seconds=10)
"""A save takes some milliseconds between its pins and its post."""

_GONE = "One of the files was deleted meanwhile. Look at what is left, and try again."


def is_pinned(file: MediaFile) -> bool:
    """Whether a post that holds it is just being saved."""
    return file.pins > 0 and file.pin_ms > in_millis(now())


@asynccontextmanager
async def held(workspace: Workspace, media_ids: Collection[Id]) -> AsyncIterator[None]:
    """Nobody deletes these files while the block lasts. Raises ``Invalid`` (field ``media``) if one is gone already."""
    until = now() + LASTS
    pinned: list[Id] = []
    try:
        for media_id in media_ids:
            if not await _pin(workspace, media_id, in_millis(until)):
                raise Invalid({"media": _GONE})
            pinned.append(media_id)
        yield
        if now() > until and not all([await _is_there(media_id) for media_id in media_ids]):
            raise Invalid({"media": _GONE})
    finally:
        for media_id in pinned:
            await MediaFile.get_pymongo_collection().update_one({"_id": media_id}, {"$inc": {"pins": -1}})


async def _pin(workspace: Workspace, media_id: Id, until_ms: int) -> bool:
    ready = {"_id": media_id, **equal(workspace_id=workspace.id, state=MediaState.READY)}
    pin = {"$inc": {"pins": 1}, "$set": {"pin_ms": until_ms}}
    return (await MediaFile.get_pymongo_collection().update_one(ready, pin)).matched_count > 0


async def _is_there(media_id: Id) -> bool:
    file = await reading.get(MediaFile, media_id)
    return file is not None and file.state is MediaState.READY
