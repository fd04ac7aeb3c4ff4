"""A status as HTML: the server itself finds the links in a plain text."""

import re
import unicodedata

import regex
from markupsafe import escape

from platforms.sandbox.richtext import Piece, from_plain


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
