"""What the store keeps, as values."""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

PASSWORD = "sandbox"  # noqa: S105 -- printed on the overview page; nothing real is behind it
SERVICE = "service"
"""The kind of a token that an account has made for one method of another service, which it signs requests with there."""
DOMAIN = ".sandbox.test"
"""Where handles are domain names, they end in this; the name before it is the handle elsewhere."""

RAW, RECORD = 0x55, 0x71
"""Multicodec numbers: plain bytes (blobs), and the codec of records."""


def cid(data: bytes, codec: int = RAW) -> str:
    """The content id (CIDv1, SHA-256, base32) of ``data``."""
    return cid_of(hashlib.sha256(data).digest(), codec)


def cid_of(digest: bytes, codec: int = RAW) -> str:
    """The same of what has this SHA-256 ``digest``."""
    return "b" + base64.b32encode(bytes([1, codec, 0x12, 0x20]) + digest).decode().lower().rstrip("=")


def sniff(data: bytes, declared: str) -> str:
    """The MIME type that the first bytes prove, or else the ``declared`` one."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    if data[4:8] == b"ftyp":
        return {b"avif": "image/avif", b"qt  ": "video/quicktime"}.get(data[8:12], "video/mp4")
    return next((mime for magic, mime in _MAGIC.items() if data.startswith(magic)), declared)


_MAGIC = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG\r\n\x1a\n": "image/png", b"GIF8": "image/gif", b"\x1aE\xdf\xa3": "video/webm"}


@dataclass(frozen=True, slots=True)
class Account:
    """A user of one network; ``id`` is the network's own."""

    id: str
    platform: str
    handle: str
    password: str
    created_at: float


@dataclass(frozen=True, slots=True)
class Token:
    """An access token, a refresh token or an authorization code; ``facts`` is what its kind needs to remember."""

    token: str
    platform: str
    kind: str
    account: str
    expires_at: float
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Blob:
    """A file that was sent, ``size`` bytes of it. ``data`` is kept of what pages show; else it is empty."""

    cid: str
    mime: str
    size: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Upload:
    """A media attachment. ``post`` is the id of the post that has used it up."""

    id: str
    account: str
    cid: str
    mime: str
    description: str
    ready_at: float
    post: str | None


@dataclass(frozen=True, slots=True)
class Post:
    """One accepted post. ``id`` is the network's, ``key`` the record key or the idempotency key; ``media`` counts files."""

    seq: int
    platform: str
    account: str
    id: str
    key: str
    text: str
    body: Mapping[str, Any]
    media: int
    created_at: str
    accepted_at: float
    deleted: bool
