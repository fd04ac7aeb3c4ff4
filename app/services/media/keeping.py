"""What is kept of files that went out: what was made of them for a month, and they themselves as their workspace wants."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from pymongo import ReturnDocument

from app import runtime
from app.errors import NotFound, TooLate
from app.ids import Id
from app.models import EPOCH, Delivery, FittedFile, MediaFile, MediaState, Post, Workspace, in_millis, reading
from app.queries import equal
from app.services.media import removing

FITTED_KEPT = timedelta(days=30)
"""After it was wanted last, which is ten minutes before its post goes out. It can be made again."""

EVERY = timedelta(days=1)
"""Between two looks at all files of a workspace."""

_BATCH = 50
_BREATH = 0.5
"""Seconds between two batches: the embedded engine writes each change to the disk before it answers anybody else."""


async def drop_fitted(at: datetime) -> int:
    """Remove what was made of files and is not wanted any more; how much. Any number may do so at once."""
    removed, before = 0, in_millis(at - FITTED_KEPT)
    while batch := await reading.rows(FittedFile, {"used_ms": {"$lt": before}}, sort="used_ms", limit=_BATCH):
        ordered = sorted(batch, key=lambda one: str(one["workspace_id"]))
        for workspace_id, some in groupby(ordered, key=lambda one: Id(one["workspace_id"])):
            removed += await _drop_unneeded(workspace_id, list(some), at)
        await asyncio.sleep(_BREATH if len(batch) == _BATCH else 0)
    return removed


async def _drop_unneeded(workspace_id: Id, some: Sequence[dict[str, Any]], at: datetime) -> int:
    needed = await needed_among(workspace_id, {Id(one["media_id"]) for one in some})
    kept = [one for one in some if one["media_id"] in needed or one["lease_ms"] > in_millis(at)]
    for one in kept:
        await FittedFile.get_pymongo_collection().update_one(_as_seen(one), {"$set": {"used_ms": in_millis(at)}})
    for one in some:
        if one not in kept:  # its bytes first: what an interruption leaves is found again
            await runtime.current().storage.delete(one["_id"])
            await FittedFile.get_pymongo_collection().delete_one(_as_seen(one))
    return len(some) - len(kept)


def _as_seen(one: dict[str, Any]) -> dict[str, Any]:
    """Somebody who wants it meanwhile writes that down, and makes it again."""
    return {"_id": one["_id"], "used_ms": one["used_ms"]}


# --- files themselves -------------------------------------------------------------------------------------------------


async def drop_files(at: datetime) -> int:
    """Delete the files that nobody needs, of workspaces that want that, long enough after their last use; how many.

    Each file goes the way of one that a person deletes, so a post that is saved with it at that moment keeps it. Any number of
    processes may do so at once, and each workspace is looked at once a day.
    """
    removed = 0
    while (workspace := await _due(at)) is not None:
        removed += await _drop_unused(workspace, at - timedelta(days=workspace.keep_files))
    return removed


async def _due(at: datetime) -> Workspace | None:
    """One that wants it and was not looked at for a day; from now on it was."""
    query = {"keep_files": {"$gt": 0}, "swept_ms": {"$lt": in_millis(at - EVERY)}}
    found = await Workspace.get_pymongo_collection().find_one_and_update(
        query, {"$set": {"swept_ms": in_millis(at)}}, return_document=ReturnDocument.AFTER
    )
    return reading.readable(Workspace, found) if found is not None else None


async def _drop_unused(workspace: Workspace, before: datetime) -> int:
    """The oldest first, in the order of their ids."""
    removed, last = 0, ""
    ready = equal(workspace_id=workspace.id, state=MediaState.READY)
    while batch := await reading.find(MediaFile, {**ready, "order": {"$gt": last}}, sort="order", limit=_BATCH):
        last = batch[-1].order
        if batch[0].created_at >= before:
            break
        used = await _used_since(workspace, {file.id for file in batch}, before)
        for file in batch:
            if file.created_at < before and file.id not in used:
                removed += await _deleted(workspace, file)
        await asyncio.sleep(_BREATH)
    return removed


async def _used_since(workspace: Workspace, media_ids: set[Id], before: datetime) -> set[Id]:
    """Those that a post held which was saved, or was to go out, later than that."""
    posts = await holding(workspace.id, media_ids)
    return {file for post in posts if max(post.updated_at, post.planned_at or EPOCH) >= before for file in post.holds}


async def _deleted(workspace: Workspace, file: MediaFile) -> bool:
    try:
        await removing.delete(workspace, file.id)
    except (NotFound, TooLate):  # somebody was quicker, or needs it; Conflict is one of the latter
        return False
    return True


# --- what needs files -------------------------------------------------------------------------------------------------


async def needed_among(workspace_id: Id, media_ids: set[Id]) -> set[Id]:
    """Those of the files that a draft holds, or a post of which something is not over yet."""
    posts = await holding(workspace_id, media_ids)
    open_ones = await _open({post.id for post in posts})
    needing = [post for post in posts if post.draft or post.settling or post.id in open_ones]
    return {file for post in needing for file in post.holds} & media_ids


async def holding(workspace_id: Id, media_ids: set[Id]) -> list[Post]:
    """The posts that hold any of the files, for all accounts or for one."""
    return await reading.find(Post, {**equal(workspace_id=workspace_id), "holds": {"$in": sorted(media_ids)}})


async def _open(post_ids: set[Id]) -> set[Id]:
    """Those with a delivery that is not over."""
    found = await reading.rows(Delivery, {"post_id": {"$in": sorted(post_ids)}}, ["post_id", "state"]) if post_ids else []
    return {Id(one["post_id"]) for one in found if one["state"] not in removing.OVER}
