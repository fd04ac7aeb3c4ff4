"""What is wrong with a post before a Mastodon server says so."""

from collections.abc import Iterator

from platforms.base import Capabilities, Content, Media, MediaRule, Problem
from platforms.mastodon.limits import URL_LENGTH, VISIBILITIES
from platforms.mastodon.text import length
from platforms.text import graphemes

GIF_PIXELS = 1280 * 720
"""Servers turn GIFs into videos and refuse larger ones (Mastodon, 4.x media settings)."""
MB = 1024 * 1024


def count(content: Content, capabilities: Capabilities) -> int:
    """The length of the content warning and the text, as the server counts them."""
    url_length = capabilities.text.url_length
    warning = content.options.get("warning", "")
    return length(warning, content.text, url_length=URL_LENGTH if url_length is None else url_length)


def problems(content: Content, capabilities: Capabilities) -> Iterator[Problem]:
    """Every problem, in the order the form shows its fields."""
    yield from _text(content, capabilities)
    yield from _visibility(content)
    yield from _files(content, capabilities.media)


def _text(content: Content, capabilities: Capabilities) -> Iterator[Problem]:
    if not content.text.strip() and not content.media:
        yield Problem("text", "empty", "Write something or add an image.")
    limit = capabilities.text.limit
    over = count(content, capabilities) - limit
    if over > 0:
        yield Problem("text", "too_long", f"{_some(over, 'character')} too many: this server allows {limit}.")


def _visibility(content: Content) -> Iterator[Problem]:
    chosen = content.options.get("visibility")
    if chosen and chosen not in dict(VISIBILITIES):
        names = ", ".join(label for _, label in VISIBILITIES)
        yield Problem("visibility", "unknown", f"Choose who sees the post: {names}.")


def _files(content: Content, rule: MediaRule) -> Iterator[Problem]:
    if len(content.media) > rule.max_count:
        yield Problem("media", "too_many", f"This server allows {_some(rule.max_count, 'file')} in one post.")
    for number, media in enumerate(content.media, start=1):
        yield from _file(f"File {number}", media, rule)


def _file(name: str, media: Media, rule: MediaRule) -> Iterator[Problem]:
    if media.mime not in rule.mimes:
        yield Problem("media", "type", f"{name} is of type {media.mime}, which cannot be posted to this server.")
    if media.size > rule.max_bytes:
        yield Problem("media", "size", f"{name} has {_mb(media.size)} MB; this server allows {_mb(rule.max_bytes)} MB.")
    if media.width * media.height > (most := _most_pixels(media, rule)):
        size = f"{media.width} × {media.height} pixels"
        yield Problem("media", "pixels", f"{name} has {size}; make it smaller, {most:,} in total are allowed.")
    over = graphemes(media.alt) - rule.alt_limit
    if over > 0:
        yield Problem("media", "alt_too_long", f"{name}: its description is {_some(over, 'character')} too long.")
    if not media.alt.strip():
        yield Problem("media", "alt_missing", f"{name} has no description for people who cannot see it.", blocks=False)


def _most_pixels(media: Media, rule: MediaRule) -> float:
    own = GIF_PIXELS if media.mime == "image/gif" else float("inf")
    return min(own, float("inf") if rule.max_pixels is None else rule.max_pixels)


def _some(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _mb(size: int) -> str:
    return f"{size / MB:.1f}"
