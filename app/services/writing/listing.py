"""The list of posts: a page of the newest, filtered by what became of them."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from app.ids import Id
from app.models import Delivery, MediaFile, Post, State, Workspace, reading
from app.queries import equal
from app.services.writing import views
from app.services.writing.composing import AttachedMedia
from app.services.writing.views import PostView

_Query = Mapping[str, Any]
_FILTERS: dict[str, tuple[_Query, ...]] = {
    "scheduled": (
        equal(state=State.SCHEDULED),
        equal(state=State.QUEUED),
        equal(state=State.PUBLISHING),
        equal(state=State.PROCESSING),
        equal(state=State.UNCONFIRMED, undecidable=False),
    ),
    "published": (equal(state=State.PUBLISHED),),
    "needs you": (
        equal(state=State.FAILED),
        equal(state=State.DEAD),
        equal(state=State.MISSED),
        equal(state=State.UNCONFIRMED, undecidable=True),
    ),
}


async def listed(workspace: Workspace, *, status: str | None = None, before: Id | None = None, limit: int = 20) -> list[PostView]:
    """The newest posts first, ``limit`` of them, older than ``before``. ``status``: drafts, scheduled, published, needs you.

    By id and not by date: the embedded engine compares dates by the second, so the pages would not fit together.
    """
    if status in _FILTERS:
        posts = await _posts_in(workspace, _FILTERS[status], before, limit)
    else:
        mine = equal(workspace_id=workspace.id, **({"draft": True} if status == "drafts" else {}))
        posts = await reading.find(Post, mine | _older("order", before), sort=[("order", -1)], limit=limit)
    return await views.of(posts, await _deliveries(workspace, [post.id for post in posts]))


def _older(field: str, than: Id | None) -> dict[str, Any]:
    return {field: {"$lt": than}} if than else {}


async def covers(workspace: Workspace, shown: Iterable[PostView]) -> dict[Id, AttachedMedia]:
    """The first picture of every post that has one, by the post's id."""
    first = {view.post.id: view.attachments[0] for view in shown if view.attachments}
    ids = list({attachment.media_id for attachment in first.values()})
    found = await reading.find(MediaFile, {"_id": {"$in": ids}}) if ids else []
    mine = {file.id: file for file in found if file.workspace_id == workspace.id}
    return {post_id: AttachedMedia.of(mine[one.media_id], one) for post_id, one in first.items() if one.media_id in mine}


# --- posts by the state of their deliveries ---------------------------------------------------------------------------


async def _posts_in(workspace: Workspace, wanted: Iterable[_Query], before: Id | None, limit: int) -> list[Post]:
    """Posts with a delivery that is ``wanted``. One question per state: each is answered by the index ``by_state``."""
    found = await asyncio.gather(*(_newest(equal(workspace_id=workspace.id) | dict(which), before, limit) for which in wanted))
    newest = sorted(set().union(*found), reverse=True)[:limit]
    posts = {post.id: post for post in await reading.find(Post, {"_id": {"$in": newest}})} if newest else {}
    return [posts[one] for one in newest if one in posts]


async def _newest(query: _Query, before: Id | None, limit: int) -> set[Id]:
    """The ids of the ``limit`` newest posts with such a delivery. Mostly a post has one or two, so few are read at first."""
    ids: set[Id] = set()
    size = limit
    while True:
        older = {**query, **_older("post_id", before)}
        found = [one["post_id"] for one in await reading.rows(Delivery, older, ["post_id"], sort=[("post_id", -1)], limit=size)]
        ids.update(Id(one) for one in found)
        if len(found) < size or len(ids) >= limit:
            return ids
        before, size = Id(found[-1]), size * 2


# --- the deliveries of a page -----------------------------------------------------------------------------------------

_PER_POST = 3
"""Deliveries per post that a page is expected to have."""


async def _deliveries(workspace: Workspace, post_ids: Sequence[Id]) -> list[Delivery]:
    """All deliveries of these posts. The embedded engine answers a range from an index, and reads everything for ``$in``.

    Between the posts of a filtered page there may be thousands of others, so the range has an end; posts that it does not hold
    whole are asked for one by one.
    """
    if not post_ids:
        return []
    most = _PER_POST * len(post_ids)
    query = {**equal(workspace_id=workspace.id), "post_id": {"$gte": min(post_ids), "$lte": max(post_ids)}}
    raw = await reading.rows(Delivery, query, sort=[("post_id", -1)], limit=most)
    whole = {one for one in post_ids if len(raw) < most or one > raw[-1]["post_id"]}
    others = await asyncio.gather(*(_of(workspace, one) for one in post_ids if one not in whole))
    read = (reading.readable(Delivery, one) for one in raw if one["post_id"] in whole)
    return [one for one in read if one is not None] + [one for some in others for one in some]


async def _of(workspace: Workspace, post_id: Id) -> list[Delivery]:
    return await reading.find(Delivery, equal(workspace_id=workspace.id, post_id=post_id))
