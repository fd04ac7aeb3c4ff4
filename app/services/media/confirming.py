"""The look at a file that has come: one at a time claims it, and afterwards it is ``ready``, or ``failed`` with the reason."""

from contextlib import suppress
from datetime import timedelta
from typing import Any

from app import pictures
from app.errors import Invalid
from app.ids import Id
from app.models import EPOCH, UNFINISHED, MediaFile, MediaState, now
from app.queries import equal
from app.services.media import checking, records
from app.services.media.offers import part_sizes
from app.storage import Mismatch, Missing, Part, StorageError, part_size

LEASE = timedelta(minutes=15)
"""Longer than any picture takes to be fetched and opened twice. A check that ends in any way gives it back at once."""

_SLOWEST = 1_000_000
"""Bytes a second: a film is fetched, read, written and kept at no less, and has so much more time."""

LOST = "What had arrived of this file is gone, because it took more than a day. Upload it again."


class NotThere(Exception):
    """It was confirmed, and not all of it has arrived."""


async def claimed(file: MediaFile) -> MediaFile | None:
    """The file, if it is ours to check; whoever had it before is gone."""
    if file.state not in UNFINISHED:
        return None
    at = now()
    stale = {"claimed_until": {"$lt": at}} if file.state is MediaState.CHECKING else {}
    lease = LEASE + timedelta(seconds=file.size / _SLOWEST)
    claim = {"state": MediaState.CHECKING, "claim": Id(), "claimed_until": at + lease}
    return await records.move(file, [file.state], stale, **claim)


async def release(file: MediaFile) -> None:
    """Nothing came of the look: let the next one try."""
    ours, free = equal(claim=file.claim), {"claim": None, "claimed_until": EPOCH}
    await records.move(file, [MediaState.CHECKING], ours, state=MediaState.UPLOADING, **free)


async def checked(file: MediaFile) -> MediaFile:
    """``ready`` or ``failed``, whatever its name and type claimed. Raises ``NotThere``, ``StorageError``."""
    try:
        await _put_together(file)
        async with checking.cleaned(records.storage().read(file.incoming)) as clean:
            placed, facts = await checking.kept(file.workspace_id, file.id, clean), clean.facts
    except Invalid as refused:
        return await _finished(file, state=MediaState.FAILED, reason=" ".join(refused.problems.values()))
    except Missing:
        raise NotThere from None
    found = {"mime": facts.mime, "size": facts.size, "width": facts.width, "height": facts.height}
    found |= {"path": placed.path, "poster": placed.poster, "thumb": placed.thumb, "facts": pictures.stored(facts), "source": ""}
    return await _finished(file, state=MediaState.READY, **found)


async def _put_together(file: MediaFile) -> None:
    """One file in ``temp/``, of the announced size."""
    if file.upload_id:
        with suppress(Missing):  # put together by one who was cut off then
            parts = await records.storage().parts(records.upload_of(file))
            await _complete(file, parts)
    if not await records.is_there(file):
        if file.upload_id:
            raise Invalid({"media": LOST})
        raise NotThere


async def _complete(file: MediaFile, parts: list[Part]) -> None:
    if {part.number: part.size for part in parts} != part_sizes(file.size, part_size(file.size)):
        raise NotThere
    try:
        await records.storage().complete(records.upload_of(file), parts)
    except Mismatch:  # one came once more in between
        raise NotThere from None


async def _finished(file: MediaFile, **outcome: Any) -> MediaFile:
    """Write down what was found; if it was canceled meanwhile, nothing stays of it."""
    done = await records.move(file, [MediaState.CHECKING], equal(claim=file.claim), claim=None, claimed_until=EPOCH, **outcome)
    known = done or await records.again(file)
    with suppress(StorageError):
        if known.state is MediaState.READY:
            await records.storage().delete(file.incoming)
        elif known.state not in UNFINISHED:
            await records.clear(file)
    return known
