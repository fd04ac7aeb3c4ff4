"""Posts: writing them, and changing them for as long as nothing was sent. How a save is guarded stands in :mod:`saving`."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from app.engine import deliveries, outbox
from app.errors import Conflict, GoneOut, Invalid, TooLate, Unsure
from app.ids import Id
from app.models import EPOCH, Account, Delivery, Post, State, User, Workspace, now, reading
from app.services.media import pins
from app.services.writing import composing, saving
from app.services.writing.composing import AttachedMedia, Preview, attached, previews
from app.services.writing.drafts import Draft
from app.services.writing.listing import covers, listed
from app.services.writing.saving import NEW, Target, get
from app.services.writing.views import PostView, view
from app.services.writing.words import DeliveryView
from app.zones import ZONES, local, parse

__all__ = [
    "AttachedMedia",
    "DeliveryView",
    "Draft",
    "PostView",
    "Preview",
    "Target",
    "attached",
    "cancel",
    "covers",
    "delete",
    "draft_of",
    "editable",
    "get",
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


async def publish_now(workspace: Workspace, user: User, draft: Draft, target: Target = NEW) -> Post:
    """Publish as soon as a worker is free. Raises ``Invalid``, ``NotFound``, ``TooLate``, ``Conflict``, ``Unsure``."""
    return await _submit(workspace, user, draft, now(), None, target)


async def schedule(workspace: Workspace, user: User, draft: Draft, target: Target = NEW) -> Post:
    """Publish at the draft's date and time. Raises like :func:`publish_now`."""
    at = _chosen_time(draft.date, draft.time, draft.zone)
    return await _submit(workspace, user, draft, at, f"{draft.date}T{draft.time}", target)


async def save_draft(workspace: Workspace, user: User, draft: Draft, target: Target = NEW) -> Post:
    """Keep the draft, unless it is empty or endless. A scheduled post becomes a draft again, if it still can."""
    if not draft.text.strip() and not draft.everything:
        raise Invalid({"text": "Write something first."})
    if faults := draft.faults():
        raise Invalid(faults)
    timed = bool(draft.date and draft.time)
    accounts = await composing.chosen(workspace, draft.account_ids)
    post = await _authored(
        workspace,
        user,
        draft,
        accounts,
        target,
        is_draft=True,
        planned_at=parse(draft.date, draft.time, draft.zone) if timed else None,
        planned_local=f"{draft.date}T{draft.time}" if timed else None,
    )
    return await saving.save(workspace, post, target)


async def _submit(
    workspace: Workspace, user: User, draft: Draft, at: datetime, planned_local: str | None, target: Target
) -> Post:
    shown = await composing.check(workspace, draft)
    accounts = [one.account for one in shown]
    post = await _authored(workspace, user, draft, accounts, target, is_draft=False, planned_at=at, planned_local=planned_local)
    return await saving.save(workspace, post, target)


def _chosen_time(date: str, time: str, zone: str) -> datetime:
    at = parse(date, time, zone)
    if at < now() - PAST:
        raise Invalid({"date": "This time has passed. Choose a later one, or publish now."})
    if at > now() + FARTHEST:
        raise Invalid({"date": "Choose a time within the next five years."})
    return at


async def _authored(
    workspace: Workspace, user: User, draft: Draft, accounts: Sequence[Account], target: Target, *, is_draft: bool, **plan: Any
) -> Post:
    """The post that the form means, not saved yet."""
    draft = await composing.settled(workspace, draft)
    return Post(
        id=target.post_id or target.new_id or Id(),
        workspace_id=workspace.id,
        author_id=user.id,
        text=draft.text,
        language=draft.language,
        attachments=list(draft.attachments),
        variants=[draft.variant(account) for account in accounts],
        draft=is_draft,
        zone=draft.zone if draft.zone in ZONES else workspace.zone,
        revision=Id(),
        settling=True,
        settling_at=now(),
        **plan,
    )


# --- people's actions on a whole post ---------------------------------------------------------------------------------


async def reschedule(
    workspace: Workspace, post_id: Id, *, date: str, time: str, zone: str, base: Id | None = None, sure: bool = False
) -> Post:
    """Move everything that is not sent yet, but what was dropped. Raises ``Invalid``, ``NotFound``, ``TooLate``, ``Unsure``."""
    post = await get(workspace, post_id)
    at = _chosen_time(date, time, zone)
    found = await outbox.of(post.id)
    if base is not None and base != post.revision:
        raise Conflict
    if not any(one.editable and not one.dropped for one in found):
        raise TooLate
    if post.canceled and not sure:
        raise Unsure(saving.CANCELED)
    plan = {"planned_at": at, "planned_local": f"{date}T{time}", "zone": zone}
    async with pins.held(workspace, post.holds):
        return await saving.change(post, plan | _without_dropped(post, found))


