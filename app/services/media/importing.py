"""A file that a worker fetches from its address: begun by a person, brought by a worker (:mod:`app.services.media.bringing`).

``uploading → checking → ready | failed``, as :mod:`app.services.media.uploads` has it. The address may hold a secret, so it is
sealed, never shown and never logged; it goes when the file is ready or deleted, and stays with a failure so that it can be tried
again. A message only says that there is something to do; the document is the outbox. A file without a sign of life is sent to the
workers again, a few times (:func:`resume`): nothing stays on its way for ever.
"""

import asyncio
import logging
from collections.abc import Collection
from contextlib import suppress
from datetime import datetime, timedelta

from app import runtime
from app.courier import FETCH
from app.errors import TooOften
from app.ids import Id
from app.models import EPOCH, UNFINISHED, UPLOADS, MediaFile, MediaState, User, Workspace, now, reading
from app.queries import equal
from app.services.media import fetching, records
from app.services.media.offers import RATE, Offer, Rate
from app.storage import StorageError

log = logging.getLogger(__name__)

AGAIN = 5
"""How often a file without a sign of life is sent once more, each time after twice the wait: with a lease of a minute, that is an
hour in which no worker did anything."""

UNFINISHED_AT_ONCE = 10
"""Of one person's files that are being fetched."""

BREATH = timedelta(seconds=2)
"""Between two tries of one file by a person."""

_BATCH = 50
_GIVEN_UP = "No worker came to the end of fetching this file. Try again later."

_sending: set["asyncio.Task[bool]"] = set()
"""Strong references: the event loop keeps only weak ones to its tasks."""


# --- what a person does -----------------------------------------------------------------------------------------------


async def begin(workspace: Workspace, user: User, text: str, *, rate: Rate = RATE) -> MediaFile:
    """Have the file at the address ``text`` fetched. Raises ``Invalid`` (field ``address``) and ``TooOften``."""
    url = fetching.address(text)
    file = await MediaFile(
        workspace_id=workspace.id,
        uploader_id=user.id,
        state=MediaState.UPLOADING,
        mime="",
        size=0,
        name=Offer(fetching.name_of(url), "", 0).title,
        source=runtime.current().sealer.seal({"address": str(url)}),
        noted_at=now(),
        sent=1,
    ).insert()
    try:
        await records.keep_to(rate, user)
        await _keep_to_few(user.id)
    except BaseException:
        await records.forget(file)
        raise
    _send(file)
    return file


async def get(workspace: Workspace, media_id: Id) -> MediaFile:
    """How far it is. Raises ``NotFound``."""
    return await records.known(workspace, media_id)


async def among(workspace: Workspace, media_ids: Collection[Id]) -> list[MediaFile]:
    """Those of the files that are the workspace's, in their order: on their way, ready or failed."""
    found = [await reading.get(MediaFile, media_id) for media_id in media_ids]
    mine = [file for file in found if file is not None and file.workspace_id == workspace.id]
    return [file for file in mine if file.state is not MediaState.DELETED]


async def again(workspace: Workspace, user: User, media_id: Id) -> MediaFile:
    """Try once more what failed; anything else stays as it is. Raises ``NotFound``, ``TooOften``."""
    file = await records.known(workspace, media_id)
    if file.state is not MediaState.FAILED or not file.source:
        return file
    if now() - file.noted_at < BREATH:
        raise TooOften("It was tried just now. Wait a moment and try it again.", seconds=int(BREATH.total_seconds()))
    fresh = {"reason": "", "arrived": 0, "size": 0, "noted_at": now(), "claimed_until": EPOCH, "sent": 1, "uploader_id": user.id}
    begun = await records.move(file, [MediaState.FAILED], state=MediaState.UPLOADING, **fresh)
    if begun is None:
        return await records.again(file)
    try:
        await _keep_to_few(user.id)
    except TooOften:
        await records.move(begun, [MediaState.UPLOADING], equal(claim=None), state=MediaState.FAILED, reason=file.reason)
        raise
    _send(begun)
    return begun


async def _keep_to_few(user_id: Id) -> None:
    """Counted after it is written, as :func:`records.keep_to` does. Raises ``TooOften``."""
    media = MediaFile.get_pymongo_collection()
    open_ones = [{**equal(uploader_id=user_id, state=state), "source": {"$gt": ""}} for state in sorted(UNFINISHED)]
    if sum([await media.count_documents(query) for query in open_ones]) > UNFINISHED_AT_ONCE:
        raise TooOften(
            f"{UNFINISHED_AT_ONCE} files are being fetched for you already. Wait for one of them, and go on.", seconds=10
        )


def _send(file: MediaFile) -> None:
    """In the background: a form never waits for the broker."""
    task = asyncio.create_task(runtime.current().courier.send(FETCH, [file.id], UPLOADS), name="hurry")
    _sending.add(task)
    task.add_done_callback(_sending.discard)


# --- what is looked after ---------------------------------------------------------------------------------------------


async def resume(at: datetime) -> int:
    """Send what shows no sign of life to the workers again, or give it up; how many. Any number may do so at once."""
    found = 0
    for state in sorted(UNFINISHED):
        query = {**equal(state=state), "source": {"$gt": ""}, "noted_at": {"$lt": at - records.lease()}}
        silent = [file for file in await reading.find(MediaFile, query, limit=_BATCH) if _is_lost(file, at)]
        found += sum([await _resumed(file, at) for file in silent])
    return found


def _is_lost(file: MediaFile, at: datetime) -> bool:
    return at - file.noted_at > records.lease() * int(2 ** min(file.sent - 1, AGAIN))


async def _resumed(file: MediaFile, at: datetime) -> bool:
    seen = {**equal(sent=file.sent), "noted_at": {"$lt": at - records.lease()}}
    if file.sent > AGAIN:
        log.error("file %s: no worker could fetch it; given up", file.id)
        end = {"state": MediaState.FAILED, "reason": _GIVEN_UP, "claim": None, "claimed_until": EPOCH}
        failed = await records.move(file, [file.state], seen, **end)
        if failed is not None:
            with suppress(StorageError):
                await records.clear(failed)
        return failed is not None
    sent = await records.move(file, [file.state], seen, noted_at=at, sent=file.sent + 1)
    if sent is not None:
        log.warning("file %s: its worker is gone, or its message; sent again", file.id)
        _send(sent)
    return sent is not None
