"""How Mastodon reads a text: what is a link, a mention or a tag, and how long that makes it.

Lengths are grapheme clusters of the content warning and the text together; in the text, a link counts a fixed number
and ``@user@remote.tld`` counts ``@user`` (Mastodon documentation, user/posting).

The classes of characters are the server's (Mastodon's twitter_regex.rb over twitter-text's regex.rb). Nothing here may take
more time than in proportion to the text, whatever it is: what has been read is not read again, so repetitions are possessive.
"""

from collections.abc import Iterator

import regex

from platforms.base import Segment
from platforms.text import graphemes

DIRECTIONS = r"\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
SPACES = r"\t-\r\u0020\u0085\u00a0\u1680\u180e\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
"""twitter-text's own list: with U+180E, which has not been white space since Unicode 6.3."""
INVALID = r"\ufeff\ufffe\uffff"
UCHARS = (
    r"\u00a0-\ud7ff\ue000-\ufdcf\ufdf0-\uffef"
    r"\U00010000-\U0001fffd\U00020000-\U0002fffd\U00030000-\U0003fffd\U00040000-\U0004fffd\U00050000-\U0005fffd"
    r"\U00060000-\U0006fffd\U00070000-\U0007fffd\U00080000-\U0008fffd\U00090000-\U0009fffd\U000a0000-\U000afffd"
    r"\U000b0000-\U000bfffd\U000c0000-\U000cfffd\U000d0000-\U000dfffd\U000e1000-\U000efffd\U000f0000-\U000ffffd"
    r"\U00100000-\U0010fffd"
)
BEFORE_LINK = rf"a-z0-9@＠$\#＃{INVALID}"
DOMAIN = rf"[^{DIRECTIONS}{SPACES}{INVALID}\x00-\x1f\x7f!-/:-@\[-`{{-~]"
PATH = r"[^\p{White_Space}<>()?]"
PATH_MIDDLE = r"""[!*"'「」;:=,.$%\[\]~&|@]"""
PATH_END = r"""[^\p{White_Space}<>()?!*"'「」;:=,.$%\[\]~&|@]"""
QUERY_MIDDLE = r"[!?*'();:+$%\[\].,~|@\^]"
QUERY_END = rf"[a-z0-9_&=\#/\-{UCHARS}]"
"""A path is ``PATH_MIDDLE`` and ``PATH_END`` in any order, ending with the latter; both are ``PATH``. A query is like that."""

LABEL = rf"(?: {DOMAIN} (?: [_-]*+ {DOMAIN} )*+ \. )"
SUFFIX = r"(?: xn--[a-z0-9-]++ | [a-z]{2,63}+ (?![0-9a-z@]) | [^\W\d_a-z]{2,63}+ )"
PARENS = rf"(?: \( (?: {PATH} | \( {PATH}++ \) )++ \) )"
LINK = rf"""
(?<![{BEFORE_LINK}])
(?P<link>
    https?://
    (?: {LABEL} (?: (?!{SUFFIX}) {LABEL} )*+ (?={SUFFIX}) )++ {SUFFIX}  # up to the last label that a suffix follows
    (?: : \d{{1,5}}+ )?+
    (?: / (?: {PATH_MIDDLE}*+ (?: {PATH_END} | {PARENS} ) )*+ )?+
    (?: \? (?: {QUERY_MIDDLE}*+ {QUERY_END} )++ )?+
)
"""
MENTION = r"""
(?<![=/\w])
(?P<mention>
    (?P<local> @ (?> [a-z0-9_]++ (?: [.-]++ [a-z0-9_]++ )*+ ) )
    (?> @ \w++ (?: [.-]++ \w++ )*+ )?
)
(?! [@＠\u00c0-\u024f] | :// )
"""
TAG = r"""
(?<![=/)\p{L}\p{N}])
(?P<tag> \# (?! \d++ \b ) \w++ (?: [·・\u200c]++ \w++ )*+ )
"""

_ENTITY = regex.compile(rf"{LINK} | {MENTION} | {TAG}", regex.VERBOSE | regex.IGNORECASE)


def length(warning: str, text: str, *, url_length: int) -> int:
    """What the server compares with its limit. A link is added as a number, for ``url_length`` is the server's to choose."""
    links = 0

    def counted(match: regex.Match[str]) -> str:
        nonlocal links
        if match["link"]:
            links += 1
            return "x" if url_length else ""
        return match["local"] or match[0]

    shown = _ENTITY.sub(counted, text)
    return graphemes(warning + shown) + links * max(url_length - 1, 0)


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
