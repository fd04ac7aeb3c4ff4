"""The preflight of files, the same for every network: what their rules refuse, told before anything is sent."""

from collections.abc import Iterator

from platforms.base import Media, MediaKind, MediaRule, MediaRules, Problem
from platforms.text import graphemes

_NOUNS = {MediaKind.IMAGE: "Picture", MediaKind.GIF: "Picture", MediaKind.VIDEO: "Video", MediaKind.DOCUMENT: "Document"}
_TYPES = {
    "image/jpeg": "JPEG",
    "image/png": "PNG",
    "image/webp": "WebP",
    "image/gif": "GIF",
    "video/mp4": "MP4",
    "video/quicktime": "MOV",
    "application/pdf": "PDF",
}
_MEGABYTE = 1_000_000

ALT_MISSING = "alt_missing"
"""A file without a description, on a network that would keep one: a warning, which a workspace may make a rule."""


def files(media: tuple[Media, ...], rules: MediaRules, network: str) -> Iterator[Problem]:
    """Everything wrong with the files of one post. ``network`` is how a sentence calls it: ``"Bluesky"``, ``"this server"``."""
    yield from _together(media, rules, network)
    for number, one in enumerate(media, start=1):
        yield from _file(f"{_NOUNS[one.kind]} {number}", one, rules, network)


def _together(media: tuple[Media, ...], rules: MediaRules, network: str) -> Iterator[Problem]:
    kinds = frozenset(one.kind for one in media)
    crowded = [rule for rule in rules.rules if sum(one.kind is rule.kind for one in media) > rule.max_count]
    if len(media) > rules.max_count or crowded:
        most = min([rules.max_count, *(rule.max_count for rule in crowded)])
        yield Problem("media", "too_many", f"{_start(network)} takes {_some(most, 'file')} in one post. Remove some.")
    elif not rules.together(frozenset(kind for kind in kinds if rules.of(kind))):
        named = " and ".join(sorted(f"{kind}s" for kind in kinds))
        yield Problem("media", "mixed", f"{_start(network)} does not take {named} in one post. Choose one of them.")
    if len(media) < rules.min_count:
        yield Problem("media", "too_few", f"{_start(network)} needs {_some(rules.min_count, 'file')} in each post. Add one.")


def _file(name: str, media: Media, rules: MediaRules, network: str) -> Iterator[Problem]:
    rule = rules.of(media.kind)
    if rule is None or media.mime not in rule.mimes:
        known = ", ".join(label for mime, label in _TYPES.items() if mime in rules.mimes)
        advice = f"Use {known}." if known else "Remove it."
        yield Problem("media", "wrong_type", f"{name} has a type that {network} does not take. {advice}")
    if rule is not None:
        yield from _measures(name, media, rule)
        yield from _description(name, media, rule)


def _measures(name: str, media: Media, rule: MediaRule) -> Iterator[Problem]:
    if media.size > rule.max_bytes:
        yield Problem("media", "too_large", f"{name} is larger than {rule.max_bytes / _MEGABYTE:.3g} MB. Make it smaller.")
    if rule.max_pixels is not None and media.width * media.height > rule.max_pixels:
        size = f"{media.width} × {media.height} pixels"
        yield Problem("media", "pixels", f"{name} has {size}; {rule.max_pixels:,} in all are allowed. Make it smaller.")
    if media.width > 0 and media.height > 0:
        yield from _shape(name, media.width, media.height, rule)
    if rule.durations and media.duration is not None and not rule.durations[0] <= media.duration <= rule.durations[1]:
        least, most = (f"{limit.total_seconds():g}" for limit in rule.durations)
        yield Problem("media", "duration", f"{name} must take {least} to {most} seconds. Cut it.")


def _shape(name: str, width: int, height: int, rule: MediaRule) -> Iterator[Problem]:
    if rule.smallest and (width < rule.smallest[0] or height < rule.smallest[1]):
        yield Problem("media", "too_small", f"{name} is smaller than {rule.smallest[0]} × {rule.smallest[1]} pixels.")
    if rule.largest and (width > rule.largest[0] or height > rule.largest[1]):
        yield Problem(
            "media", "too_wide", f"{name} is larger than {rule.largest[0]} × {rule.largest[1]} pixels. Make it smaller."
        )
    if rule.shapes and not rule.shapes[0] <= width / height <= rule.shapes[1]:
        yield Problem("media", "shape", f"{name} is too {'tall' if width < height else 'wide'}. Crop it.")


def _description(name: str, media: Media, rule: MediaRule) -> Iterator[Problem]:
    if rule.alt_limit is None:
        return
    over = graphemes(media.alt) - rule.alt_limit
    if over > 0:
        yield Problem("media", "alt_too_long", f"The description of {name.lower()} is {_some(over, 'character')} too long.")
    if not media.alt.strip():
        advice = f"{name} has no description. People who cannot see it will miss it."
        yield Problem("media", ALT_MISSING, advice, blocks=False)


def _start(network: str) -> str:
    return network[:1].upper() + network[1:]


def _some(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
