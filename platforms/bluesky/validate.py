"""The preflight: what Bluesky would refuse, told before it is sent."""

from collections.abc import Iterator
from itertools import chain

from platforms.base import Capabilities, Content, Media, MediaRule, Problem, TextRule
from platforms.text import graphemes

_TYPES = {"image/jpeg": "JPEG", "image/png": "PNG", "image/webp": "WebP", "image/gif": "GIF"}


def problems(content: Content, capabilities: Capabilities) -> list[Problem]:
    """Everything wrong with ``content``, the blocking problems first."""
    rule = capabilities.media
    found = list(chain(_text(content, capabilities.text), _count(content, rule), _files(content, rule)))
    return sorted(found, key=lambda problem: not problem.blocks)


def _text(content: Content, rule: TextRule) -> Iterator[Problem]:
    if not content.text.strip() and not content.media:
        yield Problem("text", "empty", "Write something or add a picture.")
    excess = graphemes(content.text) - rule.limit
    if excess > 0:
        yield Problem("text", "too_long", f"{_count_of(excess, 'character')} too long: Bluesky takes {rule.limit}.")
    size = len(content.text.encode(errors="surrogatepass"))
    if rule.max_bytes is not None and size > rule.max_bytes:
        over = _count_of(size - rule.max_bytes, "byte")
        yield Problem("text", "too_many_bytes", f"{over} too long: emoji and accents take several bytes each. Shorten it.")
    if any("\ud800" <= letter <= "\udfff" for letter in content.text):
        yield Problem("text", "not_text", "The text holds a broken character. Delete it and type it again.")


def _count(content: Content, rule: MediaRule) -> Iterator[Problem]:
    if len(content.media) > rule.max_count:
        yield Problem("media", "too_many", f"Bluesky takes {rule.max_count} pictures in one post. Remove some.")


def _files(content: Content, rule: MediaRule) -> Iterator[Problem]:
    for number, media in enumerate(content.media, start=1):
        yield from _file(f"Picture {number}", media, rule)


def _file(name: str, media: Media, rule: MediaRule) -> Iterator[Problem]:
    if media.mime not in rule.mimes:
        known = ", ".join(label for mime, label in _TYPES.items() if mime in rule.mimes)
        yield Problem("media", "wrong_type", f"{name} has a type that Bluesky does not show. Use {known}.")
    if media.size > rule.max_bytes:
        yield Problem("media", "too_large", f"{name} is larger than {rule.max_bytes / 1_000_000:g} MB. Make it smaller.")
    excess = graphemes(media.alt) - rule.alt_limit
    if excess > 0:
        yield Problem("media", "alt_too_long", f"The description of {name.lower()} is {_count_of(excess, 'character')} too long.")
    if not media.alt.strip():
        advice = f"{name} has no description. People who cannot see it will miss it."
        yield Problem("media", "alt_missing", advice, blocks=False)


def _count_of(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
