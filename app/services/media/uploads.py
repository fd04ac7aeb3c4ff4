"""How a file comes: announced, put into the storage by the browser itself, and confirmed, which is when it is looked at.

``uploading → checking → ready | failed``, and ``deleted`` by whoever cancels. The document comes first and each step is one
compare-and-set on its state, so of several that confirm, cancel and expire at once one wins and the others see what it did.
What the others have put into the storage by then is removed by them, or by :mod:`app.services.media.expiring`.
"""

import asyncio
from collections.abc import AsyncIterable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from app.errors import Invalid, NotFound, TooOften
from app.ids import Id
from app.models import UNFINISHED, MediaFile, MediaState, User, Workspace
from app.services.accounts import profiles
from app.services.media import checking, confirming, records
from app.services.media.offers import IN_PARTS, RATE, Offer, Rate, part_sizes, refusal
from app.storage import Mismatch, Missing, Signed, StorageError, TooLarge, keys, part_size
from platforms import REGISTRY

LASTS = timedelta(hours=1)
"""Life of an address. Whoever is slower asks for another one."""

MAX_ADDRESSES = 100
"""Of parts, in one answer."""

_OVER = "Nothing more of this file is expected. Add it again."


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
        await records.keep_to(rate, user)
        return await _arrival(await _prepared(file))
    except (TooOften, StorageError):
        await records.forget(file)
        raise


async def get(workspace: Workspace, media_id: Id) -> Arrival:
    """How far it is: after a cut connection, or a reload. Raises ``NotFound``."""
    return await _arrival(await records.known(workspace, media_id))


async def part_urls(workspace: Workspace, media_id: Id, numbers: Sequence[int]) -> dict[int, Signed]:
    """Where these parts are put; of more than ``MAX_ADDRESSES`` the first. Raises ``NotFound``, ``Invalid`` for what is over."""
    file = await records.known(workspace, media_id)
    if not _expected(file) or not file.upload_id:
        raise Invalid({"media": _OVER})
    sizes, upload = part_sizes(file.size, part_size(file.size)), records.upload_of(file)
    wanted = [number for number in dict.fromkeys(numbers) if number in sizes][:MAX_ADDRESSES]
    return {number: await records.storage().part_url(upload, number, size=sizes[number], lasts=LASTS) for number in wanted}


async def take(workspace: Workspace, media_id: Id, source: AsyncIterable[bytes]) -> None:
    """Bring the whole file through this process, for browsers that do not reach the storage; a piece of it in memory at a time.

    Raises ``NotFound``, and ``Invalid`` for what is over, or is not as long as announced.
    """
    file = await records.known(workspace, media_id)
    if not _expected(file):
        raise Invalid({"media": _OVER})
    try:
        await records.storage().write(file.incoming, source, mime=file.mime, size=file.size)
    except (Mismatch, TooLarge):
        raise Invalid({"media": "Not all of the file came, or more than was announced. Try again."}) from None
    if file.upload_id:
        await records.storage().abort(records.upload_of(file))


async def confirm(workspace: Workspace, media_id: Id) -> Arrival:
    """Look at what has come: afterwards it is ``ready``, or ``failed`` with the reason. Raises ``NotFound``.

    May be pressed any number of times, and cut off anywhere. It is still ``uploading`` if something is missing, and ``checking``
    if somebody else looks at it just now.
    """
    known = await records.known(workspace, media_id)
    async with checking.room(known.mime):
        known = await records.known(workspace, media_id)
        file = None if known.source else await confirming.claimed(known)
        if file is None:
            return await get(workspace, media_id)
        try:
            return Arrival(await confirming.checked(file))
        except confirming.NotThere:
            await confirming.release(file)
            return await get(workspace, media_id)
        except BaseException:  # a stop, a storage that is away: the next one need not wait for the lease
            await asyncio.shield(confirming.release(file))
            raise


async def cancel(workspace: Workspace, media_id: Id) -> MediaFile:
    """Take it back, unless it is ready: then it is a file as any other. Raises ``NotFound``."""
    file = await records.known(workspace, media_id)
    taken = await records.move(file, [*UNFINISHED, MediaState.FAILED], state=MediaState.DELETED, claim=None, source="")
    if taken is None:
        return await records.known(workspace, media_id)
    with suppress(StorageError):
        await records.clear(taken)
    return taken


# --- the steps --------------------------------------------------------------------------------------------------------


def _expected(file: MediaFile) -> bool:
    """Whether a browser may still bring something of it: what a worker fetches is no browser's."""
    return file.state is MediaState.UPLOADING and not file.source


async def _prepared(file: MediaFile) -> MediaFile:
    """With the storage's upload, if it comes in parts."""
    if file.size <= IN_PARTS:
        return file
    upload = await records.storage().begin(file.incoming, mime=file.mime)
    known = await records.move(file, [MediaState.UPLOADING], upload_id=upload.id)
    if known is None:
        await records.storage().abort(upload)
        raise NotFound
    return known


async def _arrival(file: MediaFile) -> Arrival:
    if not _expected(file):
        return Arrival(file)
    if not file.upload_id:
        put = await records.storage().put_url(file.incoming, mime=file.mime, size=file.size, lasts=LASTS)
        return Arrival(file, put=put)
    sizes = part_sizes(file.size, part_size(file.size))
    try:
        there = await records.storage().parts(records.upload_of(file))
    except Missing:
        if not await records.is_there(file):
            failed = await records.move(file, [MediaState.UPLOADING], state=MediaState.FAILED, reason=confirming.LOST)
            return Arrival(failed or await records.again(file))
        return Arrival(file, sizes=sizes, there=tuple(sizes))  # put together, and nobody heard of it
    return Arrival(file, sizes=sizes, there=[part.number for part in there if sizes.get(part.number) == part.size])
