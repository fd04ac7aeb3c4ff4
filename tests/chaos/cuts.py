"""Which requests a wire is to be cut or held at, whether that happened, and how often requests came."""

from dataclasses import dataclass

from tests.chaos.wire import Found, Hold, Instead, When
from tests.chaos.writes import Reader, Write, half


@dataclass(eq=False)
class Cut:
    """Happens once. ``about``: ids (database) or words (network) that tell which delivery it is meant for."""

    write: str
    about: frozenset[str | bytes]
    when: When | Hold
    made: bool = False


@dataclass(eq=False)
class Count:
    """How many requests with these words have come since it was ordered."""

    words: frozenset[bytes]
    number: int = 0


class DatabaseCuts:
    """Looks at every write on the wire to the database."""

    def __init__(self) -> None:
        self._reader = Reader()
        self._ordered: list[Cut] = []

    def order(self, write: str, when: When | Hold, *about: str) -> Cut:
        """Cut at the next ``write`` of the post or the account ``about``; by half only at one of several changes."""
        cut = Cut(write, frozenset(about), when)
        self._ordered.append(cut)
        return cut

    def forget(self) -> None:
        """Take all orders back."""
        self._ordered.clear()

    def look(self, message: bytes) -> Found:
        write = self._reader.understand(message)
        if write is None:
            return None
        found = _make(self._ordered, [cut for cut in self._ordered if _meant(cut, write)])
        return Instead(half(message)) if found is When.HALF else found


def _meant(cut: Cut, write: Write) -> bool:
    divisible = cut.when is not When.HALF or write.size > 1
    return cut.write == write.name and bool(cut.about & write.about) and divisible


class NetworkCuts:
    """Looks at every request on a wire to a network: it is recognised by words that it carries."""

    def __init__(self) -> None:
        self._ordered: list[Cut] = []
        self._counts: list[Count] = []

    def order(self, when: When | Hold, *words: str | bytes) -> Cut:
        """Cut at the next request that carries all these ``words``, or in the middle of one at bytes that no other has."""
        cut = Cut("request", frozenset(map(_bytes, words)), when)
        self._ordered.append(cut)
        return cut

    def count(self, *words: str) -> Count:
        """Count the requests that carry all these ``words`` from now on."""
        count = Count(frozenset(map(_bytes, words)))
        self._counts.append(count)
        return count

    def forget(self) -> None:
        """Take all orders back."""
        self._ordered.clear()
        self._counts.clear()

    def look(self, data: bytes) -> Found:
        for count in self._counts:
            count.number += all(word in data for word in count.words)
        return _make(self._ordered, [cut for cut in self._ordered if all(_bytes(word) in data for word in cut.about)])


def _bytes(word: str | bytes) -> bytes:
    return word.encode() if isinstance(word, str) else word


def _make(ordered: list[Cut], found: list[Cut]) -> When | Hold | None:
    if not found:
        return None
    found[0].made = True
    ordered.remove(found[0])
    return found[0].when
