"""Posts: writing them, and changing them for as long as nothing was sent.

Saving a post writes the post first and then its deliveries, each guarded by the unique pair of post and account. A form that is
submitted twice (the same ``new_id``), or again after a crash in between, completes the same post instead of making another.
"""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from pymongo.errors import DuplicateKeyError

from app.engine import deliveries, dispatching
from app.errors import Invalid, NotFound, TooLate
from app.ids import Id
from app.models import EDITABLE, Account, Attachment, Delivery, Post, State, User, Workspace, now
from app.queries import equal
from app.services.writing import composing, outbox
from app.services.writing.composing import AttachedMedia, Draft, Preview, attached, previews
from app.services.writing.views import DeliveryView, PostView, listed, view
from app.zones import ZONES, local, parse

__all__ = [
    "AttachedMedia",
    "DeliveryView",
    "Draft",
    "PostView",
    "Preview",
    "attached",
    "cancel",
    "delete",
    "draft_of",
    "listed",
    "previews",
    "publish_now",
    "reschedule",
    "save_draft",
    "schedule",
    "view",
]

FARTHEST = timedelta(days=5 * 366)
"""Later than this a date is a typing mistake."""

PAST = timedelta(minutes=1)
"""A time this much in the past is the minute that just went by; it is sent at once."""


# --- writing ----------------------------------------------------------------------------------------------------------


async def publish_now(
    workspace: Workspace, user: User, draft: Draft, *, post_id: Id | None = None, new_id: Id | None = None
) -> Post:
    """Publish as soon as a worker is free. Raises ``Invalid``; with ``post_id`` also ``NotFound``, ``TooLate``."""
    return await _submit(workspace, user, draft, now(), post_id=post_id, new_id=new_id)


async def schedule(
    workspace: Workspace, user: User, draft: Draft, *, post_id: Id | None = None, new_id: Id | None = None
) -> Post:
    """Publish at the draft's date and time. Raises ``Invalid``; with ``post_id`` also ``NotFound``, ``TooLate``."""
    return await _submit(workspace, user, draft, _chosen_time(draft.date, draft.time, draft.zone), post_id=post_id, new_id=new_id)


async def save_draft(
    workspace: Workspace, user: User, draft: Draft, *, post_id: Id | None = None, new_id: Id | None = None
) -> Post:
    """Keep the draft; nothing is checked but that it is not empty. A scheduled post becomes a draft again, if it still can."""
    if not draft.text.strip() and not draft.attachments:
        raise Invalid({"text": "Write something first."})
    planned_at = parse(draft.date, draft.time, draft.zone) if draft.date and draft.time else None
    known = await Post.get(post_id or new_id) if post_id or new_id else None
    if known is not None:
        await outbox.withdraw(await _get(workspace, known.id))
    accounts = await composing.chosen(workspace, draft.account_ids)
    post, _ = await _write(workspace, user, draft, accounts, planned_at, is_draft=True, post_id=post_id, new_id=new_id)
    return post


def _chosen_time(date: str, time: str, zone: str) -> datetime:
    at = parse(date, time, zone)
    if at < now() - PAST:
        raise Invalid({"date": "This time has passed. Choose a later one, or publish now."})
    if at > now() + FARTHEST:
        raise Invalid({"date": "Choose a time within the next five years."})
    return at


async def _submit(workspace: Workspace, user: User, draft: Draft, at: datetime, *, post_id: Id | None, new_id: Id | None) -> Post:
    shown = await composing.check(workspace, draft)
    accounts = [one.account for one in shown]
    post, repeated = await _write(workspace, user, draft, accounts, at, is_draft=False, post_id=post_id, new_id=new_id)
    await outbox.write(post, shown, change=not repeated)
    return post


