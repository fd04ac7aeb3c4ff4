"""Which files one Mastodon server takes, by the numbers it says. Upstream's defaults are in :mod:`platforms.mastodon.limits`."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from platforms.base import MediaKind, MediaRule, MediaRules

GIF = "image/gif"
GIF_PIXELS = 1280 * 720
"""Servers turn GIFs into videos and refuse larger ones (Mastodon, 4.x media settings)."""
FILM_FRAMES = 36_000
"""The most of one film (Mastodon, 4.x media settings)."""
IMAGE_MIMES = frozenset({"image/jpeg", "image/png", GIF, "image/webp", "image/avif", "image/heic", "image/heif"})
FILM_MIMES = frozenset({"video/mp4", "video/quicktime", "video/webm"})


def rules(number: Mapping[str, int], mimes: frozenset[str]) -> MediaRules:
    """Pictures and GIFs, which may stand side by side: only what moves with sound stands alone (MediaAttachment)."""
    pictures = MediaRule(
        MediaKind.IMAGE,
        max_count=number["max_media_attachments"],
        mimes=(mimes & IMAGE_MIMES) - {GIF},
        max_bytes=number["image_size_limit"],
        max_pixels=number["image_matrix_limit"],
        alt_limit=number["description_limit"],
    )
    pixels = min(GIF_PIXELS, number["image_matrix_limit"])
    gifs = replace(pictures, kind=MediaKind.GIF, mimes=mimes & {GIF}, max_pixels=pixels, moves=True)
    both = frozenset({MediaKind.IMAGE, MediaKind.GIF})
    taken = tuple(rule for rule in (pictures, gifs, films(number, mimes)) if rule.mimes)
    return MediaRules(taken, max_count=number["max_media_attachments"], mixed=(both,))


def films(number: Mapping[str, int], mimes: frozenset[str]) -> MediaRule:
    """One film. Upstream converts other codecs itself; the servers of other software show what they were sent."""
    return MediaRule(
        MediaKind.VIDEO,
        max_count=1,
        mimes=mimes & FILM_MIMES,
        max_bytes=number["video_size_limit"],
        max_pixels=number["video_matrix_limit"],
        max_frames=FILM_FRAMES,
        frame_rates=(0.0, float(number["video_frame_rate_limit"])),
        durations=(timedelta(0), timedelta(hours=1)),
        video_codecs=frozenset({"h264", "vp8", "vp9"}),
        audio_codecs=frozenset({"aac", "mp3", "opus", "vorbis"}),
        alt_limit=number["description_limit"],
    )
