"""How Mastodon reads a text: what is a link, a mention or a tag, and how long that makes it.

Lengths are grapheme clusters of the content warning and the text together; in the text, a link counts a fixed number
and ``@user@remote.tld`` counts ``@user`` (Mastodon documentation, user/posting).
"""

from collections.abc import Iterator

import regex

from platforms.base import Segment
from platforms.text import graphemes

LINK = r"""
(?<![a-z0-9@＠$\#＃])
(?P<link>
    https?://
    (?: [^\s\p{Cc}!-/:-@\[-`{-~] (?: [_-]* [^\s\p{Cc}!-/:-@\[-`{-~] )*+ \. )+  # labels: any script, no ASCII punctuation
    (?: xn--[a-z0-9-]+ | [a-z]{2,63} (?![0-9a-z@]) | [^\W\d_a-z]{2,63} )        # a top-level domain
    (?: : \d{1,5} )?
    (?: / (?: (?: [^\s<>()?] | (?&parens) )* (?: [^\s()?!*"'「」<>;:=,.$%\[\]~&|@] | (?&parens) ) )? )?
    (?: \? [^\s"<>\\`{}]* [a-z0-9_&=\#/\-\u00a0-\U0010ffff] )?
)
"""
MENTION = r"""
(?<![=/\w])
(?P<mention>
    (?P<local> @ (?> [a-z0-9_]+ (?: [.-]+ [a-z0-9_]+ )* ) )
    (?> @ \w+ (?: [.-]+ \w+ )* )?
)
(?! [@＠\u00c0-\u024f] | :// )
"""
TAG = r"""
(?<![=/)\p{L}\p{N}])
(?P<tag> \# (?! \d+ \b ) \w+ (?: [·・\u200c]+ \w+ )* )
"""
PARENS = r"(?(DEFINE) (?P<parens> \( (?: [^\s<>()?] | \( [^\s<>()?]+ \) )+ \) ) )"

_ENTITY = regex.compile(f"{PARENS} (?: {LINK} | {MENTION} | {TAG} )", regex.VERBOSE | regex.IGNORECASE)


def length(warning: str, text: str, *, url_length: int) -> int:
    """What the server compares with its limit."""
    return graphemes(warning + _ENTITY.sub(lambda match: _counted(match, url_length), text))


def _counted(match: regex.Match[str], url_length: int) -> str:
    if match["link"]:
        return "x" * url_length
    return match["local"] or match[0]


def without_hosts(text: str) -> str:
    """``text`` as the server displays it: mentions lose their host, everything else stays."""
    return _ENTITY.sub(lambda match: match["local"] or match[0], text)


def segments(text: str) -> Iterator[Segment]:
    """``text`` cut into plain stretches and entities; joined again it is ``text``."""
    end = 0
    for match in _ENTITY.finditer(text):
        if match.start() > end:
            yield Segment("text", text[end : match.start()])
        yield _entity(match)
        end = match.end()
    if end < len(text):
        yield Segment("text", text[end:])


def _entity(match: regex.Match[str]) -> Segment:
    if match["link"]:
        return Segment("link", match[0], href=match[0])
    return Segment("mention" if match["mention"] else "tag", match[0])
