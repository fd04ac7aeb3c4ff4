"""What was requested. It is for tests and benches that ask while the sandbox runs, so it is kept in memory and ends with it."""

from collections import Counter
from dataclasses import dataclass

MOST = 100_000
"""Texts; the oldest are forgotten, so that a sandbox that runs for months does not grow."""


@dataclass(slots=True)
class Sent:
    """A text, when it was first sent, what that was answered (``None``: not answered), and how often it was sent."""

    platform: str
    text: str
    at: float
    status: int | None = None
    times: int = 1


class Log:
    """Requests per network and purpose, and publish requests by their text."""

    def __init__(self) -> None:
        self.counters: Counter[tuple[str, str]] = Counter()
        self._sent: dict[tuple[str, str], Sent] = {}

    @property
    def sent(self) -> list[Sent]:
        """Every text, in the order in which they first came."""
        return [*self._sent.values()]

    def note(self, platform: str, text: str, at: float) -> Sent | None:
        """A publish request has arrived. What it is answered belongs into the returned ``Sent``; ``None``: not the first."""
        known = self._sent.get((platform, text))
        if known:
            known.times += 1
            return None
        if len(self._sent) >= MOST:
            del self._sent[next(iter(self._sent))]
        first = self._sent[platform, text] = Sent(platform, text, at)
        return first

    def clear(self) -> None:
        """Forget everything."""
        self.counters.clear()
        self._sent.clear()
