"""How a file comes: announced, put into the storage by the browser itself, and confirmed, which is when it is looked at.

``uploading → checking → ready | failed``, and ``deleted`` by whoever cancels. The document comes first and each step is one
compare-and-set on its state, so of several that confirm, cancel and expire at once one wins and the others see what it did.
What the others have put into the storage by then is removed by them, or by :func:`expire`.
"""

import asyncio
from collections.abc import AsyncIterable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pymongo import ReturnDocument

from app import pictures, runtime
from app.errors import Invalid, NotFound, TooOften
from app.ids import Id
from app.models import EPOCH, MEDIA_TRANSITIONS, UNFINISHED, MediaFile, MediaState, User, Workspace, now, reading
from app.queries import equal
from app.services.accounts import profiles
from app.services.media import checking
from app.services.media.offers import IN_PARTS, RATE, Offer, Rate, part_sizes, refusal
from app.storage import Mismatch, Missing, Part, Signed, Storage, StorageError, TooLarge, Upload, keys, part_size
from platforms import REGISTRY

LASTS = timedelta(hours=1)
"""Life of an address. Whoever is slower asks for another one."""

MAX_ADDRESSES = 100
"""Of parts, in one answer."""

LEASE = timedelta(minutes=15)
"""Longer than any picture takes to be fetched and opened twice. A check that ends in any way gives it back at once."""

KEPT = timedelta(days=1)
"""So long an upload may take, and so long is remembered what became of it."""

_BATCH = 50
_OVER = "Nothing more of this file is expected. Add it again."
_LOST = "What had arrived of this file is gone, because it took more than a day. Upload it again."


