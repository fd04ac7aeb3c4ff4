"""Keeping a delivery still while its post is saved, and changing it only when nobody does."""

from collections.abc import Collection
from datetime import timedelta
from typing import Any

from app.engine import turns
from app.engine.moves import move
from app.ids import Id
from app.models import EDITABLE, EPOCH, Delivery, State, now, reading
from app.queries import equal

HOLD = timedelta(seconds=30)
"""How long a delivery waits for somebody who is saving its post; after a crash in between it goes on as it was."""


async def hold(delivery: Delivery, token: Id) -> bool:
    """Keep workers from claiming ``delivery`` while its post is saved; ``False`` if it is not there to be held.

    Who read the delivery before cannot claim it any more (its ``move_id`` is new), who reads it from now on must not. An attempt
    that is only preparing is taken back: the dispatcher brings it out again when the hold has ended.
    """
    known: Delivery | None = delivery
    while known is not None and known.held_until < now():
        if known.state in EDITABLE:
            if await _hold(known, token):
                return True
        elif known.preparing:
            await take_back(known)
        else:
            return False
        known = await reading.get(Delivery, known.id)
    return False


async def _hold(known: Delivery, token: Id) -> bool:
    held = await Delivery.get_pymongo_collection().update_one(
        {"_id": known.id, "move_id": known.move_id},
        {"$set": {"held_by": token, "held_until": now() + HOLD, "move_id": Id()}},
    )
    return bool(held.matched_count)


async def take_back(delivery: Delivery) -> Delivery | None:
    """Schedule again what is just being prepared; ``None`` if it may have been sent, or somebody else was first."""
    moved = await turns.revoke(delivery, State.SCHEDULED)
    if moved is not None:
        await turns.pass_on(moved)
    return moved


async def let_go(post_id: Id, token: Id) -> None:
    """End what :func:`hold` began for a post that was not saved after all."""
    for delivery in await reading.find(Delivery, equal(post_id=post_id, held_by=token)):
        await Delivery.get_pymongo_collection().update_one(
            {"_id": delivery.id, "held_by": token}, {"$set": {"held_by": None, "held_until": EPOCH}}
        )


async def move_if_free(delivery: Delivery, sources: Collection[State], target: State, **changes: Any) -> Delivery | None:
    """:func:`app.engine.moves.move` from any of ``sources``, unless its post is being saved at this moment; ``None`` if that
    cannot be.

    States and times are looked at here and guarded by ``move_id``: the embedded engine finds no date beside an ``$in``.
    """
    known: Delivery | None = delivery
    while known is not None and known.state in sources and known.held_until < now():
        moved = await move(known.id, known.state, target, where={"move_id": known.move_id}, **changes)
        if moved is not None:
            return moved
        known = await reading.get(Delivery, known.id)
    return None
