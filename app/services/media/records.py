"""The document of a file that is on its way, and what lies in the storage for it."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any

from pymongo import ReturnDocument

from app import runtime
from app.errors import NotFound, TooOften
from app.ids import Id
from app.models import MEDIA_TRANSITIONS, UNFINISHED, MediaFile, MediaState, User, Workspace, now, reading
from app.queries import equal
from app.services.media.offers import Rate
from app.storage import Missing, Storage, Upload, keys


async def known(workspace: Workspace, media_id: Id) -> MediaFile:
    """The file, in whatever state, if it belongs to ``workspace``. Raises ``NotFound``."""
    file = await reading.get(MediaFile, media_id)
    if file is None or file.workspace_id != workspace.id:
        raise NotFound
    return file


async def again(file: MediaFile) -> MediaFile:
    """As it is by now; as deleted, if it is forgotten."""
    return await reading.get(MediaFile, file.id) or file.model_copy(update={"state": MediaState.DELETED})


async def move(
    file: MediaFile, sources: Sequence[MediaState], also: Mapping[str, Any] | None = None, /, **changes: Any
) -> MediaFile | None:
    """The changed file, if it was in one of ``sources``; the only place that writes its state."""
    target = changes.get("state")
    if target is not None and not all(target in MEDIA_TRANSITIONS[source] for source in sources):
        raise ValueError(f"no file becomes {target} from {', '.join(sources)}")
    stands = equal(state=sources[0]) if len(sources) == 1 else {"state": {"$in": list(sources)}}
    found = await MediaFile.get_pymongo_collection().find_one_and_update(
        {"_id": file.id, **stands, **(also or {})},
        {"$set": changes},
        return_document=ReturnDocument.AFTER,
    )
    return reading.readable(MediaFile, found) if found is not None else None


async def forget(file: MediaFile) -> None:
    """Remove the document, unless it is a file by now."""
    await MediaFile.get_pymongo_collection().delete_one({"_id": file.id, "state": {"$ne": MediaState.READY}})


async def keep_to(rate: Rate, user: User) -> None:
    """Counted after it is written, so that many that begin at once do not all pass. Raises ``TooOften``."""
    media = MediaFile.get_pymongo_collection()
    begun = await media.count_documents({**equal(uploader_id=user.id), "created_at": {"$gte": now() - rate.per}})
    if begun > rate.begun:
        raise TooOften("That were many files at once. Wait a minute and go on.", seconds=int(rate.per.total_seconds()))
    unfinished = [await media.count_documents(equal(uploader_id=user.id, state=state)) for state in sorted(UNFINISHED)]
    if sum(unfinished) > rate.unfinished:
        message = f"{rate.unfinished} of your uploads are not finished yet. Finish or cancel some, and go on."
        raise TooOften(message, seconds=int(rate.per.total_seconds()))


def lease() -> timedelta:
    """A worker that notes nothing for so long is gone."""
    return runtime.current().settings.lease_time


def upload_of(file: MediaFile) -> Upload:
    """The storage's upload, of a file that comes in parts."""
    return Upload(file.incoming, file.upload_id, file.created_at)


# --- in the storage ---------------------------------------------------------------------------------------------------


def storage() -> Storage:
    """Where its bytes lie."""
    return runtime.current().storage


async def is_there(file: MediaFile) -> bool:
    """Whether all that was announced has come, as one file."""
    with suppress(Missing):
        return (await storage().head(file.incoming)).size == file.size
    return False


async def clear(file: MediaFile) -> None:
    """Its bytes, wherever they are on their way. Raises ``StorageError``."""
    if file.upload_id:
        await storage().abort(upload_of(file))
    if file.incoming:
        await storage().delete(file.incoming)
    for place in filter(None, (f"{keys.MEDIA}{file.workspace_id}/{file.id}/", file.path)):  # old ones lie elsewhere
        async for stored in storage().listed(place):
            await storage().delete(stored.key)
