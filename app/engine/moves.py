"""A delivery's changes of state: compare-and-sets, one alone or many in one command.

Nothing else writes to the ``deliveries`` collection's state. The transition table is checked, so a wrong step is an error of the
program, and every change is guarded by the state it starts from, so of two who try only one succeeds.

A broken connection, or a server that steps down, leaves open whether a write was applied. Every write therefore carries a fresh
``move_id``: it is repeated for some seconds, changes nothing where that token stands already, and then the driver's error is
raised.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeVar

from pydantic import BaseModel
from pymongo import ReturnDocument, UpdateOne
from pymongo.errors import BulkWriteError, ConnectionFailure, PyMongoError

from app.ids import Id
from app.models import TRANSITIONS, Delivery, State, in_millis, now, reading

log = logging.getLogger(__name__)

MOST = 100
"""Changes in one command. The embedded engine writes each to the disk before it answers anybody else."""

_PAUSE = 0.5
"""Seconds between two tries at a write whose connection broke."""

_DUPLICATE = 11000

T = TypeVar("T")


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

    ``patience`` in seconds, for a database whose connection broke. Whoever leaves *publishing* ends the account's turn by it.
    """
    sources = [source] if isinstance(source, State) else list(source)
    for state in sources:
        _check(state, target)
    token = Id()
    state_is = {"$in": sources} if len(sources) > 1 else sources[0]
    query = {"_id": delivery_id, "state": state_is, "move_id": {"$ne": token}, **(where or {})}
    update: dict[str, Any] = {"$set": _raw(_fields(target, token, now(), changes))}
    if increase:
        update["$inc"] = dict(increase)
    return await _patiently(lambda: _apply(delivery_id, query, update, token), patience)


async def _apply(delivery_id: Id, query: dict[str, Any], update: dict[str, Any], token: Id) -> Delivery | None:
    collection = Delivery.get_pymongo_collection()
    found = await collection.find_one_and_update(query, update, return_document=ReturnDocument.AFTER)
    if found is None:  # it may be our own write, applied before its answer was lost
        found = await collection.find_one({"_id": delivery_id, "move_id": token})
    return Delivery.model_validate(found) if found else None


# --- many at once -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Move:
    """The change of a delivery, as it was read, to ``target``: ``changes`` are values of the document's fields.

    ``where`` are further conditions for the document, as a query has them.
    """

    delivery: Delivery
    target: State
    changes: Mapping[str, Any]
    where: Mapping[str, Any] = field(default_factory=dict)
    token: Id = field(default_factory=Id)
    at: datetime = field(default_factory=now)

    def __post_init__(self) -> None:
        _check(self.delivery.state, self.target)

    @property
    def operation(self) -> UpdateOne:
        """Guarded by ``move_id``: whatever happened to the delivery since it was read refuses the change."""
        known = {"_id": self.delivery.id, "state": self.delivery.state, "move_id": self.delivery.move_id, **self.where}
        return UpdateOne(known, {"$set": _raw(self._fields)})

    @property
    def _fields(self) -> dict[str, Any]:
        return _fields(self.target, self.token, self.at, self.changes)

    @property
    def moved(self) -> Delivery:
        """The delivery as it is when the change was made."""
        return self.delivery.model_copy(update=self._fields)


class Refused(StrEnum):
    """Why a change was not made."""

    CHANGED = "changed"
    """Somebody else was first."""
    TAKEN = "taken"
    """A unique index: another delivery has the turn, or the receipt."""


Result = Delivery | Refused


async def move_all(moves: Sequence[Move], *, patience: float = 10) -> list[Result]:
    """Make all ``moves`` that can be made, each by itself; what became of each, in their order.

    The database tells how many were made and which met a unique index. Only if some were not made is it asked which.
    """
    results: list[Result] = []
    for first in range(0, len(moves), MOST):
        some = moves[first : first + MOST]
        results += await _patiently(lambda some=some: _write(some), patience)  # type: ignore[misc]
    return results


async def _write(moves: Sequence[Move]) -> list[Result]:
    made, taken = await _bulk([move.operation for move in moves])
    open_ones = [move for index, move in enumerate(moves) if index not in taken]
    tokens = {move.token for move in open_ones} if made == len(open_ones) else await _standing(open_ones)
    return [
        Refused.TAKEN if index in taken else move.moved if move.token in tokens else Refused.CHANGED
        for index, move in enumerate(moves)
    ]


async def _bulk(operations: list[UpdateOne]) -> tuple[int, set[int]]:
    """How many matched, and the indexes of those that a unique index refused."""
    try:
        result = await Delivery.get_pymongo_collection().bulk_write(operations, ordered=False)
    except BulkWriteError as error:
        failures = error.details["writeErrors"]
        if error.details.get("writeConcernErrors") or any(one["code"] != _DUPLICATE for one in failures):
            raise
        return error.details["nMatched"], {one["index"] for one in failures}
    return result.matched_count, set()


async def _standing(moves: Iterable[Move]) -> set[Id]:
    """The tokens that stand in the documents: those changes were made, now or by a try whose answer was lost."""
    query = {"_id": {"$in": [move.delivery.id for move in moves]}}
    return {Id(found["move_id"]) for found in await reading.rows(Delivery, query, ["move_id"])}


# --- what both have in common -----------------------------------------------------------------------------------------


def _check(source: State, target: State) -> None:
    if target not in TRANSITIONS[source]:
        raise ValueError(f"{source} cannot become {target}")


def _fields(target: State, token: Id, at: datetime, changes: Mapping[str, Any]) -> dict[str, Any]:
    fields = {"state": target, "updated_at": at, "move_id": token, **changes}
    if "due_at" in changes:
        fields["due_ms"] = in_millis(changes["due_at"])
    if target != State.PUBLISHING:
        fields["turn"] = None
    return fields


def _raw(value: Any) -> Any:
    """``value`` as the driver takes it."""
    match value:
        case BaseModel():
            return value.model_dump()
        case dict():
            return {key: _raw(one) for key, one in value.items()}
        case list():
            return [_raw(one) for one in value]
        case _:
            return value


async def _patiently(write: Callable[[], Awaitable[T]], patience: float) -> T:
    """The result of ``write``, which is repeated while its connection breaks, or its server steps down."""
    deadline = asyncio.get_running_loop().time() + patience
    while True:
        try:
            return await write()
        except PyMongoError as error:
            if not _may_pass(error) or asyncio.get_running_loop().time() > deadline:
                raise
            log.warning("the database connection broke in a write; trying again")
            await asyncio.sleep(_PAUSE)


def _may_pass(error: PyMongoError) -> bool:
    """Whether the connection broke, or the server stepped down: what it had written may be lost with it."""
    return isinstance(error, ConnectionFailure) or error.has_error_label("RetryableWriteError")
