"""Files that are there already, for somebody who looks for one to attach."""

import re
from collections.abc import Collection
from dataclasses import dataclass

from app.ids import Id
from app.models import MediaFile, MediaState, Workspace, reading
from app.queries import equal

FIRST, MOST = 24, 240
"""Files that are shown at first, and at most; who wants older ones searches."""

_LONGEST_SEARCH = 100


@dataclass(frozen=True, slots=True)
class Shelf:
    """The newest files that match; ``more`` if there are others behind them."""

    files: list[MediaFile]
    more: bool


async def shelf(workspace: Workspace, *, search: str = "", count: int = FIRST) -> Shelf:
    """The workspace's newest ready files whose name or description holds ``search``, whatever its case."""
    count = max(1, min(MOST, count))
    words = search.strip()[:_LONGEST_SEARCH]
    query = equal(workspace_id=workspace.id, state=MediaState.READY)
    if words:
        like = {"$regex": re.escape(words), "$options": "i"}
        query["$or"] = [{"name": like}, {"alt": like}]
    found = await reading.find(MediaFile, query, sort=[("created_at", -1), ("_id", -1)], limit=count + 1)
    return Shelf(found[:count], len(found) > count and count < MOST)


async def picked(workspace: Workspace, media_ids: Collection[Id]) -> list[MediaFile]:
    """Those of the files that are ready and the workspace's own, in the order of ``media_ids``; others are nobody's business."""
    query = {"_id": {"$in": list(media_ids)}, **equal(workspace_id=workspace.id, state=MediaState.READY)}
    known = {file.id: file for file in await reading.find(MediaFile, query)} if media_ids else {}
    return [known[each] for each in media_ids if each in known]
