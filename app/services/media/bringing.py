"""A file brought from its address by whoever claims it, then looked at as an upload (:mod:`app.services.media.importing`).

Who claims a file holds it for a lease and renews that with every note of how far it is; a note that finds the claim gone ends the
work. Only a few are fetched at once by one process, beside the messages that asked for them.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterable, Collection
from contextlib import suppress
from dataclasses import dataclass

import httpx
from pymongo.errors import PyMongoError

from app import runtime
from app.errors import Invalid, NotFound
from app.ids import Id
from app.models import EPOCH, UNFINISHED, MediaFile, MediaState, now, reading
from app.queries import equal
from app.sealing import SealBroken
from app.services.media import checking, confirming, fetching, records
from app.services.media.fetching import Patience
from app.storage import StorageError, keys

log = logging.getLogger(__name__)

NOTE = 1.0
"""Seconds between two notes of how far a file is."""

PATIENCE = Patience()

_AT_ONCE = 4
"""Files that one process fetches at a time."""

_PAUSE = 0.25
_UNREADABLE = "The address cannot be read any more, because the installation's secret key was changed. Add it again."

_running: set["asyncio.Task[None]"] = set()
_working: set["asyncio.Task[None]"] = set()
"""Strong references: the event loop keeps only weak ones to its tasks."""


@dataclass(slots=True)
class _Job:
    """One worker's claim on a file, and how much of it came."""

    file: MediaFile
    came: int = 0


async def take(media_id: Id) -> bool:
    """Begin with the file beside the message. ``False`` if this process fetches as many as it can: let the message come again."""
    if len(_running) >= _AT_ONCE:
        return not await _waits(media_id)
    work = asyncio.create_task(_fetch_quietly(media_id), name=f"fetch {media_id}")
    _running.add(work)
    work.add_done_callback(_running.discard)
    return True


async def hand_over() -> None:
    """The process is to stop: give back what is being fetched. Another one, or the next start, begins it anew."""
    while _running:
        await _end(set(_working))
        await asyncio.wait(set(_running), timeout=_PAUSE)


async def fetch(media_id: Id, *, patience: Patience = PATIENCE) -> None:
    """Fetch the file and look at it, unless somebody else does. Afterwards it is ready, or failed with the reason.

    Raises what the storage and the database raise; the claim is given back then, as it is when this is canceled.
    """
    file = await _claimed(media_id)
    if file is None:
        return
    job = _Job(file, came=file.arrived if file.state is MediaState.CHECKING else 0)
    work = asyncio.create_task(_work(job, patience))
    _working.add(work)
    try:
        await work
    except BaseException as error:
        await _end({work})
        await asyncio.shield(_release(job, at_once=isinstance(error, asyncio.CancelledError)))
        raise
    finally:
        _working.discard(work)


async def _fetch_quietly(media_id: Id) -> None:
    """What breaks on our side is looked at again by :func:`importing.resume`."""
    try:
        await fetch(media_id)
    except Exception as error:  # noqa: BLE001 - nobody waits for this task
        log.warning("file %s: not fetched, and sent again later: %s", media_id, type(error).__name__)


async def _waits(media_id: Id) -> bool:
    """Whether it waits for its turn; then this is a sign of life."""
    file = await reading.get(MediaFile, media_id)
    if file is None or not file.source or file.state not in UNFINISHED:
        return False
    return await records.move(file, [file.state], {"claimed_until": {"$lt": now()}}, noted_at=now()) is not None


async def _claimed(media_id: Id) -> MediaFile | None:
    file = await reading.get(MediaFile, media_id)
    if file is None or not file.source or file.state not in UNFINISHED:
        return None
    at = now()
    claim = {"claim": Id(), "claimed_until": at + records.lease(), "noted_at": at}
    return await records.move(file, [file.state], {"claimed_until": {"$lt": at}}, **claim)


async def _release(job: _Job, *, at_once: bool) -> None:
    """Back to :func:`importing.resume`, which waits with what broke, and not with what a process that stops had in its hands."""
    silent = {"noted_at": EPOCH} if at_once else {}
    await _held(job, claim=None, claimed_until=EPOCH, **silent)


