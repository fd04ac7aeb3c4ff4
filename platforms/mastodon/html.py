"""The text of a status from the HTML that a server makes of it.

The HTML comes from somebody else's machine, so it is read in one pass that never looks at a character more than a few times,
and only so much of it. (``html.parser`` takes the square of the length for some inputs, and raises for others.)
"""

import html
import re
from collections.abc import Iterator

MOST = 200_000
"""Characters of HTML that are read; a post of 5,000 characters with a link in every word stays well below."""

_PIECE = re.compile(r"<(?P<tag>[/!?a-z][^<>]*)>|[^<]+|<", re.IGNORECASE)
_NAME = re.compile(r"/?[a-z][a-z0-9]*", re.IGNORECASE)
_ATTRIBUTE = re.compile(r"""\s(?P<name>class|href|alt)=(?:"(?P<double>[^"]*)"|'(?P<single>[^']*)')""", re.IGNORECASE)
_REFERENCE = re.compile(r"&(?:#[0-9]{1,7}|#x[0-9a-f]{1,6}|[a-z][a-z0-9]{0,31});", re.IGNORECASE)
"""A reference of a sane length: Python refuses to read a number of thousands of digits."""


def plain(page: str) -> str:
    """``page`` as its author may have typed it: links as their full address, mentions and tags as shown, pictures as their text.

    Links are shortened on display, so their text is replaced by ``href``. White space is not kept faithfully. What lies
    beyond :data:`MOST` characters is left out.
    """
    return "".join(_parts(page[:MOST]))


def _parts(page: str) -> Iterator[str]:
    silent = False  # inside a link that was replaced by its address
    for piece in _PIECE.finditer(page):
        tag = piece["tag"]
        if tag is None:
            yield "" if silent else unescaped(piece[0])
            continue
        name = _name(tag)
        if name in ("a", "/a"):
            address = _address(tag)
            silent = address is not None
            yield address or ""
        elif not silent:
            yield _shown(name, tag)


def _name(tag: str) -> str:
    found = _NAME.match(tag)
    return found[0].lower() if found else ""


def _address(tag: str) -> str | None:
    """Where a link goes; ``None`` if what it shows is what was typed."""
    if tag.startswith("/"):
        return None
    if {"mention", "hashtag"} & set(_attribute(tag, "class").split()):
        return None
    return _attribute(tag, "href") or None


def _shown(name: str, tag: str) -> str:
    if name == "img":
        return _attribute(tag, "alt")
    return "\n" if name in ("p", "/p", "br") else ""


def _attribute(tag: str, name: str) -> str:
    for found in _ATTRIBUTE.finditer(tag):
        if found["name"].lower() == name:
            return unescaped(found["double"] or found["single"] or "")
    return ""


def unescaped(text: str) -> str:
    """``text`` with the characters that its references stand for."""
    return _REFERENCE.sub(lambda found: html.unescape(found[0]), text)