def _without_dropped(post: Post, found: Sequence[Delivery]) -> dict[str, Any]:
    dropped = {one.account_id for one in found if one.dropped}
    return {"variants": [variant.model_dump() for variant in post.variants if variant.account_id not in dropped]}


async def move_plan(post: Post, at: datetime) -> Post:
    """The same wall time is another instant: the zone's rules changed. Raises ``TooLate`` unless all waits, ``Conflict``."""
    found = await outbox.of(post.id)
    if not all(one.dropped or one.state in (State.SCHEDULED, State.QUEUED) for one in found):
        raise TooLate
    return await saving.change(post, {"planned_at": at, "canceled": post.canceled} | _without_dropped(post, found))


async def cancel(workspace: Workspace, post_id: Id) -> Post:
    """Cancel everything that waits. Raises ``NotFound``, ``TooLate`` (nothing waited any more), ``Conflict``.

    What a worker has in its hands and has not fenced is stopped there: it looks at the post once more.
    """
    post = await get(workspace, post_id)
    if post.draft:  # what a save that was cut off left of its deliveries is taken away by itself
        raise TooLate("It is a draft: nothing of it will be sent.")
    if not any(_can_be_stopped(delivery) for delivery in await outbox.of(post.id)):
        raise TooLate
    saved = await saving.compare_and_set(post, {"canceled": True})
    if saved is None:
        raise Conflict
    await saving.settled(saved)
    if not await _stopped_something(post.id):
        raise TooLate
    return saved


async def _stopped_something(post_id: Id) -> bool:
    """Looked at after the cancellation is written, so that we or a worker at its fence see the other.

    A worker that has just fenced is about to look at the post; that is waited for, so that nobody is told a guess.
    """
    for _ in range(_LOOKS):
        found = await outbox.of(post_id)
        if any(_can_be_stopped(delivery) or delivery.state == State.CANCELED for delivery in found):
            return True
        if not any(delivery.state == State.PUBLISHING for delivery in found):
            return False
        await asyncio.sleep(_MOMENT)
    return False


_LOOKS, _MOMENT = 10, 0.05


def _can_be_stopped(delivery: Delivery) -> bool:
    unfenced = delivery.state == State.PUBLISHING and delivery.fenced_at == EPOCH
    return unfenced or delivery.state in (State.SCHEDULED, State.QUEUED, State.MISSED)


async def delete(workspace: Workspace, post_id: Id) -> None:
    """Remove a post of which nothing was published. Raises ``NotFound``, ``TooLate``, ``Conflict``."""
    post = await get(workspace, post_id)
    if any(delivery.state == State.PUBLISHED for delivery in await outbox.of(post.id)):
        raise GoneOut
    token = Id()
    await outbox.hold(post, token)
    gone = await Post.get_pymongo_collection().delete_one({"_id": post.id, "revision": post.revision})
    if not gone.deleted_count and await reading.get(Post, post.id) is not None:
        await deliveries.let_go(post.id, token)
        raise Conflict
    await outbox.sweep(post.id)


async def draft_of(workspace: Workspace, post_id: Id) -> Draft:
    """The post as the composer holds it, to edit it; accounts of which it was dropped are not chosen. Raises ``NotFound``."""
    post = await get(workspace, post_id)
    dropped = {delivery.account_id for delivery in await outbox.of(post.id) if delivery.dropped}
    at = local(post.planned_at, post.zone) if post.planned_at else None
    return Draft(
        text=post.text,
        account_ids=tuple(variant.account_id for variant in post.variants if variant.account_id not in dropped),
        texts={variant.account_id: variant.text for variant in post.variants if variant.text is not None},
        options={variant.account_id: variant.options for variant in post.variants},
        attachments=tuple(post.attachments),
        files={variant.account_id: tuple(variant.attachments) for variant in post.variants if variant.attachments is not None},
        language=post.language,
        date=at.strftime("%Y-%m-%d") if at else "",
        time=at.strftime("%H:%M") if at else "",
        zone=post.zone,
    )


async def editable(workspace: Workspace, post_id: Id) -> Post:
    """The post, if there is something left to edit. Raises ``NotFound``, ``GoneOut``."""
    post = await get(workspace, post_id)
    found = await outbox.of(post.id)
    if found and not any(one.editable for one in found) and any(one.state == State.PUBLISHED for one in found):
        raise GoneOut
    return post
