"""Listens to what the driver says to the database, so that nobody has to remember what the embedded engine gets wrong."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pymongo import monitoring

PROVED = frozenset(
    {
        *("$set", "$inc"),
        *("$eq", "$in", "$ne", "$lt", "$lte", "$gt", "$gte", "$or"),
        *("$match", "$group", "$sum"),  # what count_documents sends
        *("unique", "partialFilterExpression", "expireAfterSeconds"),
    }
)
"""Operators, stages and index options that test_engines.py proves on every engine. Add one together with its test."""

_LOOKED_AT = ("filter", "query", "update", "updates", "deletes", "pipeline")
_OF_EVERY_INDEX = frozenset({"key", "name"})


class Listener(monitoring.CommandListener):
    """Collects the operators that this process sends, through whichever client."""

    def __init__(self) -> None:
        self.heard: set[str] = set()

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        """Called by the driver before each command."""
        for part in _LOOKED_AT:
            self.heard.update(operators(event.command.get(part)))
        for index in event.command.get("indexes", ()):
            self.heard.update(set(index) - _OF_EVERY_INDEX)

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        """Nothing to learn."""

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """Nothing to learn."""


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
