"""The network's answers: a receipt in hand is saved, whatever was decided meanwhile, and never given to two deliveries.

Receipts of requests that run together are saved together. What the one command leaves open is saved by itself.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from pymongo.errors import DuplicateKeyError

from app.engine import attempts
from app.engine.faultpoints import SAVED
from app.engine.groups import MOST, Group
from app.engine.moves import Move, Refused, move, move_all
from app.ids import Id
from app.models import EPOCH, Delivery, Receipt, State, Trouble, now, reading
from app.queries import equal

log = logging.getLogger(__name__)

SAVE_PATIENCE = 600
"""Seconds to go on trying to save a receipt. After a crash meanwhile, ``reconcile`` finds the post by its key."""

GATHER = 0.01
"""Seconds that a receipt waits for others, where others are being sent at the same time."""

_TRIES = 20
"""Compare-and-sets at a receipt before somebody who changes the delivery all the time counts as a fault of the program."""


class ReceiptTaken(Exception):
    """The post on the network is the receipt of another delivery already."""


async def save(
    delivery: Delivery,
    receipt: Receipt,
    *,
    source: State,
    where: Mapping[str, Any] | None = None,
    patience: float = 10,
    **more: Any,
) -> Delivery | None:
    """Save the current part's receipt: ``published`` after the last part, else on to the next one.

    ``None`` if the delivery moved on meanwhile. The whole list of parts is written: only the holder of the lease changes it.
    Raises ``ReceiptTaken`` if the post on the network is another delivery's receipt.
    """
    target, changes = _with(delivery, receipt, source=source)
    known = where or {"move_id": delivery.move_id}
    try:
        moved = await move(delivery.id, source, target, where=known, patience=patience, **(changes | more))
    except DuplicateKeyError:
        raise ReceiptTaken from None
    if moved is None and await _taken(delivery, changes["remote_id"]):
        raise ReceiptTaken
    return moved


def _with(delivery: Delivery, receipt: Receipt, *, source: State) -> tuple[State, dict[str, Any]]:
    """What the delivery becomes by the receipt of its current part."""
    onward = State.PUBLISHING if source == State.PUBLISHING else State.SCHEDULED
    target, changes = _ended(delivery, onward, receipt=receipt, trouble=None)
    changes["remote_id"] = receipt.remote_id if delivery.position == 0 else delivery.remote_id
    if target != State.PUBLISHING:
        changes |= {"held_by": None, "held_until": EPOCH}
    return target, changes


def without(delivery: Delivery, trouble: Trouble) -> tuple[State, dict[str, Any]]:
    """What the delivery becomes when its current part, which is not required, has failed: it goes on without it, and says so."""
    target, changes = _ended(delivery, State.SCHEDULED, trouble=trouble)
    return target, changes | {"due_at": now()}


def _ended(delivery: Delivery, onward: State, **of_part: Any) -> tuple[State, dict[str, Any]]:
    """Its current part has ended: published with the last one, else ``onward``, and the next part knows of no earlier try."""
    parts = [part.model_copy() for part in delivery.parts]
    parts[delivery.position] = parts[delivery.position].model_copy(update=of_part)
    changes: dict[str, Any] = {"parts": parts, "saved": "{}", "fenced_at": EPOCH, "undecidable": False}
    done = all(part.ended for part in parts)
    changes |= {"published_at": now(), "trouble": None} if done else {"first_sent_at": EPOCH, "not_before": EPOCH}
    target = State.PUBLISHED if done else onward
    if target != State.PUBLISHING:
        changes["lease_until"] = EPOCH
    return target, changes


# --- by the worker that sent it ---------------------------------------------------------------------------------------


async def save_own(delivery: Delivery, receipt: Receipt) -> Delivery | None:
    """Save the receipt for the attempt that ``delivery`` was read with; ``None`` if it lost its lease meanwhile.

    Raises ``ReceiptTaken``.
    """
    if delivery.position + 1 == len(delivery.parts):
        moved = await _group.add((delivery, receipt))
        if isinstance(moved, Delivery):
            return moved
    target, _ = _with(delivery, receipt, source=State.PUBLISHING)
    tries = {"tries": attempts.ended(delivery, outcome=target, step=SAVED)} if target == State.PUBLISHED else {}
    ours = {"attempt_id": delivery.attempt_id}
    return await save(delivery, receipt, source=State.PUBLISHING, where=ours, patience=SAVE_PATIENCE, **tries)


async def _save_together(some: Sequence[tuple[Delivery, Receipt]]) -> list[Delivery | Refused]:
    """But for those whom somebody has begun to wait for: who is awaited must learn of it, and is saved by a write that tells."""
    return await move_all([_last(delivery, receipt) for delivery, receipt in some], patience=SAVE_PATIENCE)


def _last(delivery: Delivery, receipt: Receipt) -> Move:
    target, changes = _with(delivery, receipt, source=State.PUBLISHING)
    changes["tries"] = attempts.ended(delivery, outcome=target, step=SAVED)
    return Move(delivery, target, changes, where={"attempt_id": delivery.attempt_id, "awaited": delivery.awaited})


sending: set[Id] = set()
"""The deliveries whose requests this process has under way."""


def _pause() -> float:
    return GATHER if len(sending) > 1 else 0


_group: Group[tuple[Delivery, Receipt], Delivery | Refused] = Group(_save_together, most=MOST, gather=_pause)


# --- late -------------------------------------------------------------------------------------------------------------


async def keep(sent: Delivery, receipt: Receipt) -> Delivery | None:
    """A receipt that comes late, for the part that ``sent`` was at: whatever was decided meanwhile, the post is out.

    ``None`` if the delivery is gone, holds other words by now, or has this part's receipt already. Raises ``ReceiptTaken``.
    """
    for _ in range(_TRIES):
        known = await reading.get(Delivery, sent.id)
        if known is None or known.wording != sent.wording or known.position != sent.position:
            return None
        tries = attempts.ended(known, outcome=State.PUBLISHED, step=SAVED, attempt_id=sent.attempt_id)
        moved = await save(known, receipt, source=known.state, where={"move_id": known.move_id}, tries=tries)
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
