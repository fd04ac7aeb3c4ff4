"""The evidence: what every try at a delivery did, kept in the delivery itself and written with its changes of state.

The list is always written whole, because the embedded engine cannot change one element. It holds the latest ones; older ones
lie in a collection of their own.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from pymongo.errors import DuplicateKeyError

from app import runtime
from app.ids import Id
from app.models import Attempt, AttemptKind, Delivery, PastAttempt, now, reading
from app.queries import equal
from platforms.errors import PlatformError

KEPT = 8
"""Attempts in the delivery: those of most stories, and small enough to be written with every change."""


def begun(delivery: Delivery, kind: AttemptKind, attempt_id: Id, *, number: int, step: str) -> list[Attempt]:
    """The delivery's attempts with a new one behind them. Before it :func:`make_room`."""
    new = Attempt(id=attempt_id, kind=kind, number=number, worker=runtime.current().name, step=step)
    return [*delivery.tries[-(KEPT - 1) :], new]


def ended(
    delivery: Delivery,
    *,
    outcome: str,
    step: str | None = None,
    error: PlatformError | None = None,
    next_at: datetime | None = None,
    attempt_id: Id | None = None,
) -> list[Attempt]:
    """The delivery's attempts, with how the one that it is at (or ``attempt_id``) ended.

    ``step``: the last one reached; ``next_at``: when something follows.
    """
    facts: dict[str, Any] = {"outcome": outcome, "finished_at": now(), "next_at": next_at}
    if step is not None:
        facts["step"] = step
    if error is not None:
        facts |= {"error": type(error).__name__, "code": error.code, "message": error.message}
        facts |= {"status": error.status, "remedy": error.remedy}
    at_work = attempt_id or delivery.attempt_id
    return [one.model_copy(update=facts) if one.id == at_work else one for one in delivery.tries]


async def make_room(some: Iterable[Delivery]) -> None:
    """Copy what the next attempt will push out. Safe to repeat; a delivery that then is not claimed keeps them twice."""
    for delivery in some:
        for old in delivery.tries[: -(KEPT - 1)]:
            past = PastAttempt(delivery_id=delivery.id, workspace_id=delivery.workspace_id, **old.model_dump())
            try:
                await past.insert()
            except DuplicateKeyError:
                continue


async def of(delivery: Delivery) -> list[Attempt]:
    """All that are still known, oldest first."""
    published = sum(one.kind == AttemptKind.PUBLISH for one in delivery.tries)
    if len(delivery.tries) < KEPT and published >= delivery.attempts:
        return list(delivery.tries)
    latest = {attempt.id for attempt in delivery.tries}
    past = await reading.find(PastAttempt, equal(delivery_id=delivery.id), sort="started_at")
    return [*(one for one in past if one.id not in latest), *delivery.tries]
