"""Which files Bluesky takes. Sizes from its lexicons (app.bsky.embed.images, app.bsky.embed.video); the rest is its app's own."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

from platforms.base import Captions, Media, MediaKind, MediaRule, MediaRules, Problem

PICTURES = MediaRule(
    MediaKind.IMAGE,
    max_count=4,
    mimes=frozenset({"image/jpeg", "image/png", "image/webp"}),
    max_bytes=2_000_000,
    alt_limit=2000,
)
"""The description limit is the official app's, the server has none."""
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
GIFS = replace(FILMS, kind=MediaKind.GIF, max_count=PICTURES.max_count, mimes=frozenset({"image/gif", "video/mp4"}), sound=False)
"""Bluesky shows a GIF as a still. So one that moves becomes a film that plays like a GIF; one that does not stays a picture."""

CAPTIONS = 20
"""Of one film."""
CAPTION_BYTES = 20_000
"""Of one of them."""
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,8}", re.ASCII)
"""BCP 47, without the oldest forms."""


def rules(blob_bytes: int) -> MediaRules:
    """What a server allows that takes uploads of ``blob_bytes``: up to four pictures, or one film by itself.

    The limit is one of films too, whoever brings them: the video service stores what it has prepared with the same
    ``uploadBlob`` on the account's server (PDS source).
    """
    kinds = tuple(replace(rule, max_bytes=min(rule.max_bytes, blob_bytes)) for rule in (PICTURES, GIFS, FILMS))
    stills = frozenset({MediaKind.IMAGE, MediaKind.GIF})
    return MediaRules(kinds, max_count=PICTURES.max_count, mixed=(stills,))


def particulars(media: tuple[Media, ...]) -> Iterator[Problem]:
    """What the rules of single kinds cannot say: about GIFs that stay GIFs, and about captions."""
    for number, one in enumerate(media, start=1):
        if one.kind is MediaKind.GIF:
            yield from _gif(f"Picture {number}", one)
        if one.facts.is_film:
            yield from _captions(one.captions)


def _gif(name: str, media: Media) -> Iterator[Problem]:
    if media.facts.animated:
        yield Problem("media", "unfit", f"{name} cannot be turned into a video, so it would not move. Use a shorter one.")
    elif media.size > PICTURES.max_bytes:
        yield Problem("media", "too_large", f"{name} is larger than {PICTURES.max_bytes / 1e6:.3g} MB. Make it smaller.")


def _captions(captions: tuple[Captions, ...]) -> Iterator[Problem]:
    if len(captions) > CAPTIONS:
        yield Problem("media", "too_many_captions", f"Bluesky takes captions in {CAPTIONS} languages. Remove some.")
    for one in captions:
        if len(one.text.encode(errors="surrogatepass")) > CAPTION_BYTES:
            most = f"{CAPTION_BYTES // 1000} kB"
            yield Problem("media", "captions_too_large", f"The captions in {one.language} are larger than {most}. Shorten them.")
        if not _LANGUAGE.fullmatch(one.language):
            yield Problem("media", "captions_language", "Say which language the captions are in, such as en or pt-BR.")
