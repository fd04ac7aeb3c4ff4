"""How the two networks show a text: from the facets that were sent, or from what the server itself finds in plain text."""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import regex
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


_MARKDOWN = {r"\*\*(\S.*?)\*\*": r"<strong>\1</strong>", r"\*(\S.*?)\*": r"<em>\1</em>", r"`(.+?)`": r"<code>\1</code>"}
_BARE = re.compile(r"(?<![\w@./-])((?:[a-z0-9-]+\.)+(?:com|example|net|org)\b)(?![^<]*</a>)")
_EMOJI = regex.compile(r"\p{Emoji_Presentation}\ufe0f?")


def rewritten(text: str) -> str:
    """``content`` on a server that takes Markdown, finds addresses without a scheme, and draws emoji itself."""
    html = as_html(text)
    for mark, tags in _MARKDOWN.items():
        html = re.sub(mark, tags, html)
    html = _BARE.sub(r'<a href="https://\1">\1</a>', html)
    return _EMOJI.sub(lambda found: f'<img class="emoji" alt=":{_shortcode(found[0])}:">', html)


def _shortcode(emoji: str) -> str:
    return unicodedata.name(emoji[0], "emoji").lower().replace(" ", "_")


def _html(piece: Piece) -> str:
    inner = str(escape(piece.text)).replace("\n", "<br />")
    return f'<a href="{escape(piece.href)}">{inner}</a>' if piece.href else inner
