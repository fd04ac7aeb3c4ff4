"""Which bytes of a file a request asks for (RFC 9110, 14)."""

import re
from dataclasses import dataclass

_ONE = re.compile(r"bytes=([0-9]{0,19})-([0-9]{0,19})")
"""A single range. What is anything else, or several, may be ignored, and is."""


@dataclass(frozen=True, slots=True)
class Range:
    """From ``start`` to before ``end`` of ``size`` bytes; ``whole`` if nobody asked for less."""

    start: int
    end: int
    size: int
    whole: bool = False

    @property
    def length(self) -> int:
        """Bytes that are sent."""
        return self.end - self.start

    @property
    def content_range(self) -> str:
        """The header's value."""
        return f"bytes {self.start}-{self.end - 1}/{self.size}"


def parse(header: str, size: int) -> Range | None:
    """What ``Range: header`` means for a file of ``size`` bytes. ``None``: it asks for nothing that is there (416)."""
    found = _ONE.fullmatch(header.strip())
    if found is None or not any(found.groups()):
        return Range(0, size, size, whole=True)
    first, last = found.groups()
    if not first:  # so many from the end
        start, end = max(0, size - int(last)), size
    else:
        start, end = int(first), min(size, int(last) + 1) if last else size
        if last and int(last) < int(first):  # no range at all
            return Range(0, size, size, whole=True)
    return Range(start, end, size) if start < end else None
