"""What one Mastodon server allows: asked once when an account is connected, then turned into capabilities.

Every number can differ from server to server; the defaults are upstream's
(Mastodon documentation, entities/Instance and user/posting; image and alt text limits from its 4.x media settings).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx

from platforms.base import (
    Capabilities,
    Idempotency,
    Option,
    OptionType,
    PartKind,
    PartRule,
    Quota,
    Session,
    TextRule,
)
from platforms.mastodon import files
from platforms.mastodon.api import fetch, odd_reply
from platforms.mastodon.errors import refused
from platforms.mastodon.reply import json_object, text_of
from platforms.mastodon.software import is_mastodon

SCOPES = ("read:accounts", "read:statuses", "write:statuses", "write:media")


@dataclass(frozen=True, slots=True)
class Bound:
    """What a number of the server's is when it names none, or nonsense, and the most of it that is believed."""

    default: int
    most: int
    least: int = 1

    def of(self, value: object) -> int:
        """``value`` within the bounds. What is no whole number, or too small to mean anything, is the default."""
        return min(value, self.most) if type(value) is int and value >= self.least else self.default


URL_LENGTH = 23
BOUNDS = {
    "max_characters": Bound(500, 100_000),
    "max_media_attachments": Bound(4, 100, least=0),
    "characters_reserved_per_url": Bound(URL_LENGTH, 1000, least=0),
    "image_size_limit": Bound(16 * 1024 * 1024, 1024 * 1024 * 1024),
    "image_matrix_limit": Bound(33_177_600, 1_000_000_000),
    "video_size_limit": Bound(99 * 1024 * 1024, 16 * 1024 * 1024 * 1024),
    "video_matrix_limit": Bound(8_294_400, 1_000_000_000),
    "video_frame_rate_limit": Bound(120, 1000),
    "description_limit": Bound(1500, 100_000),
}
"""Upstream's defaults; the most is far beyond what any server is known to allow, and harmless."""
MAX_NAME = 253
"""Characters of a version or a domain; a longer one is none (RFC 1035 for the latter)."""
QUOTA = Quota(300, timedelta(hours=3))
"""Statuses of an account (Mastodon documentation, api/rate-limits)."""
THREAD = 30
"""Parts of a thread besides the first: there is no rule, and this is a tenth of what an account may post in three hours."""
SETTLES_IN = timedelta(minutes=2)
"""A request may wait for 30 seconds and then run for 90 before the server ends it (Mastodon's rack-timeout settings)."""
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
    found = {name: media.get(name) for name in BOUNDS} | {
        "max_characters": statuses.get("max_characters", instance.get("max_toot_chars")),
        "max_media_attachments": statuses.get("max_media_attachments", instance.get("max_media_attachments")),
        "characters_reserved_per_url": statuses.get("characters_reserved_per_url"),
    }
    stored: dict[str, Any] = {name: BOUNDS[name].of(value) for name, value in found.items() if _is_limit(name, value)}
    mimes = media.get("supported_mime_types")
    if isinstance(mimes, list):
        stored["supported_mime_types"] = sorted(_known(mimes))
    return stored | {"version": _name(text_of(instance, "version")), "domain": _name(_domain(instance))}


def _is_limit(name: str, value: object) -> bool:
    return type(value) is int and value >= BOUNDS[name].least


def _known(mimes: object) -> frozenset[str]:
    """Those of the server's types that are pictures and films; all that there are if it does not say."""
    if not isinstance(mimes, list):
        return files.IMAGE_MIMES | files.FILM_MIMES
    return (files.IMAGE_MIMES | files.FILM_MIMES) & {mime for mime in mimes if isinstance(mime, str)}


def _name(found: str) -> str:
    return found if len(found) <= MAX_NAME else ""


def _domain(instance: Mapping[str, Any]) -> str:
    """The part of handles after the ``@``. Some forks give an address in version 1's ``uri``."""
    return (text_of(instance, "domain") or text_of(instance, "uri")).rpartition("://")[2].rstrip("/")


def _part(whole: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = whole.get(name)
    return part if isinstance(part, Mapping) else {}


def capabilities_for(limits: Mapping[str, Any]) -> Capabilities:
    """The capabilities under ``limits``, upstream's defaults where it is silent or nonsense. Never raises.

    Keys are only counted on where Mastodon itself is known to run: of any other server, and of one that was never asked,
    nothing is promised. They are remembered for an hour, and a delivery may be sent again later than that, so a key only
    keeps out what overlaps; that nothing is there has to be proved by :mod:`platforms.mastodon.reconcile` alone.
    """
    number = {name: bound.of(limits.get(name)) for name, bound in BOUNDS.items()}
    text = TextRule(limit=number["max_characters"], url_length=number["characters_reserved_per_url"])
    media = files.rules(number, _known(limits.get("supported_mime_types")))
    return Capabilities(
        text=text,
        media=media,
        options=_options(number["max_characters"]),
        languages=True,
        scopes=SCOPES,
        quotas=(QUOTA,),
        parts=(PartRule(PartKind.REPLY, THREAD, text, media), PartRule(PartKind.COMMENT, 1, text, media)),
        idempotency=Idempotency.NATIVE if is_mastodon(limits) else Idempotency.NONE,
        settles_in=SETTLES_IN,
    )


def _options(text_limit: int) -> tuple[Option, ...]:
    return (
        Option("visibility", "Visibility", OptionType.CHOICE, default="public", choices=VISIBILITIES),
        Option(
            "warning",
            "Content warning",
            max_length=text_limit,
            hint="Shown instead of the post until the reader opens it. Counts towards the length.",
        ),
    )
