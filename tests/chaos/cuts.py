"""Which requests a wire is to be cut or held at, and whether that happened."""

from dataclasses import dataclass

from tests.chaos.wire import Hold, When
from tests.chaos.writes import Reader


@dataclass(eq=False)
class Cut:
    """Happens once. ``about``: ids (database) or words (network) that tell which delivery it is meant for."""

    write: str
    about: frozenset[str]
    when: When | Hold
    made: bool = False


class DatabaseCuts:
    """Looks at every write on the wire to the database."""

    def __init__(self) -> None:
        self._reader = Reader()
        self._ordered: list[Cut] = []

    def order(self, write: str, when: When | Hold, *about: str) -> Cut:
        """Cut at the next ``write`` of the post or the account ``about``."""
        cut = Cut(write, frozenset(about), when)
        self._ordered.append(cut)
        return cut

    def forget(self) -> None:
        """Take all orders back."""
        self._ordered.clear()

    def look(self, message: bytes) -> When | Hold | None:
        write = self._reader.understand(message)
        if write is None:
            return None
        return _make(self._ordered, [cut for cut in self._ordered if cut.write == write.name and cut.about & write.about])


class NetworkCuts:
    """Looks at every request on a wire to a network: it is recognised by words that it carries."""

    def __init__(self) -> None:
        self._ordered: list[Cut] = []

    def order(self, when: When | Hold, *words: str) -> Cut:
        """Cut at the next request that carries all these ``words``."""
        cut = Cut("request", frozenset(words), when)
        self._ordered.append(cut)
        return cut

    def forget(self) -> None:
        """Take all orders back."""
        self._ordered.clear()

    def look(self, data: bytes) -> When | Hold | None:
        return _make(self._ordered, [cut for cut in self._ordered if all(word.encode() in data for word in cut.about)])


def _make(ordered: list[Cut], found: list[Cut]) -> When | Hold | None:
    if not found:
        return None
    found[0].made = True
    ordered.remove(found[0])
    return found[0].when
