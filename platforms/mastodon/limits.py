"""What one Mastodon server allows: asked once when an account is connected, then turned into capabilities.

Every number can differ from server to server; the defaults are upstream's
(Mastodon documentation, entities/Instance and user/posting; image and alt text limits from its 4.x media settings).
"""

from collections.abc import Mapping
from typing import Any

import httpx

from platforms.base import Capabilities, Idempotency, MediaRule, Option, Session, TextRule
from platforms.mastodon.api import fetch, odd_reply
from platforms.mastodon.errors import refused
from platforms.mastodon.reply import json_object, text_of

SCOPES = ("read:accounts", "read:statuses", "write:statuses", "write:media")
TEXT_LIMIT = 500
URL_LENGTH = 23
MAX_FILES = 4
IMAGE_BYTES = 16 * 1024 * 1024
IMAGE_PIXELS = 33_177_600
ALT_LIMIT = 1500
POSTS_PER_HOUR = 100
"""300 in three hours (Mastodon documentation, api/rate-limits)."""
IMAGE_MIMES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp", "image/avif", "image/heic", "image/heif"})
VISIBILITIES = (("public", "Public"), ("unlisted", "Unlisted"), ("private", "Followers only"))
"""``direct`` is left out on purpose: a scheduled private message to people named in the text helps nobody."""


async def read_limits(session: Session) -> dict[str, Any]:
    """The server's limits as plain JSON values; what it does not say is left out. Raises ``PlatformError``."""
    response = await fetch(session, "/api/v2/instance")
    if response.status_code == httpx.codes.NOT_FOUND:
        response = await fetch(session, "/api/v1/instance")
    if not response.is_success:
        raise refused(response, "read")
    instance = json_object(response)
    if not instance:
        raise odd_reply(response)
    return _stored(instance)


def _stored(instance: Mapping[str, Any]) -> dict[str, Any]:
    """Both versions of the instance entity, and the older forks' top-level numbers, in one flat shape."""
    configuration = _part(instance, "configuration")
    statuses, media = _part(configuration, "statuses"), _part(configuration, "media_attachments")
    found = {
        "max_characters": statuses.get("max_characters", instance.get("max_toot_chars")),
        "max_media_attachments": statuses.get("max_media_attachments", instance.get("max_media_attachments")),
        "characters_reserved_per_url": statuses.get("characters_reserved_per_url"),
        "image_size_limit": media.get("image_size_limit"),
        "image_matrix_limit": media.get("image_matrix_limit"),
        "description_limit": media.get("description_limit"),
    }
    stored: dict[str, Any] = {name: value for name, value in found.items() if _is_limit(value)}
    mimes = media.get("supported_mime_types")
    if isinstance(mimes, list):
        stored["supported_mime_types"] = [mime for mime in mimes if isinstance(mime, str)]
    return stored | {"version": text_of(instance, "version"), "domain": _domain(instance)}


def _domain(instance: Mapping[str, Any]) -> str:
    """The part of handles after the ``@``. Some forks give an address in version 1's ``uri``."""
    return (text_of(instance, "domain") or text_of(instance, "uri")).rpartition("://")[2].rstrip("/")


def _part(whole: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = whole.get(name)
    return part if isinstance(part, Mapping) else {}


def _is_limit(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def capabilities_for(limits: Mapping[str, Any]) -> Capabilities:
    """The capabilities under ``limits``, upstream's defaults where it is silent."""
    text_limit = limits.get("max_characters", TEXT_LIMIT)
    return Capabilities(
        text=TextRule(limit=text_limit, url_length=limits.get("characters_reserved_per_url", URL_LENGTH)),
        media=MediaRule(
            max_count=limits.get("max_media_attachments", MAX_FILES),
            mimes=IMAGE_MIMES & set(limits.get("supported_mime_types", IMAGE_MIMES)),
            max_bytes=limits.get("image_size_limit", IMAGE_BYTES),
            max_pixels=limits.get("image_matrix_limit", IMAGE_PIXELS),
            alt_limit=limits.get("description_limit", ALT_LIMIT),
        ),
        options=_options(text_limit),
        languages=True,
        scopes=SCOPES,
        per_hour=POSTS_PER_HOUR,
        idempotency=Idempotency.NATIVE,
    )


def _options(text_limit: int) -> tuple[Option, ...]:
    return (
        Option("visibility", "Visibility", default="public", choices=VISIBILITIES),
        Option(
            "warning",
            "Content warning",
            max_length=text_limit,
            hint="Shown instead of the post until the reader opens it. Counts towards the length.",
        ),
    )
