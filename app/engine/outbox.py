"""A post's deliveries follow their post: made with it, changed with it, taken back with it.

There are two kinds of documents and no transactions, so the order of writes is what keeps them one truth:

    hold      every delivery that could still be claimed is kept from it; if one is on its way, nothing was changed: too late
    save      the post itself, compare-and-set on its revision, with ``settling``   (the caller's one write)
    follow    the deliveries take over what the post says now, and its revision
    settled   ``settling`` is taken away

A crash before *save* has changed nothing: holds end by themselves. A crash after it is completed by the dispatcher. A worker that
claimed a delivery before the hold is refused nothing; it looks at the post again at the fence.
"""

import asyncio
import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from beanie import Document
from pymongo.errors import DuplicateKeyError

from app.engine import deliveries
from app.engine.moves import move
from app.errors import Conflict, TooLate
from app.ids import Id
from app.models import (
    EDITABLE,
    EPOCH,
    Account,
    AccountState,
    Attachment,
    Delivery,
    MediaFile,
    Part,
    Post,
    State,
    Variant,
    now,
    reading,
)
from app.queries import equal

log = logging.getLogger(__name__)

HEAVY = 8 * 1024 * 1024
"""Bytes of attached files above which a delivery takes the lane of long uploads: seconds even on a slow line."""

LEFT_BEHIND = timedelta(seconds=30)
"""A save that is not settled after this long was cut off."""

AFRESH: dict[str, Any] = {
    "strikes": 0,
    "limited": 0,
    "checks": 0,
    "saved": "{}",
    "fenced_at": EPOCH,
    "begun_at": EPOCH,
    "processing_at": EPOCH,
    "undecidable": False,
    "dropped": False,
    "trouble": None,
    "making": None,
    "held_by": None,
    "held_until": EPOCH,
}
"""What a new plan forgets of earlier tries. None of them was accepted, or the delivery could not be planned anew."""


async def of(post_id: Id) -> list[Delivery]:
    """The post's deliveries, oldest first: whoever holds several takes them in this order, so no two wait for each other."""
    return sorted(await reading.find(Delivery, equal(post_id=post_id)), key=lambda delivery: delivery.id)


async def hold(post: Post, token: Id) -> None:
    """Keep workers from what could still be changed. Raises ``TooLate`` or ``Conflict``, and then holds nothing."""
    found = [delivery for delivery in await of(post.id) if delivery.state != State.PUBLISHED]
    if (sent := next((delivery for delivery in found if not delivery.editable), None)) is not None:
        raise await _why_not(sent)  # before a worker loses what it is preparing for another account
    try:
        for delivery in found:
            if not await deliveries.hold(delivery, token):
                raise await _why_not(delivery)
    except BaseException:
        await asyncio.shield(deliveries.let_go(post.id, token))
        raise


async def _why_not(delivery: Delivery) -> Exception:
    known = await reading.get(Delivery, delivery.id)
    if known is None or known.state in EDITABLE:  # it was held, or is by now let go again
        return Conflict("Somebody else is saving this post at this very moment. Try again.")
    if known.undecidable:
        return TooLate("One of its networks does not tell whether it was sent. Answer that question first.")
    return TooLate()


# --- following --------------------------------------------------------------------------------------------------------


async def settle(post: Post) -> list[Delivery]:
    """Let the deliveries follow ``post``, and note that they do; those that wait now. Safe to repeat."""
    waiting = await _follow(post)
    if await _newest(post) is None:  # deleted meanwhile: it takes with it what was just written
        await sweep(post.id)
    settled = {"settling": False, "settling_at": EPOCH}
    await Post.get_pymongo_collection().update_one({"_id": post.id, "revision": post.revision}, {"$set": settled})
    return waiting


async def complete(at: datetime) -> None:
    """Do what saves that were cut off left undone."""
    for post in await reading.find(Post, equal(settling=True), limit=1000):
        if post.settling_at > at - LEFT_BEHIND:
            continue
        log.warning("post %s: its last save was cut off, and is completed", post.id)
        await settle(post)


