"""A delivery's changes of state: one helper, one compare-and-set each.

Nothing else writes to the ``deliveries`` collection's state. ``move`` checks the transition table, so a wrong step is an error of
the program, and guards the change by the state it starts from, so of two who try only one succeeds.
"""

import asyncio
import logging
from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Any

from pymongo import ReturnDocument
from pymongo.errors import ConnectionFailure, DuplicateKeyError

from app.ids import Id
from app.models import EDITABLE, EPOCH, TRANSITIONS, Delivery, Receipt, State, now, reading
from app.queries import equal

log = logging.getLogger(__name__)

HOLD = timedelta(seconds=30)
"""How long a delivery waits for somebody who is saving its post; after a crash in between it goes on as it was."""

_PAUSE = 0.5
"""Seconds between two tries at a write whose connection broke."""

_TRIES = 20
"""Compare-and-sets at a receipt before somebody who changes the delivery all the time counts as a fault of the program."""


class ReceiptTaken(Exception):
    """The post on the network is the receipt of another delivery already."""


async def move(
    delivery_id: Id,
    source: State | Collection[State],
    target: State,
    *,
    where: Mapping[str, Any] | None = None,
    increase: Mapping[str, int] | None = None,
    patience: float = 10,
    **changes: Any,
) -> Delivery | None:
    """Change state from ``source`` to ``target`` and set ``changes``; ``None`` if somebody else was first.

    A broken connection leaves open whether the write was applied. Every write therefore carries a fresh ``move_id``: it is
    repeated for up to ``patience`` seconds, changes nothing where that token stands already, and then the driver's error is
    raised.
    """
    sources = [source] if isinstance(source, State) else list(source)
    for state in sources:
        if target not in TRANSITIONS[state]:
            raise ValueError(f"{state} cannot become {target}")
    token = Id()
    state_is = {"$in": sources} if len(sources) > 1 else sources[0]
    query = {"_id": delivery_id, "state": state_is, "move_id": {"$ne": token}, **(where or {})}
    update: dict[str, Any] = {"$set": {"state": target, "updated_at": now(), "move_id": token, **changes}}
    if increase:
        update["$inc"] = dict(increase)
    deadline = asyncio.get_running_loop().time() + patience
    while True:
        try:
            return await _apply(delivery_id, query, update, token)
        except ConnectionFailure:
            if asyncio.get_running_loop().time() > deadline:
                raise
            log.warning("database connection broke while moving delivery %s to %s; trying again", delivery_id, target)
            await asyncio.sleep(_PAUSE)


async def _apply(delivery_id: Id, query: dict[str, Any], update: dict[str, Any], token: Id) -> Delivery | None:
    collection = Delivery.get_pymongo_collection()
    found = await collection.find_one_and_update(query, update, return_document=ReturnDocument.AFTER)
    if found is None:  # it may be our own write, applied before its answer was lost
        found = await collection.find_one({"_id": delivery_id, "move_id": token})
    return Delivery.model_validate(found) if found else None


# --- while its post is saved ------------------------------------------------------------------------------------------


async def hold(delivery: Delivery, token: Id) -> bool:
    """Keep workers from claiming ``delivery`` while its post is saved; ``False`` if it is not there to be held.

    Who read the delivery before cannot claim it any more (its ``move_id`` is new), who reads it from now on must not.
    """
    known: Delivery | None = delivery
    while known is not None and known.state in EDITABLE and known.held_until < now():
        held = await Delivery.get_pymongo_collection().update_one(
            {"_id": known.id, "move_id": known.move_id},
            {"$set": {"held_by": token, "held_until": now() + HOLD, "move_id": Id()}},
        )
        if held.matched_count:
            return True
        known = await reading.get(Delivery, known.id)
    return False


async def let_go(post_id: Id, token: Id) -> None:
    """End what :func:`hold` began for a post that was not saved after all."""
    for delivery in await reading.find(Delivery, equal(post_id=post_id, held_by=token)):
        await Delivery.get_pymongo_collection().update_one(
            {"_id": delivery.id, "held_by": token}, {"$set": {"held_by": None, "held_until": EPOCH}}
        )


async def move_if_free(delivery: Delivery, sources: Collection[State], target: State, **changes: Any) -> Delivery | None:
    """:func:`move` from any of ``sources``, unless its post is being saved at this moment; ``None`` if that cannot be.

    States and times are looked at here and guarded by ``move_id``: the embedded engine finds no date beside an ``$in``.
    """
    known: Delivery | None = delivery
    while known is not None and known.state in sources and known.held_until < now():
        moved = await move(known.id, known.state, target, where={"move_id": known.move_id}, **changes)
        if moved is not None:
            return moved
        known = await reading.get(Delivery, known.id)
    return None


# --- receipts ---------------------------------------------------------------------------------------------------------


async def settle_part(
    delivery: Delivery, receipt: Receipt, *, source: State, where: Mapping[str, Any] | None = None, patience: float = 10
) -> Delivery | None:
    """Save the current part's receipt: ``published`` after the last part, else on to the next one.

    ``None`` if the delivery moved on meanwhile. The whole list of parts is written: only the holder of the lease changes it.
    Raises ``ReceiptTaken`` if the post on the network is another delivery's receipt.
    """
    parts = [part.model_dump() for part in delivery.parts]
    parts[delivery.position]["receipt"] = receipt.model_dump()
    done = delivery.position + 1 == len(parts)
    first = receipt.remote_id if delivery.position == 0 else delivery.remote_id
    onward = State.PUBLISHED if done else (State.PUBLISHING if source == State.PUBLISHING else State.SCHEDULED)
    extra: dict[str, Any] = {"published_at": now(), "trouble": None} if done else {}
    if onward != State.PUBLISHING:
        extra |= {"lease_until": EPOCH, "held_by": None, "held_until": EPOCH}
    try:
        moved = await move(
            delivery.id,
            source,
            onward,
            where=where or {"move_id": delivery.move_id},
            patience=patience,
            parts=parts,
            remote_id=first,
            saved="{}",
            fenced_at=EPOCH,
            undecidable=False,
            **extra,
        )
    except DuplicateKeyError:
        raise ReceiptTaken from None
    if moved is None and await _taken(delivery, first):
        raise ReceiptTaken
    return moved


async def keep_receipt(sent: Delivery, receipt: Receipt) -> Delivery | None:
    """A receipt that comes late, for the part that ``sent`` was at: whatever was decided meanwhile, the post is out.

    ``None`` if the delivery is gone, holds other words by now, or has this part's receipt already. Raises ``ReceiptTaken``.
    """
    for _ in range(_TRIES):
        known = await reading.get(Delivery, sent.id)
        if known is None or known.wording != sent.wording or known.position != sent.position:
            return None
        moved = await settle_part(known, receipt, source=known.state, where={"move_id": known.move_id})
        if moved is not None:
            log.warning("delivery %s was %s when the network's receipt came; it is out", known.id, known.state)
            return moved
    raise RuntimeError(f"delivery {sent.id} changes without end")


async def _taken(delivery: Delivery, remote_id: str | None) -> bool:
    """The embedded engine does not say when its unique index refuses a ``findAndModify``; it only changes nothing."""
    if remote_id is None:
        return False
    found = await reading.find(Delivery, equal(account_id=delivery.account_id, remote_id=remote_id))
    return any(other.id != delivery.id for other in found)