async def _write(
    workspace: Workspace,
    user: User,
    draft: Draft,
    accounts: Sequence[Account],
    planned_at: datetime | None,
    *,
    is_draft: bool,
    post_id: Id | None,
    new_id: Id | None,
) -> tuple[Post, bool]:
    """The saved post, and whether this very form had saved it before: then only what a crash left undone is to be done."""
    post = Post(
        id=post_id or new_id or Id(),
        workspace_id=workspace.id,
        author_id=user.id,
        text=draft.text,
        language=draft.language,
        attachments=await _own_attachments(workspace, draft),
        variants=[draft.variant(account) for account in accounts],
        draft=is_draft,
        planned_at=planned_at,
        zone=draft.zone if draft.zone in ZONES else workspace.zone,
    )
    if post_id is None:
        with suppress(DuplicateKeyError):  # the form was sent before; perhaps somebody went back to it and changed it
            return await post.insert(), False
    known = await _get(workspace, post.id)
    if post_id is None and _says_the_same(known, post):
        return known, True
    changes = post.model_dump(exclude={"id", "order", "workspace_id", "author_id", "created_at"})
    await Post.get_pymongo_collection().update_one({"_id": known.id}, {"$set": changes})
    return await _get(workspace, known.id), False


def _says_the_same(one: Post, other: Post) -> bool:
    """Two presses of *Publish now* are not planned for the same instant, so a minute is the same time."""
    authored = {"text", "language", "attachments", "variants", "draft"}
    if one.model_dump(include=authored) != other.model_dump(include=authored):
        return False
    if one.planned_at is None or other.planned_at is None:
        return one.planned_at == other.planned_at
    return abs(one.planned_at - other.planned_at) < PAST


async def _own_attachments(workspace: Workspace, draft: Draft) -> list[Attachment]:
    return [Attachment(media_id=one.file.id, alt=one.alt) for one in await composing.attached(workspace, draft.attachments)]


# --- people's actions on a whole post ---------------------------------------------------------------------------------


async def reschedule(workspace: Workspace, post_id: Id, *, date: str, time: str, zone: str) -> Post:
    """Move everything that is not sent yet. Raises ``Invalid``, ``NotFound``, ``TooLate`` (nothing could be moved)."""
    post = await _get(workspace, post_id)
    at = _chosen_time(date, time, zone)
    changes = {"planned_at": at, "due_at": at, "content_at": at, **outbox.AFRESH}
    found = await Delivery.find(equal(post_id=post.id)).to_list()
    moved = [
        await deliveries.move(delivery.id, tuple(EDITABLE), State.SCHEDULED, **changes)
        for delivery in found
        if delivery.state in EDITABLE
    ]
    waiting = [delivery for delivery in moved if delivery is not None]
    if not waiting:
        raise TooLate
    await Post.get_pymongo_collection().update_one(
        {"_id": post.id}, {"$set": {"planned_at": at, "zone": zone, "updated_at": now()}}
    )
    dispatching.hurry(waiting)
    return await _get(workspace, post_id)


async def cancel(workspace: Workspace, post_id: Id) -> Post:
    """Cancel everything that waits. Raises ``NotFound``, ``TooLate`` (nothing waited any more)."""
    post = await _get(workspace, post_id)
    waiting = await Delivery.find({**equal(post_id=post.id), "state": {"$in": [State.SCHEDULED, State.QUEUED]}}).to_list()
    stopped = [await deliveries.move(delivery.id, (State.SCHEDULED, State.QUEUED), State.CANCELED) for delivery in waiting]
    if not any(stopped):
        raise TooLate
    return post


async def delete(workspace: Workspace, post_id: Id) -> None:
    """Remove a post of which nothing was published. Raises ``NotFound``, ``TooLate``."""
    post = await _get(workspace, post_id)
    await outbox.withdraw(post)
    await Post.get_pymongo_collection().delete_one({"_id": post.id})
    await outbox.sweep(post)


async def draft_of(workspace: Workspace, post_id: Id) -> Draft:
    """The post as the composer holds it, to edit it. Raises ``NotFound``."""
    post = await _get(workspace, post_id)
    at = local(post.planned_at, post.zone) if post.planned_at else None
    return Draft(
        text=post.text,
        account_ids=tuple(variant.account_id for variant in post.variants),
        texts={variant.account_id: variant.text for variant in post.variants if variant.text is not None},
        options={variant.account_id: variant.options for variant in post.variants},
        attachments=tuple(post.attachments),
        language=post.language,
        date=at.strftime("%Y-%m-%d") if at else "",
        time=at.strftime("%H:%M") if at else "",
        zone=post.zone,
    )


async def _get(workspace: Workspace, post_id: Id) -> Post:
    post = await Post.get(post_id)
    if post is None or post.workspace_id != workspace.id:
        raise NotFound
    return post
