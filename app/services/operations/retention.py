"""What grows with use and nobody needs any more is removed: old attempts, what has expired, uploads nobody finished, and
files that went out long ago.

MongoDB removes the expired by itself; the embedded engine takes the index and does nothing. Evidence must not go by age alone, so
attempts are no matter for such an index on either of them.
"""

import asyncio
import logging
import random
from datetime import datetime, timedelta
from typing import Any

from beanie import Document

from app import runtime
from app.models import FINAL, Delivery, LoginSession, PastAttempt, PendingChoice, PendingConnection, State, now, reading
from app.services.media import expiring, keeping
from app.storage.sweeping import sweep

log = logging.getLogger(__name__)

BATCH = 50
"""Documents removed in one go: the embedded engine writes each to the disk before it answers anybody else."""

_EVERY = 3600.0
_BREATH = 0.5
"""Seconds between two passes, and between two batches of one."""
_OPEN = sorted(set(State) - FINAL)


async def run() -> None:
    """Tidy up until canceled; processes that start together do so at different times."""
    while True:
        await asyncio.sleep(_EVERY * random.uniform(0.5, 1.5))  # noqa: S311 - no secret
        try:
            removed = await remove_attempts(now())
            await remove_idle(now())
            await expiring.expire(now())
            await keeping.drop_fitted(now())
            await keeping.drop_files(now())
            await sweep(runtime.current().storage, now())
        except Exception:
            log.exception("tidying up failed; it is tried again in an hour")
        else:
            log.info("removed %d old attempts", removed)


async def remove_attempts(at: datetime) -> int:
    """Remove attempts older than ``keep_attempts_days``, but never those of an open delivery; how many."""
    before = at - timedelta(days=runtime.current().settings.keep_attempts_days)
    removed = kept = 0
    while batch := await _older_than(before, skip=kept):
        open_ones = await _open({attempt["delivery_id"] for attempt in batch})
        gone = [attempt["_id"] for attempt in batch if attempt["delivery_id"] not in open_ones]
        await PastAttempt.get_pymongo_collection().delete_many({"_id": {"$in": gone}})
        removed, kept = removed + len(gone), kept + len(batch) - len(gone)
        await asyncio.sleep(_BREATH if len(batch) == BATCH else 0)
    return removed


async def remove_idle(at: datetime) -> None:
    """Remove sessions and consents that have expired."""
    expiring: tuple[type[Document], ...] = (LoginSession, PendingConnection, PendingChoice)
    for document in expiring:
        await document.get_pymongo_collection().delete_many({"expires_at": {"$lt": at}})


async def _older_than(before: datetime, *, skip: int) -> list[dict[str, Any]]:
    """The oldest first, past those that are kept."""
    query = {"started_at": {"$lt": before}}
    return await reading.rows(PastAttempt, query, ["delivery_id"], sort="started_at", skip=skip, limit=BATCH)


async def _open(delivery_ids: set[Any]) -> set[Any]:
    """Those among the deliveries that are not final."""
    query = {"_id": {"$in": sorted(delivery_ids)}, "state": {"$in": _OPEN}}
    return {found["_id"] for found in await reading.rows(Delivery, query, ["_id"])}
