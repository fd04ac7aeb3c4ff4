"""A post's text cut at the facets that were sent with it."""

from collections.abc import Mapping
from typing import Any

from platforms.sandbox.richtext import Piece, safe


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
    return Piece(text, kind, safe(feature.get("uri")))


def _text(data: bytes) -> str:
    return data.decode(errors="replace")
