"""What is wrong with a post before a Mastodon server says so."""

from collections.abc import Iterator

from platforms.base import Capabilities, Content, Problem
from platforms.mastodon.limits import URL_LENGTH, VISIBILITIES
from platforms.mastodon.text import length
from platforms.preflight import files


def count(content: Content, capabilities: Capabilities) -> int:
    """The length of the content warning and the text, as the server counts them."""
    url_length = capabilities.text.url_length
    warning = content.options.get("warning", "")
    return length(warning, content.text, url_length=URL_LENGTH if url_length is None else url_length)


def problems(content: Content, capabilities: Capabilities) -> Iterator[Problem]:
    """Every problem, in the order the form shows its fields."""
    yield from _text(content, capabilities)
    yield from _visibility(content)
    yield from files(content.media, capabilities.media, "this server")


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


def _some(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
