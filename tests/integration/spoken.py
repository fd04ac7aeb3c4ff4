"""Listens to what the driver says to the database, so that nobody has to remember what the embedded engine gets wrong."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from pymongo import monitoring

from app.models import ALL

PROVED = frozenset(
    {
        *("$set", "$unset", "$inc"),
        *("$eq", "$in", "$ne", "$lt", "$lte", "$gt", "$gte", "$options", "$or", "$regex", "$exists"),
        *("$match", "$group", "$sum"),  # what count_documents sends
        *("unique", "partialFilterExpression", "expireAfterSeconds"),
    }
)
"""Operators, stages and index options that test_engines.py proves on every engine. Add one together with its test."""

_OURS = frozenset(model.Settings.name for model in ALL)  # type: ignore[attr-defined]
_LOOKED_AT = ("filter", "query", "update", "updates", "deletes", "pipeline")
_OF_EVERY_INDEX = frozenset({"key", "name"})


def _nobody() -> None:
    """Most tests strike nobody."""


class Listener(monitoring.CommandListener):
    """Collects the operators that this process sends, through whichever client, and the databases it speaks to.

    ``commands`` are all of the test so far, as in ``"find deliveries"``. ``witness`` is called as each command is about to be
    sent and when it is answered, for tests that strike at every moment.
    """

    def __init__(self) -> None:
        self.heard: set[str] = set()
        self.databases: set[str] = set()
        self.commands: list[str] = []
        self.witness: Callable[[], object] = _nobody

    def forget(self) -> None:
        """Begin anew."""
        self.heard.clear()
        self.databases.clear()
        self.commands.clear()

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        """Called by the driver before each command."""
        self.databases.add(event.database_name)
        self.commands.append(f"{event.command_name} {event.command.get(event.command_name)}")
        for part in _LOOKED_AT:
            self.heard.update(operators(event.command.get(part)))
        if dates_beside_in(event.command.get("filter") or event.command.get("query") or {}):
            self.heard.add("a date beside $in")
        if event.command_name == "getMore" and event.command["collection"] in _OURS:
            self.heard.add("a list in several replies")  # the rest of it may silently be missing (app/models/reading.py)
        for index in event.command.get("indexes", ()):
            self.heard.update(set(index) - _OF_EVERY_INDEX)
        self.witness()

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        """Nothing to learn."""
        self.witness()

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """Nothing to learn."""


LISTENER = Listener()
"""The one that is registered with the driver."""


def dates_beside_in(query: Any) -> bool:
    """The embedded engine finds no document by a date that was updated when the query holds an ``$in`` too (nx-27017 0.8.1)."""
    conditions = [value for value in query.values() if isinstance(value, Mapping)] if isinstance(query, Mapping) else []
    dated = any(isinstance(bound, datetime) for one in conditions for bound in one.values())
    return dated and any("$in" in one for one in conditions)


def operators(value: Any) -> Iterator[str]:
    """Every key that begins with ``$``, and every positional path, at any depth."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if key.startswith("$") or ".$" in key:
                yield key
            yield from operators(inner)
    elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
        for inner in value:
            yield from operators(inner)
