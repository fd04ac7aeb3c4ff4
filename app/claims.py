"""Who makes a file fit, and how far that is: one at a time wherever workers run, and taken over from one that is gone."""

from datetime import timedelta
from typing import Any

from pymongo.errors import DuplicateKeyError

from app.ids import Id
from app.models import FittedFile, MediaFile, in_millis, now, reading

LEASE = timedelta(seconds=60)
"""Renewed all the while; so long after a worker died another one may begin anew."""


async def take(key: str, file: MediaFile) -> Id | None:
    """Our claim to make what will lie under ``key``; ``None`` while somebody else makes it."""
    claim, at = Id(), in_millis(now())
    fresh: dict[str, Any] = {"claim": claim, "lease_ms": in_millis(now() + LEASE), "share": 0.0, "used_ms": at}
    free = {"_id": key, "lease_ms": {"$lt": at}}
    if (await FittedFile.get_pymongo_collection().update_one(free, {"$set": fresh})).matched_count:
        return claim
    try:
        await FittedFile(id=key, workspace_id=file.workspace_id, media_id=file.id, **fresh).insert()
    except DuplicateKeyError:
        return None
    return claim


async def keep(key: str, claim: Id, share: float) -> bool:
    """It goes on; ``False`` if somebody else has taken it over."""
    return await _set(key, claim, {"lease_ms": in_millis(now() + LEASE), "share": share})


async def end(key: str, claim: Id) -> None:
    """It is made, or nothing came of it: whoever wants it next looks."""
    await _set(key, claim, {"claim": None, "lease_ms": 0})


async def share(key: str) -> float:
    """How much is done of what somebody makes; 0 if nobody knows."""
    found = await reading.rows(FittedFile, {"_id": key}, ["share"])
    return float(found[0]["share"]) if found else 0.0


async def touch(key: str) -> None:
    """It is wanted."""
    await FittedFile.get_pymongo_collection().update_one({"_id": key}, {"$set": {"used_ms": in_millis(now())}})


async def _set(key: str, claim: Id, changes: dict[str, Any]) -> bool:
    found = await FittedFile.get_pymongo_collection().update_one({"_id": key, "claim": claim}, {"$set": changes})
    return found.matched_count > 0
