"""A text as pages show it: cut at its links, mentions and tags."""

import re
from dataclasses import dataclass

_FOUND = re.compile(
    r"(?P<link>https?://[^\s<>\"]+[^\s<>\".,;:!?)])"
    r"|(?<![\w/])(?P<mention>@\w[\w.-]*(?:@[\w-]+(?:\.[\w-]+)+)?)"
    r"|(?<![\w/#&])(?P<tag>#\w*[^\W\d]\w*)"
)


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of text; ``kind`` is ``text``, ``link``, ``mention`` or ``tag``, ``href`` is only ever an http(s) address."""

    text: str
    kind: str = "text"
    href: str | None = None


def from_plain(text: str) -> list[Piece]:
    """The text cut at the links, mentions and tags in it."""
    pieces, position = [], 0
    for found in _FOUND.finditer(text):
        kind = str(found.lastgroup)
        pieces += [Piece(text[position : found.start()]), Piece(found[0], kind, safe(found[0]))]
        position = found.end()
    return [piece for piece in (*pieces, Piece(text[position:])) if piece.text]


def safe(uri: object) -> str | None:
    """``uri`` if it is a web address."""
    return uri if isinstance(uri, str) and uri.startswith(("http://", "https://")) else None
