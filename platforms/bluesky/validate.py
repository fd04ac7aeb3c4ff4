"""The preflight: what Bluesky would refuse, told before it is sent."""

from collections.abc import Iterator
from itertools import chain

from platforms.base import Capabilities, Content, Problem, TextRule
from platforms.bluesky.files import particulars
from platforms.preflight import files
from platforms.text import graphemes


def problems(content: Content, capabilities: Capabilities) -> list[Problem]:
    """Everything wrong with ``content``, the blocking problems first."""
    common = files(content.media, capabilities.media, "Bluesky")
    found = chain(_text(content, capabilities.text), common, particulars(content.media))
    return sorted(found, key=lambda problem: not problem.blocks)


def _text(content: Content, rule: TextRule) -> Iterator[Problem]:
    if not content.text.strip() and not content.media:
        yield Problem("text", "empty", "Write something, or add a picture or a video.")
    excess = graphemes(content.text) - rule.limit
    if excess > 0:
        yield Problem("text", "too_long", f"{_count_of(excess, 'character')} too long: Bluesky takes {rule.limit}.")
    size = len(content.text.encode(errors="surrogatepass"))
    if rule.max_bytes is not None and size > rule.max_bytes:
        over = _count_of(size - rule.max_bytes, "byte")
        yield Problem("text", "too_many_bytes", f"{over} too long: emoji and accents take several bytes each. Shorten it.")
    if any("\ud800" <= letter <= "\udfff" for letter in content.text):
        yield Problem("text", "not_text", "The text holds a broken character. Delete it and type it again.")


def _count_of(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
