"""Which characters a link is made of: the server's own classes, for every code point there is.

White space is where the languages disagree: ``\\s`` of JavaScript has U+FEFF and lacks U+0085, Ruby's ``\\p{White_Space}`` has
U+0085 and lacks U+FEFF, twitter-text's list adds U+180E, Python's ``str.isspace`` adds U+001C to U+001F. A server is written in
Ruby and refuses the post by its own count, so Ruby is right.
"""

import sys
from collections.abc import Iterable

import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from platforms.mastodon import text as detection
from platforms.mastodon.text import segments

WHITE_SPACE = {*range(0x09, 0x0E), 0x20, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F, 0x205F, 0x3000}
"""Unicode's White_Space (PropList.txt)."""
DIRECTIONS = {0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)}
INVALID = {0xFEFF, 0xFFFE, 0xFFFF}
PUNCTUATION = {*range(0x21, 0x30), *range(0x3A, 0x41), *range(0x5B, 0x61), *range(0x7B, 0x7F)}
CONTROLS = {*range(0x20), 0x7F}
LETTERS = {*map(ord, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")}
FOLDED = {0x0130, 0x0131, 0x017F, 0x212A}
"""Equal to an ASCII letter when case is ignored, which languages disagree about; nobody's address has them."""

NOT_IN_A_DOMAIN = WHITE_SPACE | {0x180E} | DIRECTIONS | INVALID | PUNCTUATION | CONTROLS
NOT_IN_A_PATH = WHITE_SPACE | {*map(ord, "<>()?")}
NOT_AT_A_PATHS_END = NOT_IN_A_PATH | {*map(ord, "!*\"'「」;:=,.$%[]~&|@")}
QUERY_ASCII = LETTERS | {*map(ord, "!?*'();:&=+$/%#[]-_.,~|@^")}
PLANES = {*range(0x10000, 0x110000)} - {plane | low for plane in range(0x10000, 0x110000, 0x10000) for low in (0xFFFE, 0xFFFF)}
UCHARS = {*range(0xA0, 0xD800), *range(0xE000, 0xFDD0), *range(0xFDF0, 0xFFF0)} | PLANES - {*range(0xE0000, 0xE1000)}


def matched(pattern: str) -> set[int]:
    compiled = regex.compile(pattern, regex.VERBOSE | regex.IGNORECASE)
    return {code for code in range(sys.maxunicode + 1) if compiled.fullmatch(chr(code))} - FOLDED


def everything_but(codes: Iterable[int]) -> set[int]:
    return set(range(sys.maxunicode + 1)) - set(codes) - FOLDED


def test_a_domain_is_made_of_the_characters_the_server_allows() -> None:
    assert matched(detection.DOMAIN) == everything_but(NOT_IN_A_DOMAIN)


def test_a_path_is_made_of_the_characters_the_server_allows() -> None:
    assert matched(detection.PATH) == everything_but(NOT_IN_A_PATH)
    assert matched(detection.PATH_END) == everything_but(NOT_AT_A_PATHS_END)
    assert matched(detection.PATH_MIDDLE) | matched(detection.PATH_END) == matched(detection.PATH)


def test_a_query_is_made_of_the_characters_the_server_allows() -> None:
    query = matched(detection.QUERY_MIDDLE) | matched(detection.QUERY_END)
    assert query == (QUERY_ASCII | UCHARS) - FOLDED
    assert matched(detection.QUERY_END) == (LETTERS | {*map(ord, "_&=#/-")} | UCHARS) - FOLDED


def links(text: str) -> list[str]:
    return [segment.text for segment in segments(text) if segment.kind == "link"]


@pytest.mark.parametrize(
    ("code", "in_a_path", "in_a_query"),
    [
        (0x1C, True, False),
        (0x85, False, False),
        (0xA0, False, True),
        (0x180E, True, True),
        (0x200B, True, True),
        (0x2028, False, True),
        (0x3000, False, True),
        (0xFEFF, True, True),
    ],
)
def test_what_some_take_for_white_space_ends_a_link_where_the_server_ends_it(
    code: int, in_a_path: bool, in_a_query: bool
) -> None:
    path, query = f"https://a.example/b{chr(code)}c", f"https://a.example?b{chr(code)}c"
    assert (links(path) == [path], links(query) == [query]) == (in_a_path, in_a_query)


EARLIER = regex.compile(
    r"""
    (?(DEFINE) (?P<parens> \( (?: [^\s<>()?] | \( [^\s<>()?]+ \) )+ \) ) )
    (?:
        (?<![a-z0-9@＠$\#＃])
        (?P<link>
            https?://
            (?: [^\s\p{Cc}!-/:-@\[-`{-~] (?: [_-]* [^\s\p{Cc}!-/:-@\[-`{-~] )*+ \. )+
            (?: xn--[a-z0-9-]+ | [a-z]{2,63} (?![0-9a-z@]) | [^\W\d_a-z]{2,63} )
            (?: : \d{1,5} )?
            (?: / (?: (?: [^\s<>()?] | (?&parens) )* (?: [^\s()?!*"'「」<>;:=,.$%\[\]~&|@] | (?&parens) ) )? )?
            (?: \? [^\s"<>\\`{}]* [a-z0-9_&=\#/\-\u00a0-\U0010ffff] )?
        )
        | (?<![=/\w])
        (?P<mention>
            (?P<local> @ (?> [a-z0-9_]+ (?: [.-]+ [a-z0-9_]+ )* ) )
            (?> @ \w+ (?: [.-]+ \w+ )* )?
        )
        (?! [@＠\u00c0-\u024f] | :// )
        | (?<![=/)\p{L}\p{N}])
        (?P<tag> \# (?! \d+ \b ) \w+ (?: [·・\u200c]+ \w+ )* )
    )
    """,
    regex.VERBOSE | regex.IGNORECASE,
)
"""The pattern as it was first written: easier to compare with the server's, and quadratic."""

DIGITS_AND_SIGNS = ". , / ( ) ? ! [ ] : 8080 - _ = & ~ · 2026 ' \" < > %20"
WORDS = "https:// http:// a.example b.co.uk xn--p1ai 例え.テスト @bob @ # bell é 👍🏽 a"
ordinary = st.sampled_from([*WORDS.split(), *DIGITS_AND_SIGNS.split(), " ", "\n", "\u0301"])


@settings(max_examples=2000)
@given(st.lists(ordinary, max_size=14).map("".join))
def test_ordinary_texts_are_cut_as_they_were_by_the_easier_pattern(text: str) -> None:
    found = [(segment.kind, segment.text) for segment in segments(text) if segment.kind != "text"]
    kinds = ("link", "mention", "tag")
    assert found == [(next(kind for kind in kinds if match[kind]), match[0]) for match in EARLIER.finditer(text)]
