"""How the two networks show a text: from the facets that were sent, or from what the server itself finds in plain text."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import escape

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


def from_facets(record: Mapping[str, Any]) -> list[Piece]:
    """The text cut at its facets. As on the real network, one that overlaps another or runs past the end is left out."""
    data = str(record["text"]).encode()
    pieces, position = [], 0
    for facet in sorted(record.get("facets") or (), key=lambda facet: facet["index"]["byteStart"]):
        start, end = facet["index"]["byteStart"], facet["index"]["byteEnd"]
        if position <= start < end <= len(data):
            pieces += [Piece(_text(data[position:start])), _piece(_text(data[start:end]), facet)]
            position = end
    return [piece for piece in (*pieces, Piece(_text(data[position:]))) if piece.text]


def _piece(text: str, facet: Mapping[str, Any]) -> Piece:
    feature = (facet.get("features") or [{}])[0]
    kind = str(feature.get("$type", "")).partition("#")[2] or "text"
    return Piece(text, kind, _safe(feature.get("uri")))


def _text(data: bytes) -> str:
    return data.decode(errors="replace")


def _safe(uri: object) -> str | None:
    return uri if isinstance(uri, str) and uri.startswith(("http://", "https://")) else None


def from_plain(text: str) -> list[Piece]:
    """The text cut at the links, mentions and tags in it."""
    pieces, position = [], 0
    for found in _FOUND.finditer(text):
        kind = str(found.lastgroup)
        pieces += [Piece(text[position : found.start()]), Piece(found[0], kind, _safe(found[0]))]
        position = found.end()
    return [piece for piece in (*pieces, Piece(text[position:])) if piece.text]


def as_html(text: str) -> str:
    """A status's ``content``: paragraphs, with links as links."""
    paragraphs = re.split(r"\n{2,}", text)
    return "".join(f"<p>{''.join(map(_html, from_plain(paragraph)))}</p>" for paragraph in paragraphs)


def _html(piece: Piece) -> str:
    inner = str(escape(piece.text)).replace("\n", "<br />")
    return f'<a href="{escape(piece.href)}">{inner}</a>' if piece.href else inner
