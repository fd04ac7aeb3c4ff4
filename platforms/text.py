"""Measuring text the way a reader sees it; shared by every adapter that counts characters."""

import regex

_CLUSTER = regex.compile(r"\X")


def graphemes(text: str) -> int:
    """The number of user-perceived characters: a family emoji, a flag or an accented letter counts one.

    Extended grapheme clusters of UAX #29; ``\\r\\n`` is one cluster too.
    """
    if text.isascii() and "\r" not in text:
        return len(text)
    return sum(1 for _ in _CLUSTER.finditer(text))
