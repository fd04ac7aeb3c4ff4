"""A post's deliveries: written with it, changed with it, taken back with it. The only writer of what is to be published.

Each is guarded by the unique pair of post and account, and each change by the states that still allow it.
"""

from collections.abc import Sequence
from typing import Any

from pymongo.errors import DuplicateKeyError

from app.engine import deliveries, dispatching
from app.errors import NotFound, TooLate
from app.ids import Id
from app.models import EDITABLE, EPOCH, Delivery, Part, Post, State, now
from app.queries import equal
from app.services.writing.composing import Preview


async def write(post: Post, shown: Sequence[Preview], *, change: bool) -> None:
    """Make the deliveries say what the post says; without ``change`` only those that are missing.

    Raises ``TooLate`` if some were being sent (the others are changed), ``NotFound`` if the post was deleted meanwhile.
    """
    existing = {delivery.account_id: delivery for delivery in await Delivery.find(equal(post_id=post.id)).to_list()}
    waiting, late = [], 0
    for one in shown:
        known = existing.pop(one.account.id, None)
        if known is not None and not change:
            continue
        delivery = await (_change(post, one, known) if known else _create(post, one))
        waiting += [delivery] if delivery and delivery.state == State.SCHEDULED else []
        late += delivery is None
    for removed in existing.values():
        late += not await _remove(removed)
    await _look_back(post, waiting)
    dispatching.hurry(waiting)
    if late:
        raise TooLate


HEAVY = 8 * 1024 * 1024
"""Bytes of attached files above which a delivery takes the lane of long uploads: seconds even on a slow line."""


def _fields(post: Post, one: Preview, known: Delivery | None) -> dict[str, Any]:
    variant = next(variant for variant in post.variants if variant.account_id == one.account.id)
    delivery_id = known.id if known else Id()
    revision = known.revision + 1 if known else 1
    at = post.planned_at or now()
    return {
        "id": delivery_id,
        "planned_at": at,
        "due_at": at,
        "content_at": at,
        "language": post.language,
        "options": variant.options,
        "attachments": [attachment.model_dump() for attachment in post.attachments],
        "revision": revision,
        "parts": [Part(key=f"{delivery_id}-{revision}-0", text=one.text).model_dump()],
        "platform": one.account.platform,
        "heavy": sum(each.file.size for each in one.media) > HEAVY,
    }


async def _create(post: Post, one: Preview) -> Delivery:
    account, fields = one.account, _fields(post, one, None)
    delivery = Delivery(workspace_id=post.workspace_id, post_id=post.id, account_id=account.id, state=State.SCHEDULED, **fields)
    try:
        return await delivery.insert()
    except DuplicateKeyError:  # the same form, submitted twice at once
        found = await Delivery.find_one(equal(post_id=post.id, account_id=account.id))
        return found or delivery


async def _change(post: Post, one: Preview, known: Delivery | None) -> Delivery | None:
    """``None`` if it is too late; a published delivery stays as it is, its record is the truth.

    Guarded by the revision: of two who edit at once, the second one's words get a key of their own.
    """
    while known is not None and known.state in EDITABLE:
        changes = {key: value for key, value in _fields(post, one, known).items() if key not in {"id", "platform"}}
        where = {"revision": known.revision}
        moved = await deliveries.move(known.id, tuple(EDITABLE), State.SCHEDULED, where=where, **changes, **AFRESH)
        if moved is not None:
            return moved
        known = await Delivery.get(known.id)
    return known if known is not None and known.state == State.PUBLISHED else None


async def _look_back(post: Post, written: Sequence[Delivery]) -> None:
    """A post that was deleted while its deliveries were written takes them with it."""
    if await Post.get(post.id) is None:
        for delivery in written:
            await _remove(delivery)
        raise NotFound


AFRESH: dict[str, Any] = {"strikes": 0, "checks": 0, "saved": "{}", "fenced_at": EPOCH, "undecidable": False, "trouble": None}
"""What an edit forgets of earlier tries. None of them was accepted, or the delivery could not be edited."""


async def _remove(delivery: Delivery) -> bool:
    """``False`` if it is too late; a published delivery stays."""
    if delivery.state == State.PUBLISHED:
        return True
    query = {"_id": delivery.id, "state": {"$in": list(EDITABLE)}}
    gone = await Delivery.get_pymongo_collection().delete_one(query)
    return gone.deleted_count == 1


async def withdraw(post: Post) -> None:
    """Take all deliveries back. Raises ``TooLate`` if one is on its way or published; the others are canceled then."""
    found = await Delivery.find(equal(post_id=post.id)).to_list()
    if not all([await _cancel(delivery) for delivery in found if delivery.state != State.PUBLISHED]) or any(
        delivery.state == State.PUBLISHED for delivery in found
    ):
        raise TooLate("It was sent already, or is being sent right now. What could be stopped is canceled.")
    if not all([await _remove(delivery) for delivery in found]):
        raise TooLate


async def sweep(post: Post) -> None:
    """Remove what somebody wrote for a post that is deleted by now."""
    for delivery in await Delivery.find(equal(post_id=post.id)).to_list():
        await _remove(delivery)


async def _cancel(delivery: Delivery) -> bool:
    return await deliveries.move(delivery.id, tuple(EDITABLE), State.CANCELED) is not None
