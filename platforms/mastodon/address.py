"""Whose post an address names, by the address alone.

Mastodon shows a post at ``/@name/id`` and in its application at ``/deck/@name/id`` (``/web`` before 4.0). ActivityPub knows it
as ``/users/name/statuses/id``, on newer servers by the account's id; GoToSocial shows it at ``/@name/statuses/id``. Addresses
that name no author (``/web/statuses/id``, Pleroma's ``/notice/id`` and ``/objects/uuid``) are nobody's.
"""

import re
from urllib.parse import SplitResult, urlsplit

import httpx

from platforms.base import Profile
from platforms.mastodon.server import DEFAULT_PORTS
from platforms.mastodon.software import is_mastodon

MAX_LENGTH = 2000
"""Characters; no address of a post is as long."""

_ID = r"(?P<id>[0-9A-Za-z]{1,64})"
_PATHS = re.compile(
    rf"(?:/web|/deck)?/@(?P<shown>[^/@]+)(?:@(?P<domain>[^/@]+))?(?:/statuses)?/{_ID}"
    rf"|/users/(?P<known>[^/@]+)/statuses/{_ID.replace('id', 'id2')}"
    rf"|/ap/users/(?P<account>[^/@]+)/statuses/{_ID.replace('id', 'id3')}"
)
_LONG = re.compile(r"(?=.*[0-9])[0-9A-Za-z]{10,}")
"""Ids of other software: long, and with a digit, which words like ``media`` or ``followers`` are not."""


def post_id(url: str, profile: Profile) -> str | None:
    """The id of the post of ``profile`` at ``url``; ``None`` if it is anything else. Never raises."""
    address = url.strip()
    if len(address) > MAX_LENGTH or not address.isprintable() or " " in address:
        return None
    try:
        parts = urlsplit(address if "://" in address else f"{urlsplit(profile.server).scheme}://{address}")
        path = _path_on(parts, urlsplit(profile.server))
    except (ValueError, httpx.InvalidURL):
        return None
    found = _PATHS.fullmatch(path.replace("%40", "@").rstrip("/")) if path else None
    return _id(found, profile) if found and _is_by(found, profile) else None


def _path_on(parts: SplitResult, server: SplitResult) -> str | None:
    """The path of ``parts`` below ``server``, if it is on it."""
    same = "@" not in parts.netloc and _origin(parts) == _origin(server)
    prefix = server.path.rstrip("/")
    return parts.path.removeprefix(prefix) if same and parts.path.startswith(f"{prefix}/") else None


def _origin(parts: SplitResult) -> tuple[str, bytes, int | None]:
    """Raises ``ValueError`` or ``httpx.InvalidURL``."""
    host = httpx.URL(scheme="https", host=parts.hostname or "").raw_host
    return parts.scheme, host, parts.port or DEFAULT_PORTS.get(parts.scheme)


def _is_by(found: re.Match[str], profile: Profile) -> bool:
    """Handles have no case. ``@name@domain`` is one of this server only with this account's own domain."""
    if found["account"]:
        return found["account"] == profile.remote_id
    name, _, domain = profile.handle.removeprefix("@").partition("@")
    same_domain = found["domain"] is None or found["domain"].lower() == domain.lower()
    return bool(name) and (found["shown"] or found["known"]).lower() == name.lower() and same_domain


def _id(found: re.Match[str], profile: Profile) -> str | None:
    value: str = found["id"] or found["id2"] or found["id3"]
    known = value.isdecimal() or (not is_mastodon(profile.limits) and _LONG.fullmatch(value))
    return value if known else None
