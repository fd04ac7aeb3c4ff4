"""In which order an account's deliveries go: as they were planned, for as long as that holds nobody up for long."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from app import runtime
from app.ids import Id
from app.models import EPOCH, Account, Delivery, State, as_instant, in_millis, now, reading
from app.queries import equal

IN_ORDER = timedelta(minutes=5)
"""So long after its planned time a post that is tried again keeps the later ones of its account behind it; then they may pass."""

EARLY = timedelta(seconds=2)
"""A message this much too early (another host's clock) waits with its worker; an earlier one is sent back for the rest."""

_LINE = 10
"""So many of those that wait are looked at: the first may be held or unreadable."""

_SORTED = [("due_ms", 1), ("order", 1)]
_ON_TIME = timedelta(seconds=1)
_MANY = 200


def place(delivery: Delivery) -> tuple[int, str]:
    """Its place in line: what is smaller goes first."""
    return delivery.due_ms, delivery.order


def begins_at(delivery: Delivery) -> datetime:
    """When a worker is to take it up: at its first try some time ahead, to make it ready; a try again, when it may be tried."""
    first = delivery.begun_at <= EPOCH
    return delivery.due_at - runtime.current().settings.ready_time if first else delivery.due_at


async def line(account_id: Id) -> list[Delivery]:
    """The account's deliveries that are due, or so soon that their message may have come already; first in line first."""
    found = await reading.find(Delivery, _waiting(account_id), sort=_SORTED, limit=_LINE)
    return [one for one in found if one.held_until < now()]


def _waiting(account_id: Id) -> dict[str, Any]:
    soon = now() + runtime.current().settings.ready_time + EARLY
    return {**equal(account_id=account_id, state=State.QUEUED), "due_ms": {"$lte": in_millis(soon)}}


async def left_behind() -> frozenset[Id] | None:
    """The accounts whose first in line should have gone already; ``None``: there are too many to tell.

    One question for everybody, nearly always without an answer: a later message must not pass one that was lost or is slow.
    """
    query = {**equal(state=State.QUEUED), "due_ms": {"$lt": in_millis(now() - _ON_TIME)}}
    found = await reading.rows(Delivery, query, ["account_id"], sort="due_ms", limit=_MANY)
    return None if len(found) == _MANY else frozenset(Id(one["account_id"]) for one in found)


async def first_before(delivery: Delivery) -> Delivery | None:
    """The first in line of the account, if it is another delivery that goes before this one."""
    if await _leads(delivery):
        return None
    waiting = await line(delivery.account_id)
    first = next((one for one in waiting if begins_at(one) <= now() and not may_be_passed(one, delivery)), None)
    before = first is not None and place(first) < place(delivery) and not goes_before(delivery, first)
    return first if before else None


async def _leads(delivery: Delivery) -> bool:
    """The usual answer, without reading anybody's whole document."""
    found = await reading.rows(Delivery, _waiting(delivery.account_id), ["_id"], sort=_SORTED, limit=1)
    return [one["_id"] for one in found] == [delivery.id]


def may_be_passed(first: Delivery, other: Delivery) -> bool:
    """Whether ``first`` waits in another lane than ``other``, which may stall, and longer than the order is worth it."""
    return first.lane != other.lane and first.planned_at + IN_ORDER <= now()


async def retrying(account_ids: Collection[Id]) -> frozenset[Id]:
    """The accounts of which an earlier post is being tried again, within its first minutes."""
    query = {"_id": {"$in": list(account_ids)}}
    found = await reading.rows(Account, query, ["retrying_until"]) if account_ids else []
    return frozenset(Id(one["_id"]) for one in found if as_instant(one.get("retrying_until", EPOCH)) >= now())


async def elder(delivery: Delivery) -> Delivery | None:
    """An earlier post of an account that is :func:`retrying`, if it is that which is tried again."""
    until = in_millis(now() + IN_ORDER)
    for state in (State.QUEUED, State.SCHEDULED):
        query = {**equal(account_id=delivery.account_id, state=state), "due_ms": {"$lte": until}}
        for other in await reading.find(Delivery, query, sort="due_ms", limit=50):
            if goes_before(other, delivery):
                return other
    return None


def goes_before(elder: Delivery, younger: Delivery) -> bool:
    """Whether ``elder``, which is tried again, was planned first and is still worth waiting for, though it is due later."""
    planned_first = (elder.planned_at, elder.order) < (younger.planned_at, younger.order)
    return elder.attempts > 0 and planned_first and elder.planned_at + IN_ORDER > now()
