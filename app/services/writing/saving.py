"""Saving a post where its form says: into the revision it was made from, or as a new one, and only once.

Every save names the revision it was made from (``base``) and is refused with :class:`Conflict` if somebody else saved meanwhile;
``engine/outbox`` tells in which order post and deliveries are written. A form that is submitted twice (the same ``new_id``), or
again after a crash in between, completes the same post instead of making another.
"""

import asyncio
from dataclasses import dataclass
from typing import Any

from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from app.engine import deliveries, dispatching, fitting, outbox
from app.errors import Conflict, GoneOut, NotFound, Unsure
from app.ids import Id
from app.models import Post, State, Workspace, now, reading
from app.services.media import pins

CANCELED = "This post was canceled. Press the button again if it is to go out after all."


@dataclass(frozen=True, slots=True)
class Target:
    """Where a form is saved: into the post ``post_id`` as of revision ``base``, or as a new post with the id ``new_id``.

    ``sure``: the person was told that the post is canceled, and means it.
    """

    post_id: Id | None = None
    base: Id | None = None
    new_id: Id | None = None
    sure: bool = False


NEW = Target()

_AUTHORED = {"text", "language", "attachments", "variants", "draft"}
_KEPT = {"id", "order", "workspace_id", "author_id", "created_at"}


async def get(workspace: Workspace, post_id: Id) -> Post:
    """The post, if it belongs to ``workspace``. Raises ``NotFound``."""
    post = await reading.get(Post, post_id)
    if post is None or post.workspace_id != workspace.id:
        raise NotFound
    return post


async def save(workspace: Workspace, post: Post, target: Target) -> Post:
    """Write the whole ``post`` where ``target`` says. Raises ``NotFound``, ``TooLate``, ``Conflict``, ``Unsure``.

    Its files are pinned meanwhile; ``Invalid`` if one is gone.
    """
    async with pins.held(workspace, post.holds):
        return await _save(workspace, post, target)


async def _save(workspace: Workspace, post: Post, target: Target) -> Post:
    post.fit_ms = fitting.first_look(post)
    if target.post_id is None:
        try:
            await post.insert()
        except DuplicateKeyError:  # the form was sent before; perhaps somebody went back to it and changed it
            return await _again(workspace, post)
        return await settled(post)
    known = await get(workspace, target.post_id)
    if target.base is not None and known.revision != target.base:
        return await _again(workspace, post)
    return await _replace(known, post, sure=target.sure)


async def _again(workspace: Workspace, post: Post) -> Post:
    """The form was made from an older revision: either it is the very form that was saved, or somebody else was faster."""
    known = await get(workspace, post.id)
    if known.canceled or not _says_the_same(known, post):
        raise Conflict
    return await settled(known)


async def _replace(known: Post, post: Post, *, sure: bool) -> Post:
    found = await outbox.of(known.id)
    if any(one.state == State.PUBLISHED for one in found) and (post.draft or not any(one.editable for one in found)):
        raise GoneOut
    if known.canceled and not post.draft and not sure:
        raise Unsure(CANCELED)
    return await change(known, post.model_dump(exclude=_KEPT))


async def change(known: Post, changes: dict[str, Any]) -> Post:
    """Hold, save, follow: see :mod:`app.engine.outbox`. Raises ``TooLate``, ``Conflict``; then nothing was changed."""
    token = Id()
    await outbox.hold(known, token)
    saved = None
    try:
        saved = await compare_and_set(known, changes)
    finally:
        if saved is None:
            await asyncio.shield(deliveries.let_go(known.id, token))
    if saved is None:
        raise Conflict
    return await settled(saved)


async def compare_and_set(known: Post, changes: dict[str, Any]) -> Post | None:
    """The post with a new revision, unless it has another one by now; what follows from it is still to be :func:`settled`."""
    fresh = {"revision": Id(), "settling": True, "settling_at": now(), "updated_at": now(), "canceled": False, **changes}
    fresh = {"fit_ms": fitting.first_look(known), **fresh}
    fresh["holds"] = Post.model_validate(known.model_dump() | fresh).holds
    posts = Post.get_pymongo_collection()
    query = {"_id": known.id, "revision": known.revision}
    found = await posts.find_one_and_update(query, {"$set": fresh}, return_document=ReturnDocument.AFTER)
    if found is None:  # it may be our own write, applied before its answer was lost
        found = await posts.find_one({"_id": known.id, "revision": fresh["revision"]})
    return Post.model_validate(found) if found else None


async def settled(post: Post) -> Post:
    """Let the deliveries follow, and hurry what is due. Raises ``NotFound`` if it was deleted meanwhile."""
    waiting = await outbox.settle(post)
    dispatching.hurry(waiting)
    if await reading.get(Post, post.id) is None:
        raise NotFound
    return post


def _says_the_same(one: Post, other: Post) -> bool:
    """Two presses of *Publish now* are not planned for the same instant, and mean the same all the same."""
    if one.model_dump(include=_AUTHORED) != other.model_dump(include=_AUTHORED):
        return False
    if one.planned_local != other.planned_local or (one.planned_at is None) != (other.planned_at is None):
        return False
    return one.planned_local is None or one.zone == other.zone
