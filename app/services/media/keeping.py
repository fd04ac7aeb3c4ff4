"""What is kept of files that went out: what was made of them for a month, and they themselves as their workspace wants."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from app import runtime
from app.ids import Id
from app.models import FINAL, Delivery, FittedFile, Post, in_millis, reading
from app.queries import equal

FITTED_KEPT = timedelta(days=30)
"""After it was wanted last, which is ten minutes before its post goes out. It can be made again."""

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


# --- what needs files -------------------------------------------------------------------------------------------------


async def needed_among(workspace_id: Id, media_ids: set[Id]) -> set[Id]:
    """Those of the files that a draft holds, or a post of which something is not over yet."""
    posts = await holding(workspace_id, media_ids)
    open_ones = await _open({post.id for post in posts})
    needing = [post for post in posts if post.draft or post.settling or post.id in open_ones]
    return {file for post in needing for file in files_of(post)} & media_ids


async def holding(workspace_id: Id, media_ids: set[Id]) -> list[Post]:
    """The posts that hold any of the files, for all accounts or for one. The embedded engine finds no ``$in`` within lists."""
    lists = ("attachments", "variants.attachments")
    places = [{f"{each}.media_id": str(media_id)} for each in lists for media_id in sorted(media_ids)]
    return await reading.find(Post, {**equal(workspace_id=workspace_id), "$or": places})


def files_of(post: Post) -> set[Id]:
    """All that it holds."""
    own = [attachment for variant in post.variants for attachment in variant.attachments or []]
    return {attachment.media_id for attachment in (*post.attachments, *own)}


async def _open(post_ids: set[Id]) -> set[Id]:
    """Those with a delivery that is not over."""
    found = await reading.rows(Delivery, {"post_id": {"$in": sorted(post_ids)}}, ["post_id", "state"]) if post_ids else []
    return {Id(one["post_id"]) for one in found if one["state"] not in FINAL}