async def finish(post_id: Id) -> Post | None:
    """The post, with deliveries that follow it: whoever decides about one of them decides after the last save, cut off or not."""
    post = await reading.get(Post, post_id)
    if post is not None and post.settling:
        await settle(post)
    return post


async def _follow(post: Post) -> list[Delivery]:
    known = {delivery.account_id: delivery for delivery in await of(post.id)}
    wanted = [] if post.draft else post.variants
    followed = [await _one(post, variant, known.pop(variant.account_id, None)) for variant in wanted]
    for left_out in known.values():
        if not left_out.dropped:
            await _remove(left_out)
    return [delivery for delivery in followed if delivery is not None and delivery.state == State.SCHEDULED]


async def _one(post: Post, variant: Variant, known: Delivery | None) -> Delivery | None:
    """The delivery as it follows ``post`` now; ``None`` if it cannot: it is on its way, or a newer save is at it."""
    if known is None:
        return await _create(post, variant)
    if known.preparing:
        known = await deliveries.take_back(known) or await reading.get(Delivery, known.id)
    while known is not None and known.state in EDITABLE and known.revision != post.revision:
        target, changes = await _change(post, variant, known)
        where = {"revision": known.revision, "move_id": known.move_id}
        if (moved := await move(known.id, known.state, target, where=where, **changes)) is not None:
            return moved
        if await _newest(post) != post.revision:
            return None
        known = await reading.get(Delivery, known.id)
    return known


async def _change(post: Post, variant: Variant, known: Delivery) -> tuple[State, dict[str, Any]]:
    if not post.canceled:
        return State.SCHEDULED, await _fields(post, variant, known) | AFRESH
    ends = known.state in (State.SCHEDULED, State.QUEUED, State.MISSED)
    return State.CANCELED if ends else known.state, {"revision": post.revision, **_LET_GO}


_LET_GO: dict[str, Any] = {"held_by": None, "held_until": EPOCH}


async def _newest(post: Post) -> Id | None:
    found = await Post.get_pymongo_collection().find_one({"_id": post.id}, {"revision": 1})
    return Id(found["revision"]) if found else None


async def _create(post: Post, variant: Variant) -> Delivery | None:
    """``None`` if the account is gone. A canceled post makes no delivery that was not there."""
    account = await reading.get(Account, variant.account_id)
    if account is None or post.canceled:
        return None
    fields = {"platform": account.platform, **await _fields(post, variant, None)}
    delivery = Delivery(workspace_id=post.workspace_id, post_id=post.id, account_id=account.id, state=State.SCHEDULED, **fields)
    try:
        return await delivery.insert()
    except DuplicateKeyError:  # the same save, completed twice at once
        found = await reading.find(Delivery, equal(post_id=post.id, account_id=account.id))
        return found[0] if found else None


async def _fields(post: Post, variant: Variant, known: Delivery | None) -> dict[str, Any]:
    """What the delivery takes from its post. The same words keep their key, and sent ones the instant they were written at."""
    at = post.planned_at or now()
    earliest = max(at, known.not_before) if known else at
    content = {
        "language": post.language,
        "options": variant.options,
        "attachments": [attachment.model_dump() for attachment in post.files_of(variant)],
    }
    plan = {"revision": post.revision, "planned_at": at, "due_at": earliest}
    if known is not None and _says_the_same(known, post.words_of(variant), content):
        return plan | ({} if known.first_sent_at > EPOCH else {"content_at": at})
    delivery_id = known.id if known else Id()
    wording = known.wording + 1 if known else 1
    sent = [part for part in known.parts if part.receipt] if known else []
    parts = sent or [Part(key=f"{delivery_id}-{wording}-0", text=post.words_of(variant))]
    return {
        **plan,
        **content,
        **({"id": delivery_id} if known is None else {}),
        "content_at": at,
        "first_sent_at": EPOCH,
        "wording": wording,
        "parts": [part.model_dump() for part in parts + (known.parts[len(sent) :] if known and sent else [])],
        "heavy": await _size(post.files_of(variant)) > HEAVY,
    }


