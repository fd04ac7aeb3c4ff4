"""Reading documents one by one: what cannot be read, from another version perhaps, is named in the log and left alone.

One broken document must not hold up its account, a list, or the start of a process.
"""

import logging
from collections.abc import Collection, Mapping
from typing import Any, TypeVar

from beanie import Document
from pydantic import ValidationError

from app.ids import Id

log = logging.getLogger(__name__)

D = TypeVar("D", bound=Document)


async def get(model: type[D], document_id: Id) -> D | None:
    """The document; ``None`` if there is none that can be read."""
    found = await model.get_pymongo_collection().find_one({"_id": document_id})
    return readable(model, found) if found is not None else None


async def find(model: type[D], query: Mapping[str, Any], *, sort: Any = None, limit: int = 0) -> list[D]:
    """The documents that match; ``sort`` as the driver takes it, ``limit`` 0 for all."""
    found = await rows(model, query, sort=sort, limit=limit)
    return [document for raw in found if (document := readable(model, raw)) is not None]


async def rows(
    model: type[Document],
    query: Mapping[str, Any],
    fields: Collection[str] | None = None,
    *,
    sort: Any = None,
    skip: int = 0,
    limit: int = 0,
) -> list[dict[str, Any]]:
    """What matches as the database holds it, with these ``fields`` only if any are named."""
    cursor = model.get_pymongo_collection().find(dict(query), dict.fromkeys(fields, 1) if fields else None)
    if sort is not None:
        cursor = cursor.sort(sort)
    return await cursor.skip(skip).limit(limit).batch_size(_AT_ONCE).to_list()


_AT_ONCE = 5_000
"""Documents in one reply. The embedded engine forgets what is left of a reply when the connection that asked is closed, and says
then that nothing is (nx-27017 0.8.1): a list would end early, and nobody would know."""


def readable(model: type[D], raw: Mapping[str, Any]) -> D | None:
    """``raw`` as a document, or a line in the log that names it without its content."""
    try:
        document: D = model.model_validate(raw)
    except ValidationError as error:
        where = [".".join(map(str, one["loc"])) for one in error.errors(include_input=False, include_url=False)]
        log.error("%s %s cannot be read: %s", model.__name__.lower(), raw.get("_id"), ", ".join(where))
        return None
    return document
