"""Indexes at start-up: what the documents ask for is compared with what is there, and a difference is a migration.

MongoDB refuses to make an index anew under its old name with other keys or options (errors 85 and 86): the old one has to go
first. Indexes of other names are left alone, because an operator may have made them; those that earlier versions of Carillon made
and nobody wants any more are listed in ``RETIRED``.
"""

import asyncio
import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from pymongo import IndexModel
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import OperationFailure

log = logging.getLogger(__name__)

Listing = Mapping[str, Any]
"""One index as ``listIndexes`` tells it, or as ``createIndexes`` takes it: ``name``, ``key`` and options."""

RETIRED: Mapping[str, frozenset[str]] = MappingProxyType(
    {"deliveries": frozenset({"account_due", "due", "account_next"}), "media": frozenset({"newest"})}
)
"""Collection to the names of indexes that earlier versions made there. Add a name when an index is removed or renamed."""

_NOT_FOUND = 27
_TRIES = 5
_PAUSE = 0.5
_LONG = 5.0
"""Seconds after which a person is told what the start waits for."""


class CannotPrepare(Exception):
    """The database is there, and refuses what it needs. The message tells the operator what to do."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What makes two indexes the same. ``partial`` is its filter as text, ``None`` without one."""

    keys: tuple[tuple[str, int], ...]
    unique: bool
    expires: int | None
    partial: str | None

    @classmethod
    def of(cls, index: Listing) -> "Shape":
        """Numbers may come back as floats, and options that are off not at all."""
        expires, partial = index.get("expireAfterSeconds"), index.get("partialFilterExpression")
        return cls(
            keys=tuple((field, int(direction)) for field, direction in dict(index["key"]).items()),
            unique=bool(index.get("unique")),
            expires=None if expires is None else int(expires),
            partial=None if partial is None else _text(partial),
        )

    @property
    def known_to_the_embedded_engine(self) -> tuple[Any, ...]:
        """nx-27017 keeps no directions and no filters."""
        return tuple(field for field, _ in self.keys), self.unique, self.expires


def to_drop(collection: str, wanted: Iterable[Listing], there: Iterable[Listing], retired: Collection[str] = ()) -> list[str]:
    """The names of the indexes that have to go before those that are ``wanted`` can be made. Pure."""
    others = [index for index in there if index["name"] != "_id_"]
    if all(index["name"] == _embedded_name(collection, index) for index in others):
        wishes = {Shape.of(index).known_to_the_embedded_engine for index in wanted}
        return [index["name"] for index in others if Shape.of(index).known_to_the_embedded_engine not in wishes]
    shapes = {index["name"]: Shape.of(index) for index in wanted}
    changed = [index["name"] for index in others if index["name"] in shapes and Shape.of(index) != shapes[index["name"]]]
    return changed + [index["name"] for index in others if index["name"] in retired and index["name"] not in shapes]


def _embedded_name(collection: str, index: Listing) -> str:
    """nx-27017 forgets the names it is given and makes its own, of the fields. Nobody else writes to its file."""
    return f"idx_{collection}_" + "_".join(index["key"]).replace(".", "_")


def _text(value: Any) -> str:
    """The same for every order of keys."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_text(value[key])}" for key in sorted(value)) + "}"
    return repr(value)


async def settle(database: AsyncDatabase[dict[str, Any]], collection: str, wanted: Sequence[IndexModel]) -> None:
    """Make the collection's indexes what they should be. Several processes may do so at once: who comes second is content.

    Waits for as long as a build takes, whoever began it. Raises ``CannotPrepare`` if the database refuses, and pymongo's
    errors of connection.
    """
    for remaining in reversed(range(_TRIES)):
        try:
            await _drop_changed(database, collection, wanted)
            await _make(database, collection, wanted)
        except OperationFailure as error:  # another process that starts may have dropped or made one in between
            if not remaining:
                raise CannotPrepare(f"the indexes of {collection} cannot be made: {error.details or error}") from error
            await asyncio.sleep(_PAUSE)
        else:
            return


async def _drop_changed(database: AsyncDatabase[dict[str, Any]], collection: str, wanted: Sequence[IndexModel]) -> None:
    there = await (await database[collection].list_indexes()).to_list()
    for name in to_drop(collection, [index.document for index in wanted], there, RETIRED.get(collection, ())):
        log.warning("the index %s of %s is not what this version wants; it is made anew", name, collection)
        try:
            await database[collection].drop_index(name)
        except OperationFailure as error:
            if error.code != _NOT_FOUND:
                raise


async def _make(database: AsyncDatabase[dict[str, Any]], collection: str, wanted: Sequence[IndexModel]) -> None:
    """MongoDB answers at once for what is there, and waits for a build that is under way."""
    if not wanted:
        return
    message = "still making the indexes of %s; with millions of documents that takes minutes. Do not stop it"
    notice = asyncio.get_running_loop().call_later(_LONG, log.warning, message, collection)
    try:
        await database[collection].create_indexes(list(wanted))
    finally:
        notice.cancel()
