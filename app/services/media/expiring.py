"""What is forgotten of files that never became any."""

from datetime import datetime, timedelta

from app.models import UNFINISHED, MediaFile, MediaState, reading
from app.queries import equal
from app.services.media import records

KEPT = timedelta(days=1)
"""So long an upload may take, and so long is remembered what became of it."""

_BATCH = 50


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
        taken = await records.move(file, [file.state], state=MediaState.DELETED, claim=None)
        if taken is None:
            return False
    await records.clear(file)
    await records.forget(file)
    return True
