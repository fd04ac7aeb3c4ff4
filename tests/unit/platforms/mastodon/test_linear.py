"""Twice as much text may cost twice as much time, not four times: a preview must not be able to stop the process."""

import time
from collections.abc import Callable

import pytest

from platforms.mastodon.html import plain
from platforms.mastodon.text import length, segments, without_hosts
from platforms.mastodon.words import Kept, compare
from platforms.text import graphemes

SMALL, DOUBLINGS = 8_000, 3
"""Characters of the shortest text, and how often it is doubled: 64,000 in the end."""
TRIPLED = 3.0**DOUBLINGS
"""Linear is 16 times the time of the shortest text, quadratic 256 times; in between lies what noise may do."""

TEXTS = {
    "labels": ("http://", "a."),
    "labels in other scripts": ("http://", "é."),
    "labels and a domain": ("http://", "ab."),
    "labels and a mention": ("http://", "ab.@"),
    "hyphens": ("http://a", "-"),
    "labels with hyphens": ("http://", "a-_a."),
    "one long label": ("http://", "a"),
    "punycode": ("http://", "xn--a."),
    "schemes": ("", "http://"),
    "links": ("", "https://a.bc/x "),
    "links without a space": ("", "https://a.bc/"),
    "parentheses": ("https://a.bc/", "("),
    "closed parentheses": ("https://a.bc/", "(a)"),
    "nested parentheses": ("https://a.bc/(", "(a)"),
    "links in parentheses": ("", "(https://a.bc/"),
    "links before parentheses": ("", "https://a.bc/("),
    "links before nested ones": ("https://a.bc/(", "https://a.bc/(a)"),
    "a path of punctuation": ("https://a.bc/", "!"),
    "links before punctuation": ("", "https://a.bc/!!!!"),
    "a query of punctuation": ("https://a.bc?a", "!"),
    "queries": ("", "https://a.bc?"),
    "queries with spaces": ("https://a.bc?a", "\u00a0!"),
    "ports": ("", "https://a.bc:99999"),
    "mentions": ("", "@a"),
    "at signs after letters": ("", "a@"),
    "at signs": ("", "@"),
    "hosts of mentions": ("@a@", "a."),
    "hyphens of mentions": ("@a@", "b-"),
    "dots of mentions": ("@a", "."),
    "mentions with hosts": ("", ".@a@b"),
    "hashes": ("", "#"),
    "digits of a tag": ("#", "1"),
    "tags": ("", "#a"),
    "dots of a tag": ("#a", "·"),
    "letters": ("", "a"),
    "spaces": ("", " "),
    "flags": ("", "🇩"),
    "flags and letters": ("", "🇩🇪🇫a"),
    "accents": ("a", "\u0301"),
    "accents of two kinds": ("a", "\u0301\u0316"),
    "shortcodes": ("", ":a"),
    "joiners": ("", "👩\u200d"),
    "line ends": ("", "\r\n"),
    "prepended signs": ("", "\u0600"),
    "conjuncts": ("", "क\u094d"),
    "Hangul": ("", "\u1100"),
}
PAGES = {
    "open tags": ("", "<a "),
    "open comments": ("", "<!--"),
    "open quotes": ("", '<a href="'),
    "attributes": ("<a ", "a=b "),
    "attributes without a value": ("", "<a a="),
    "slashes": ("", "<a/"),
    "less-than signs": ("", "<"),
    "declarations": ("", "<!["),
    "instructions": ("", "<?"),
    "end tags": ("", "</"),
    "scripts": ("<script>", "</"),
    "ampersands": ("", "&"),
    "references": ("", "&amp"),
    "digits of a reference": ("&#", "9"),
    "links": ("", '<a href="https://a.bc/">a</a>'),
    "quotes of both kinds": ("", """<a href='" class=">"""),
    "paragraphs": ("", "<p>a</p>"),
}


def is_linear(work: Callable[[str], object], start: str, unit: str) -> bool:
    """Whether the longest text takes less than :data:`TRIPLED` times as long as the shortest; noise gets three chances."""
    short, long = (start + unit * (characters // len(unit)) for characters in (SMALL, SMALL << DOUBLINGS))
    usual = max(min(taken(work, short) for _ in range(5)), 1e-4)
    return any(taken(work, long) < TRIPLED * usual for _ in range(3))


def taken(work: Callable[[str], object], text: str) -> float:
    started = time.process_time()
    work(text)
    return time.process_time() - started


def previewed(text: str) -> None:
    length("", text, url_length=23)
    without_hosts(text)
    for _ in segments(text):
        pass


@pytest.mark.parametrize("shape", TEXTS)
def test_a_preview_takes_time_in_proportion_to_the_text(shape: str) -> None:
    assert is_linear(previewed, *TEXTS[shape])


@pytest.mark.parametrize("shape", TEXTS)
def test_counting_graphemes_takes_time_in_proportion_to_the_text(shape: str) -> None:
    assert is_linear(graphemes, *TEXTS[shape])


@pytest.mark.parametrize("shape", PAGES)
def test_reading_html_takes_time_in_proportion_to_the_page(shape: str) -> None:
    assert is_linear(plain, *PAGES[shape])


@pytest.mark.parametrize("shape", TEXTS)
def test_comparing_words_takes_time_in_proportion_to_the_text(shape: str) -> None:
    assert is_linear(lambda text: compare(text, f"{text[: len(text) // 2]}, {text[::2]}", Kept.SHOWN), *TEXTS[shape])