class _NotThere(Exception):
    """It was confirmed, and not all of it has arrived."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """How far a file is, and how to go on: ``put`` it as a whole; or ``sizes`` of its parts by number, and those ``there``.

    Neither, once nothing more is to come.
    """

    file: MediaFile
    put: Signed | None = None
    sizes: Mapping[int, int] | None = None
    there: Sequence[int] = ()


# --- what a browser asks for ------------------------------------------------------------------------------------------


async def begin(
    workspace: Workspace, user: User, offer: Offer, *, account_ids: Collection[Id] = (), rate: Rate = RATE
) -> Arrival:
    """A place for the file. Raises ``Invalid`` (field ``media``) for what no chosen account could take, and ``TooOften``."""
    chosen = [account for account in await profiles.listed(workspace) if account.id in account_ids]
    rules = [REGISTRY[account.platform].capabilities_for(account.limits).media for account in chosen]
    if why := refusal(offer, rules):
        raise Invalid({"media": why})
    file = MediaFile(
        workspace_id=workspace.id,
        uploader_id=user.id,
        state=MediaState.UPLOADING,
        mime=offer.type,
        size=offer.size,
        name=offer.title,
    )
    file.incoming = keys.temp(workspace.id, file.id, file.mime)
    await file.insert()
    try:
        await _keep_to(rate, user)
        return await _arrival(await _prepared(file))
    except (TooOften, StorageError):
        await _forget(file)
        raise


async def get(workspace: Workspace, media_id: Id) -> Arrival:
    """How far it is: after a cut connection, or a reload. Raises ``NotFound``."""
    return await _arrival(await _known(workspace, media_id))


async def part_urls(workspace: Workspace, media_id: Id, numbers: Sequence[int]) -> dict[int, Signed]:
    """Where these parts are put; of more than ``MAX_ADDRESSES`` the first. Raises ``NotFound``, ``Invalid`` for what is over."""
    file = await _known(workspace, media_id)
    if file.state is not MediaState.UPLOADING or not file.upload_id:
        raise Invalid({"media": _OVER})
    sizes, upload = part_sizes(file.size, part_size(file.size)), _upload(file)
    wanted = [number for number in dict.fromkeys(numbers) if number in sizes][:MAX_ADDRESSES]
    return {number: await _storage().part_url(upload, number, size=sizes[number], lasts=LASTS) for number in wanted}


async def take(workspace: Workspace, media_id: Id, source: AsyncIterable[bytes]) -> None:
    """Bring the whole file through this process, for browsers that do not reach the storage; a piece of it in memory at a time.

    Raises ``NotFound``, and ``Invalid`` for what is over, or is not as long as announced.
    """
    file = await _known(workspace, media_id)
    if file.state is not MediaState.UPLOADING:
        raise Invalid({"media": _OVER})
    try:
        await _storage().write(file.incoming, source, mime=file.mime, size=file.size)
    except (Mismatch, TooLarge):
        raise Invalid({"media": "Not all of the file came, or more than was announced. Try again."}) from None
    if file.upload_id:
        await _storage().abort(_upload(file))


async def confirm(workspace: Workspace, media_id: Id) -> Arrival:
    """Look at what has come: afterwards it is ``ready``, or ``failed`` with the reason. Raises ``NotFound``.

    May be pressed any number of times, and cut off anywhere. It is still ``uploading`` if something is missing, and ``checking``
    if somebody else looks at it just now.
    """
    async with checking.room:
        file = await _claimed(await _known(workspace, media_id))
        if file is None:
            return await get(workspace, media_id)
        try:
            return Arrival(await _checked(file))
        except _NotThere:
            await _release(file)
            return await get(workspace, media_id)
        except BaseException:  # a stop, a storage that is away: the next one need not wait for the lease
            await asyncio.shield(_release(file))
            raise


async def cancel(workspace: Workspace, media_id: Id) -> MediaFile:
    """Take it back, unless it is ready: then it is a file as any other. Raises ``NotFound``."""
    file = await _known(workspace, media_id)
    taken = await _move(file, [*UNFINISHED, MediaState.FAILED], state=MediaState.DELETED, claim=None)
    if taken is None:
        return await _known(workspace, media_id)
    with suppress(StorageError):
        await _clear(taken)
    return taken


# --- upkeep -----------------------------------------------------------------------------------------------------------


async def expire(at: datetime) -> int:
    """Forget what is older than a day and no file: never finished, refused, deleted. How many. Any number may do so at once."""
    gone = 0
    for state in sorted(set(MediaState) - {MediaState.READY}):
        while batch := await reading.find(MediaFile, {**equal(state=state), "created_at": {"$lt": at - KEPT}}, limit=_BATCH):
            ended = [await _expired(file, at) for file in batch]
            gone += sum(ended)
            if not all(ended):  # they are being checked, or another one was quicker
                break
    return gone


async def _expired(file: MediaFile, at: datetime) -> bool:
    """First nobody can bring it back, then it has no bytes, then it is forgotten."""
    if file.state is MediaState.CHECKING and file.claimed_until > at:
        return False
    if file.state in UNFINISHED:
        taken = await _move(file, [file.state], state=MediaState.DELETED, claim=None)
        if taken is None:
            return False
    await _clear(file)
    await _forget(file)
    return True


# --- the steps --------------------------------------------------------------------------------------------------------


async def _keep_to(rate: Rate, user: User) -> None:
    """Counted after it is written, so that many that begin at once do not all pass."""
    media = MediaFile.get_pymongo_collection()
    begun = await media.count_documents({**equal(uploader_id=user.id), "created_at": {"$gte": now() - rate.per}})
    if begun > rate.begun:
        raise TooOften("That were many files at once. Wait a minute and go on.", seconds=int(rate.per.total_seconds()))
    unfinished = [await media.count_documents(equal(uploader_id=user.id, state=state)) for state in sorted(UNFINISHED)]
    if sum(unfinished) > rate.unfinished:
        message = f"{rate.unfinished} of your uploads are not finished yet. Finish or cancel some, and go on."
        raise TooOften(message, seconds=int(rate.per.total_seconds()))


async def _prepared(file: MediaFile) -> MediaFile:
    """With the storage's upload, if it comes in parts."""
    if file.size <= IN_PARTS:
        return file
    upload = await _storage().begin(file.incoming, mime=file.mime)
    known = await _move(file, [MediaState.UPLOADING], upload_id=upload.id)
    if known is None:
        await _storage().abort(upload)
        raise NotFound
    return known


async def _arrival(file: MediaFile) -> Arrival:
    if file.state is not MediaState.UPLOADING:
        return Arrival(file)
    if not file.upload_id:
        put = await _storage().put_url(file.incoming, mime=file.mime, size=file.size, lasts=LASTS)
        return Arrival(file, put=put)
    sizes = part_sizes(file.size, part_size(file.size))
    try:
        there = await _storage().parts(_upload(file))
    except Missing:
        if not await _is_there(file):
            failed = await _move(file, [MediaState.UPLOADING], state=MediaState.FAILED, reason=_LOST)
            return Arrival(failed or await _again(file))
        return Arrival(file, sizes=sizes, there=tuple(sizes))  # put together, and nobody heard of it
    return Arrival(file, sizes=sizes, there=[part.number for part in there if sizes.get(part.number) == part.size])


async def _claimed(file: MediaFile) -> MediaFile | None:
    """The file, if it is ours to check; whoever had it before is gone."""
    if file.state not in UNFINISHED:
        return None
    at = now()
    stale = {"claimed_until": {"$lt": at}} if file.state is MediaState.CHECKING else {}
    claim = {"state": MediaState.CHECKING, "claim": Id(), "claimed_until": at + LEASE}
    return await _move(file, [file.state], stale, **claim)