def _says_the_same(known: Delivery, text: str, content: dict[str, Any]) -> bool:
    has = {"language": known.language, "options": known.options, "attachments": [one.model_dump() for one in known.attachments]}
    return known.text == text and has == content


async def _size(attachments: Iterable[Attachment]) -> int:
    files = [await reading.get(MediaFile, attachment.media_id) for attachment in attachments]
    return sum(file.size for file in files if file is not None)


# --- taking back ------------------------------------------------------------------------------------------------------


async def sweep(post_id: Id) -> None:
    """Remove what was written for a post that is deleted by now."""
    for delivery in await of(post_id):
        await _remove(delivery)


async def _remove(delivery: Delivery) -> None:
    """Nothing that is on its way or published is removed: its record is the truth."""
    await Delivery.get_pymongo_collection().delete_one({"_id": delivery.id, "state": {"$in": list(EDITABLE)}})


DISCONNECTED = {"remedy": "reconnect", "code": "disconnected", "message": "Its account was disconnected before it was sent."}


async def cancel_account(account_id: Id) -> int:
    """Take back what waits for an account that nobody may publish to any more; how many there were."""
    for post in await reading.find(Post, equal(settling=True)):
        if not post.leaves_out(account_id):
            await settle(post)
    found = [await reading.find(Delivery, equal(account_id=account_id, state=state)) for state in (State.SCHEDULED, State.QUEUED)]
    waiting, trouble = [one for some in found for one in some], {**DISCONNECTED, "at": now()}
    moved = [await move(one.id, (State.SCHEDULED, State.QUEUED), State.CANCELED, trouble=trouble) for one in waiting]
    return sum(one is not None for one in moved)


@dataclass(frozen=True, slots=True)
class Will:
    """What becomes of a delivery that is not to be sent, or not like this; ``trouble`` says why, if there is more to say."""

    becomes: State
    trouble: dict[str, Any] | None = None


async def changed_will(delivery: Delivery) -> Will | None:
    """:func:`changed_wills` for one."""
    return (await changed_wills([delivery])).get(delivery.id)


async def changed_wills(some: Sequence[Delivery]) -> dict[Id, Will]:
    """Looked at behind the fence, before the request: those that are not to be sent as they are.

    Who changed their mind wrote that down before they looked at the delivery, and we wrote the fence before we look at them: one
    of the two sees the other.
    """
    posts = await _facts(Post, {one.post_id for one in some}, "revision", "draft", "canceled")
    accounts = await _facts(Account, {one.account_id for one in some}, "state")
    wills = {one.id: _will(one, posts.get(one.post_id), accounts.get(one.account_id)) for one in some}
    return {delivery_id: will for delivery_id, will in wills.items() if will is not None}


async def _facts(model: type[Document], ids: Collection[Id], *fields: str) -> dict[str, Mapping[str, Any]]:
    """Only these ``fields``, whatever else the document holds: another version may have written it."""
    if not ids:
        return {}
    found = await reading.rows(model, {"_id": {"$in": list(ids)}}, fields)
    return {raw["_id"]: raw for raw in found}


def _will(delivery: Delivery, post: Mapping[str, Any] | None, account: Mapping[str, Any] | None) -> Will | None:
    if post is None or account is None or post.get("canceled") or post.get("draft"):
        return Will(State.CANCELED)
    if account["state"] == AccountState.DISCONNECTED:
        return Will(State.CANCELED, {**DISCONNECTED, "at": now()})
    return None if post.get("revision", delivery.revision) == delivery.revision else Will(State.SCHEDULED)


async def catch_up(delivery: Delivery) -> None:
    """A delivery that was on its way while its post changed, and is not any more, follows it: it may be canceled by now."""
    if delivery.state not in EDITABLE:
        return
    post = await reading.get(Post, delivery.post_id)
    if post is not None and post.revision != delivery.revision:
        await settle(post)
