"""The shelf of a workspace's files: found by name and description, kind, use and folder, the newest first."""

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.ids import Id
from app.models import MediaFile, MediaState, Post, Workspace, reading
from app.queries import equal
from app.storage import keys
from platforms.base import MediaKind

PAGE, MOST = 40, 200
"""Files of one page, and at most."""

_LOOKED_AT = 200
"""Files that are looked through for a page of those that are used, or are not; a short page may have others behind it."""

_LONGEST_SEARCH = 100
_MOST_FOLDERS = 5_000
"""Files whose folders are read to list them."""

USED, UNUSED = "used", "unused"
KINDS: Mapping[str, Sequence[str]] = {
    name: sorted(mime for mime in keys.TYPES.values() if MediaKind.of(mime) is kind)
    for name, kind in (("images", MediaKind.IMAGE), ("gifs", MediaKind.GIF), ("videos", MediaKind.VIDEO))
}
"""Types by the name of their filter."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which files: ``search`` in name or description whatever its case, ``kind`` one of ``KINDS``, ``use`` one of ``USED`` and
    ``UNUSED``, ``folder`` its whole name. What is empty, or is none of these, asks for all.
    """

    search: str = ""
    kind: str = ""
    use: str = ""
    folder: str = ""

    @property
    def anything(self) -> bool:
        """Whether it asks for all there is."""
        return not (self.search.strip() or self.kind in KINDS or self.use in (USED, UNUSED) or self.folder)


ALL = Wanted()


@dataclass(frozen=True, slots=True)
class Shelf:
    """One page: its ``files``, how many posts hold each (``uses``, 0 left out), and where the next page begins (``older``)."""

    files: Sequence[MediaFile]
    uses: Mapping[Id, int]
    older: Id | None


async def shelf(workspace: Workspace, wanted: Wanted = ALL, *, before: Id | None = None, count: int = PAGE) -> Shelf:
    """The workspace's newest ready files that are ``wanted``, older than ``before``: a question for files, and one for posts.

    By id and not by date: the embedded engine compares dates by the second, so the pages would not fit together.
    """
    count = max(1, min(MOST, count))
    by_use = wanted.use in (USED, UNUSED)
    look = max(count, _LOOKED_AT) if by_use else count
    found = await reading.find(MediaFile, _query(workspace, wanted, before), sort=[("order", -1)], limit=look + 1)
    looked = found[:look]
    uses = await _uses(workspace, [file.id for file in looked])
    fitting = [file for file in looked if not by_use or (file.id in uses) == (wanted.use == USED)]
    shown = fitting[:count]
    older = shown[-1].id if len(fitting) > count else looked[-1].id if len(found) > look else None
    return Shelf(shown, {file.id: uses[file.id] for file in shown if file.id in uses}, older)


def _query(workspace: Workspace, wanted: Wanted, before: Id | None) -> dict[str, Any]:
    query = equal(workspace_id=workspace.id, state=MediaState.READY)
    if before:
        query["order"] = {"$lt": before}
    if wanted.kind in KINDS:
        query["mime"] = {"$in": list(KINDS[wanted.kind])}
    if wanted.folder:
        query |= equal(folder=wanted.folder)
    if words := wanted.search.strip()[:_LONGEST_SEARCH]:
        like = {"$regex": re.escape(words), "$options": "i"}
        query["$or"] = [{"name": like}, {"alt": like}]
    return query


async def _uses(workspace: Workspace, media_ids: Sequence[Id]) -> Counter[Id]:
    """How many posts hold each of them."""
    if not media_ids:
        return Counter()
    held = {**equal(workspace_id=workspace.id), "holds": {"$in": list(media_ids)}}
    asked = set(media_ids)
    return Counter(Id(one) for post in await reading.rows(Post, held, ["holds"]) for one in post["holds"] if one in asked)


async def folders(workspace: Workspace) -> list[str]:
    """The names of the workspace's folders. A folder is there as long as a file is in it."""
    query = {**equal(workspace_id=workspace.id, state=MediaState.READY), "folder": {"$gt": ""}}
    found = await reading.rows(MediaFile, query, ["folder"], limit=_MOST_FOLDERS)
    return sorted({file["folder"] for file in found}, key=str.casefold)


async def picked(workspace: Workspace, media_ids: Collection[Id]) -> list[MediaFile]:
    """Those of the files that are ready and the workspace's own, in the order of ``media_ids``; others are nobody's business."""
    query = {"_id": {"$in": list(media_ids)}, **equal(workspace_id=workspace.id, state=MediaState.READY)}
    known = {file.id: file for file in await reading.find(MediaFile, query)} if media_ids else {}
    return [known[each] for each in media_ids if each in known]