async def _release(file: MediaFile) -> None:
    await _move(file, [MediaState.CHECKING], equal(claim=file.claim), state=MediaState.UPLOADING, claim=None, claimed_until=EPOCH)


async def _checked(file: MediaFile) -> MediaFile:
    """``ready`` or ``failed``, whatever its name and type claimed. Raises ``_NotThere``, ``StorageError``."""
    try:
        await _put_together(file)
        pictures.recognise(b"".join([piece async for piece in _storage().read(file.incoming, end=pictures.HEAD)]))
        async with checking.cleaned(_storage().read(file.incoming)) as (clean, facts):
            path = await checking.kept(file.workspace_id, file.id, clean, facts)
    except Invalid as refused:
        return await _finished(file, state=MediaState.FAILED, reason=" ".join(refused.problems.values()))
    except Missing:
        raise _NotThere from None
    found = {"mime": facts.mime, "size": facts.size, "width": facts.width, "height": facts.height}
    return await _finished(file, state=MediaState.READY, path=path, facts=pictures.stored(facts), **found)


async def _put_together(file: MediaFile) -> None:
    """One file in ``temp/``, of the announced size."""
    if file.upload_id:
        with suppress(Missing):  # put together by one who was cut off then
            parts = await _storage().parts(_upload(file))
            await _complete(file, parts)
    if not await _is_there(file):
        if file.upload_id:
            raise Invalid({"media": _LOST})
        raise _NotThere


async def _complete(file: MediaFile, parts: list[Part]) -> None:
    if {part.number: part.size for part in parts} != part_sizes(file.size, part_size(file.size)):
        raise _NotThere
    try:
        await _storage().complete(_upload(file), parts)
    except Mismatch:  # one came once more in between
        raise _NotThere from None


async def _is_there(file: MediaFile) -> bool:
    with suppress(Missing):
        return (await _storage().head(file.incoming)).size == file.size
    return False


async def _finished(file: MediaFile, **outcome: Any) -> MediaFile:
    """Write down what was found; if it was canceled meanwhile, nothing stays of it."""
    done = await _move(file, [MediaState.CHECKING], equal(claim=file.claim), claim=None, claimed_until=EPOCH, **outcome)
    known = done or await _again(file)
    with suppress(StorageError):
        if known.state is MediaState.READY:
            await _storage().delete(file.incoming)
        elif known.state not in UNFINISHED:
            await _clear(file)
    return known


async def _clear(file: MediaFile) -> None:
    """Its bytes, wherever they are on their way. Raises ``StorageError``."""
    if file.upload_id:
        await _storage().abort(_upload(file))
    if file.incoming:
        await _storage().delete(file.incoming)
    async for stored in _storage().listed(f"{keys.MEDIA}{file.workspace_id}/{file.id}/"):
        await _storage().delete(stored.key)


# --- documents --------------------------------------------------------------------------------------------------------


async def _known(workspace: Workspace, media_id: Id) -> MediaFile:
    file = await reading.get(MediaFile, media_id)
    if file is None or file.workspace_id != workspace.id:
        raise NotFound
    return file


async def _again(file: MediaFile) -> MediaFile:
    """As it is by now; as deleted, if it is forgotten."""
    return await reading.get(MediaFile, file.id) or file.model_copy(update={"state": MediaState.DELETED})


async def _move(
    file: MediaFile, sources: Sequence[MediaState], also: Mapping[str, Any] | None = None, /, **changes: Any
) -> MediaFile | None:
    """The changed file, if it was in one of ``sources``; the only place that writes its state."""
    target = changes.get("state")
    if target is not None and not all(target in MEDIA_TRANSITIONS[source] for source in sources):
        raise ValueError(f"no file becomes {target} from {', '.join(sources)}")
    known = equal(state=sources[0]) if len(sources) == 1 else {"state": {"$in": list(sources)}}
    found = await MediaFile.get_pymongo_collection().find_one_and_update(
        {"_id": file.id, **known, **(also or {})},
        {"$set": changes},
        return_document=ReturnDocument.AFTER,
    )
    return reading.readable(MediaFile, found) if found is not None else None


async def _forget(file: MediaFile) -> None:
    await MediaFile.get_pymongo_collection().delete_one({"_id": file.id, "state": {"$ne": MediaState.READY}})


def _upload(file: MediaFile) -> Upload:
    return Upload(file.incoming, file.upload_id, file.created_at)


def _storage() -> Storage:
    return runtime.current().storage
