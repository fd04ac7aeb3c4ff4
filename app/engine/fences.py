"""The fence: the point of no return, written before the one visible request, and the last look at what people want.

Who is due in the same second is fenced together, shortly before it, so that at the due instant nothing is left but the request.
Where the network has neither keys nor a lookup, a fence that is not followed by a request costs a person an answer: it is written
at the due instant itself.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from app import runtime
from app.engine import outbox, pacing, warming
from app.engine.groups import MOST, Group
from app.engine.moments import until
from app.engine.moves import Move, Refused, move_all
from app.engine.outbox import Will
from app.models import EPOCH, Account, Delivery, State, now
from platforms import REGISTRY
from platforms.base import Idempotency

AHEAD = timedelta(seconds=1)
EACH = timedelta(milliseconds=3)
"""How long before its time a delivery is fenced, and how much earlier for each that this process fences besides: the embedded
engine takes 1 to 2.5 ms for each, and serves all processes by turns."""

_MANY = 1000
PACE = 0.0005
"""Seconds between two starts of one process: what starts in one turn of the loop makes the first wait for the last."""

LONGEST = 1.0
"""Seconds that anybody waits for those before them: more than all that one process can have ready."""


_Wish = tuple[Delivery, Account, datetime]


@dataclass(frozen=True, slots=True)
class Fenced:
    """The delivery behind its fence; ``will``: what people want of it by now, if not this."""

    delivery: Delivery
    will: Will | None


async def wait_for_time(delivery: Delivery, idempotency: Idempotency) -> None:
    """Until the fence of ``delivery`` is to be written."""
    global _waiting  # noqa: PLW0603
    if idempotency is Idempotency.NONE:
        await until(delivery.due_at)
        return
    _waiting += 1
    try:
        await until(delivery.due_at, ahead=_ahead)
    finally:
        _waiting -= 1


_waiting = 0


def _ahead() -> timedelta:
    return AHEAD + EACH * min(_waiting, _MANY)


async def write(delivery: Delivery, account: Account, *, sent_before: datetime) -> Fenced | None:
    """Fence ``delivery`` to ``account``, first sent at ``sent_before`` if ever; ``None`` if it is not the attempt's any more."""
    return await _group.add((delivery, account, sent_before))


async def _write(some: Sequence[_Wish]) -> list[Fenced | None]:
    results = await move_all([_fence(*wish) for wish in some])
    fenced = [result for result in results if not isinstance(result, Refused)]
    accounts = {delivery.id: account for delivery, account, _ in some}
    for one in fenced:
        pacing.note(accounts[one.id], one.id, one.fenced_at, parts=one.position + 1)
    warming.begin((one, accounts[one.id]) for one in fenced)
    wills = await outbox.changed_wills(fenced)
    return [None if isinstance(result, Refused) else Fenced(result, wills.get(result.id)) for result in results]


def _fence(delivery: Delivery, account: Account, sent_before: datetime) -> Move:
    """A worker may pause behind its fence and send at the end of its step; then the network takes its own time."""
    settings, at = runtime.current().settings, now()
    settles_in = REGISTRY[account.platform].capabilities_for(account.limits).settles_in
    leaves_within = timedelta(seconds=settings.step_limit) + max(delivery.due_at - at, timedelta())
    changes: dict[str, Any] = {
        "fenced_at": at,
        "not_before": at + max(leaves_within + settles_in, settings.lease_time),
        "first_sent_at": sent_before if sent_before > EPOCH else at,
        "lease_until": at + settings.lease_time,
        **pacing.stamp(account, at, parts=delivery.position + 1),
    }
    ours = {"attempt_id": delivery.attempt_id, "lease_until": {"$gt": at}}
    return Move(delivery, State.PUBLISHING, changes, where=ours)


_group: Group[_Wish, Fenced | None] = Group(_write, most=MOST, gather=lambda: 0)

_next_start = 0.0


async def wait_for_start() -> None:
    """One after the other, and at once if nobody else is starting."""
    global _next_start  # noqa: PLW0603
    moment = asyncio.get_running_loop().time()
    start = min(max(moment, _next_start), moment + LONGEST)
    _next_start = start + PACE
    await asyncio.sleep(start - moment)
