"""What every request handler of the sandbox is given."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from litestar import Request
from litestar.di import NamedDependency

from platforms.sandbox.faults import Faults
from platforms.sandbox.quirks import Quirks
from platforms.sandbox.store import Store
from platforms.sandbox.values import Account, Post

PASSWORD = "sandbox"  # noqa: S105 -- printed on the overview page; nothing real is behind it
DOMAIN = ".sandbox.test"
"""Handles on the emulated Bluesky end in this; the name before it is the handle on the emulated Mastodon."""

BLUESKY, MASTODON = "bluesky", "mastodon"
KEYLESS = "keyless"
"""A second server that speaks Mastodon's API and is none: it takes no notice of idempotency keys, and says what it is."""
SERVERS = (BLUESKY, MASTODON, KEYLESS)


@dataclass(frozen=True, slots=True)
class Sandbox:
    """The one context object. ``base_path`` is the prefix it is mounted under, e.g. ``"/sandbox"``, or ``""``."""

    store: Store
    faults: Faults
    quirks: Quirks
    base_path: str
    max_characters: int

    def origin(self, request: Request[Any, Any, Any]) -> str:
        """Scheme, host and prefix as the client spelt them, so that links work for whoever asks."""
        host = request.headers.get("host", "localhost")
        return f"{request.scope['scheme']}://{host}{self.base_path}"

    def location(self, post: Post) -> str:
        """The path of the post's public page, to be put behind :meth:`origin` or ``base_path``."""
        if post.platform == BLUESKY:
            return f"/bluesky/profile/{post.account}/post/{post.key}"
        return f"/{post.platform}/@{self.author(post).handle}/{post.id}"

    def author(self, post: Post) -> Account:
        """The account that posted it."""
        account = self.store.account(post.platform, post.account)
        assert account  # noqa: S101 -- accounts are never deleted
        return account


def server(request: Request[Any, Any, Any]) -> str:
    """Which of the servers that speak Mastodon's API was asked: they share their handlers and nothing else."""
    return str(request.scope["state"].get("server", MASTODON))


Given = NamedDependency[Sandbox]
"""The type of a handler's ``sandbox`` argument."""


def timestamp(seconds: float) -> str:
    """Seconds since the epoch as ISO 8601 with milliseconds, the form both networks use."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def sniff(data: bytes, declared: str) -> str:
    """The MIME type that the first bytes prove, or else the ``declared`` one."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    if data[4:8] == b"ftyp":
        return "image/avif" if data[8:12] == b"avif" else "video/mp4"
    return next((mime for magic, mime in _MAGIC.items() if data.startswith(magic)), declared)


_MAGIC = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG\r\n\x1a\n": "image/png", b"GIF8": "image/gif"}
