"""Links, mentions and tags in a post's text.

Bluesky does not look for them itself: a record names each one as a facet with its place in UTF-8 bytes. They are found with the
rules of Bluesky's own app (``atproto`` carries a port of them, with the list of top-level domains that makes ``example.org`` a
link and ``e.g`` none), so a text means here what it means there. The app's rules may overlap, and may yield what the server
refuses together with the whole post; such finds stay plain text. The port's work grows with the square of the text, so only as
much is searched as a post can hold.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from atproto_client import models  # type: ignore[import-untyped]
from atproto_client.utils import detect_facets, detect_mentions  # type: ignore[import-untyped]

from platforms.base import Segment

_TAG_BYTES = 640
"""Limit of ``app.bsky.richtext.facet#tag``, beside its 64 characters, which the detection observes itself."""
_SEARCHED = 3000
"""Characters; Bluesky takes no more bytes (lexicon ``app.bsky.feed.post``), and what is longer cannot be sent as it is."""
_HASH = re.compile(r"(?<![^\t\n\v\f\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff])[#＃]")
"""What begins a tag: a hash after nothing or after what the app's rules call a space."""
_LINK = re.compile(r"https?://[^\s/]\S*")
"""What the lexicon's ``uri`` format demands of a link: something between the slashes and the path."""


@dataclass(frozen=True, slots=True)
class Span:
    """Something in the text. ``start`` and ``end`` are UTF-8 byte offsets; ``value`` is the address, handle or bare tag."""

    kind: Literal["link", "mention", "tag"]
    start: int
    end: int
    value: str


def spans(text: str) -> tuple[Span, ...]:
    """Everything in ``text`` that is more than text, in order and without overlaps: what begins first wins."""
    searched = text[:_SEARCHED]
    if not _is_text(searched):
        return ()
    found = sorted((*_links_and_tags(searched), *_mentions(searched)), key=lambda span: span.start)
    kept: list[Span] = []
    for span in found:
        if _allowed(span) and (not kept or span.start >= kept[-1].end):
            kept.append(span)
    return tuple(kept)


def segments(text: str) -> tuple[Segment, ...]:
    """``text`` cut at its spans; joined again it is ``text``."""
    data, cut, position = text.encode(errors="surrogatepass"), [], 0
    for span in spans(text):
        cut.append(Segment("text", data[position : span.start].decode()))
        href = span.value if span.kind == "link" else None
        cut.append(Segment(span.kind, data[span.start : span.end].decode(), href))
        position = span.end
    cut.append(Segment("text", data[position:].decode(errors="surrogatepass")))
    return tuple(segment for segment in cut if segment.text)


def facets(found: Iterable[Span], dids: Mapping[str, str]) -> list[Any]:
    """The facets of a record; a mention whose handle is not in ``dids`` stays plain text."""
    return [_facet(span, dids) for span in found if span.kind != "mention" or span.value in dids]


def _facet(span: Span, dids: Mapping[str, str]) -> Any:
    feature = _FEATURES[span.kind](dids[span.value] if span.kind == "mention" else span.value)
    index = models.AppBskyRichtextFacet.ByteSlice(byte_start=span.start, byte_end=span.end)
    return models.AppBskyRichtextFacet.Main(index=index, features=[feature])


_FEATURES: dict[str, Callable[[str], Any]] = {
    "link": lambda uri: models.AppBskyRichtextFacet.Link(uri=uri),
    "mention": lambda did: models.AppBskyRichtextFacet.Mention(did=did),
    "tag": lambda tag: models.AppBskyRichtextFacet.Tag(tag=tag),
}


def _is_text(text: str) -> bool:
    """Whether every character can be sent; half of a surrogate pair cannot."""
    return not any("\ud800" <= letter <= "\udfff" for letter in text)


def _links_and_tags(text: str) -> Iterable[Span]:
    for facet in _detected(text):
        feature, index = facet.features[0], facet.index
        if isinstance(feature, models.AppBskyRichtextFacet.Link):
            yield Span("link", index.byte_start, index.byte_end, feature.uri)
        else:
            yield Span("tag", index.byte_start, index.byte_end, feature.tag)


def _detected(text: str) -> list[Any]:
    """The port's finds. It fails over a tag of more than 640 characters, with all that is around it: then without any tag."""
    try:
        return list(detect_facets(text))
    except ValueError:
        return list(detect_facets(_HASH.sub(lambda mark: "-" if mark[0] == "#" else "＊", text)))  # as many bytes each


def _mentions(text: str) -> Iterable[Span]:
    for mention in detect_mentions(text):
        yield Span("mention", mention.byte_start, mention.byte_end, mention.handle)


def _allowed(span: Span) -> bool:
    match span.kind:
        case "link":
            return _LINK.fullmatch(span.value) is not None
        case "tag":
            return len(span.value.encode()) <= _TAG_BYTES
        case "mention":
            return True