async def _held(job: _Job, **changes: object) -> MediaFile | None:
    """The changed file, if it is still ours."""
    return await records.move(job.file, sorted(UNFINISHED), equal(claim=job.file.claim), **changes)


async def _work(job: _Job, patience: Patience) -> None:
    """Bring the file while notes are taken; who takes it back ends this within a note's time, and nothing of it stays."""
    work, watch = asyncio.create_task(_bring(job, patience)), asyncio.create_task(_note(job))
    try:
        await asyncio.wait({work, watch}, return_when=asyncio.FIRST_COMPLETED)
        if not work.done() and await _is_ended(job):
            await work
    finally:
        await _end({work, watch})
    for each in (work, watch):
        if not each.cancelled() and (error := each.exception()):
            raise error
    known = await records.again(job.file)
    if known.state is MediaState.DELETED:
        with suppress(StorageError):
            await records.clear(job.file)


async def _end(tasks: Collection["asyncio.Task[None]"]) -> None:
    """Asked again and again: the database driver swallows a cancellation that meets it in the middle of a command."""
    while open_ones := [task for task in tasks if not task.done()]:
        for task in open_ones:
            task.cancel()
        await asyncio.wait(open_ones, timeout=_PAUSE)


async def _is_ended(job: _Job) -> bool:
    """Whether the claim is gone because the work wrote down what came of it, and only has to tidy up."""
    return (await records.again(job.file)).state in {MediaState.READY, MediaState.FAILED}


async def _note(job: _Job) -> None:
    """Write down how far it is, until it is no longer ours. A database that is away is waited for, as long as the lease is."""
    while True:
        at = now()
        try:
            if await _held(job, arrived=job.came, noted_at=at, claimed_until=at + records.lease()) is None:
                return
        except PyMongoError as error:
            log.warning("file %s: not noted how far it is: %s", job.file.id, type(error).__name__)
        await asyncio.sleep(NOTE)


async def _bring(job: _Job, patience: Patience) -> None:
    try:
        if job.file.state is MediaState.UPLOADING:
            await _fetched(job, patience)
        async with checking.room(job.file.mime):
            await confirming.checked(job.file)
    except NotFound:
        return  # taken back
    except confirming.NotThere:
        await _failed(job, confirming.LOST)
    except Invalid as refused:
        await _failed(job, " ".join(refused.problems.values()))


async def _fetched(job: _Job, patience: Patience) -> None:
    """Its bytes in ``temp/``, and the next state. Raises ``Invalid``."""
    try:
        async with asyncio.timeout(patience.total.total_seconds()), fetching.found(_address(job.file), patience) as found:
            file = job.file
            incoming = keys.temp(file.workspace_id, file.id, found.mime)
            await _advance(job, incoming=incoming, mime=found.mime, size=found.size)
            stored = await records.storage().write(incoming, _watched(job, found.pieces), mime=found.mime)
    except TimeoutError:
        raise fetching.slow() from None
    await _advance(job, state=MediaState.CHECKING, size=stored.size, arrived=stored.size)


async def _advance(job: _Job, **changes: object) -> None:
    """Raises ``NotFound`` if it is no longer ours."""
    moved = await records.move(job.file, [MediaState.UPLOADING], equal(claim=job.file.claim), **changes)
    if moved is None:
        raise NotFound
    job.file = moved


async def _watched(job: _Job, pieces: AsyncIterable[bytes]) -> AsyncGenerator[bytes, None]:
    async for piece in pieces:
        job.came += len(piece)
        yield piece


def _address(file: MediaFile) -> httpx.URL:
    try:
        return httpx.URL(runtime.current().sealer.open(file.source)["address"])
    except SealBroken:
        raise Invalid({"media": _UNREADABLE}) from None


async def _failed(job: _Job, reason: str) -> None:
    failed = await _held(job, state=MediaState.FAILED, reason=reason, claim=None, claimed_until=EPOCH)
    if failed is not None:
        with suppress(StorageError):
            await records.clear(failed)
