"""Which files Bluesky takes. Sizes from its lexicons (app.bsky.embed.images, app.bsky.embed.video); the rest is its app's own."""

from dataclasses import replace
from datetime import timedelta

from platforms.base import MediaKind, MediaRule, MediaRules

PICTURES = MediaRule(
    MediaKind.IMAGE,
    max_count=4,
    mimes=frozenset({"image/jpeg", "image/png", "image/webp"}),
    max_bytes=2_000_000,
    alt_limit=2000,
)
"""The description limit is the official app's, the server has none."""
GIFS = replace(PICTURES, kind=MediaKind.GIF, mimes=frozenset({"image/gif"}))
"""Shown as still pictures."""

FILMS = MediaRule(
    MediaKind.VIDEO,
    max_count=1,
    mimes=frozenset({"video/mp4"}),
    max_bytes=300_000_000,
    durations=(timedelta(0), timedelta(minutes=10)),
    video_codecs=frozenset({"h264"}),
    audio_codecs=frozenset({"aac"}),
    alt_limit=2000,
)
"""The longest is the app's. Codecs are not named anywhere; these are what the app itself sends."""
MOVING_GIFS = replace(FILMS, kind=MediaKind.GIF, sound=False)
"""A film that plays like a GIF (``presentation: gif``)."""


def rules(max_bytes: int) -> MediaRules:
    """What a server allows that takes uploads of ``max_bytes``.

    Films are not among it: :data:`FILMS` and, in place of :data:`GIFS`, :data:`MOVING_GIFS` belong here once the adapter uploads
    them and writes ``app.bsky.embed.video``.
    """
    both = frozenset({MediaKind.IMAGE, MediaKind.GIF})
    kinds = tuple(replace(rule, max_bytes=max_bytes) for rule in (PICTURES, GIFS))
    return MediaRules(kinds, max_count=PICTURES.max_count, mixed=(both,))
