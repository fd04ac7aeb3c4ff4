"""What every request handler of the sandbox is given."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from litestar import Request
from litestar.di import NamedDependency

from platforms.sandbox.base import Network
from platforms.sandbox.faults import Faults
from platforms.sandbox.log import Log
from platforms.sandbox.quirks import Quirks
from platforms.sandbox.store import Store
from platforms.sandbox.values import Account, Post

Json = dict[str, Any]
Call = Request[Any, Any, Any]


@dataclass(frozen=True, slots=True)
class Sandbox:
    """The one context object. ``base_path`` is the prefix it is mounted under, e.g. ``"/sandbox"``, or ``""``."""

    store: Store
    networks: Mapping[str, Network]
    base_path: str
    faults: Faults = field(default_factory=Faults)
    quirks: Quirks = field(default_factory=Quirks)
    log: Log = field(default_factory=Log)

    def origin(self, request: Call) -> str:
        """Scheme, host and prefix as the client spelt them, so that links work for whoever asks."""
        host = request.headers.get("host", "localhost")
        return f"{request.scope['scheme']}://{host}{self.base_path}"

    def location(self, post: Post) -> str:
        """The path of the post's public page, to be put behind :meth:`origin` or ``base_path``."""
        return self.networks[post.platform].location(post, self.author(post))

    def author(self, post: Post) -> Account:
        """The account that posted it."""
        account = self.store.account(post.platform, post.account)
        assert account  # noqa: S101 -- accounts are never deleted
        return account

    def clear(self) -> None:
        """Forget posts, files, the request log, faults and quirks. Accounts stay connected."""
        for kept in (self.store, self.log, self.faults, self.quirks):
            kept.clear()


Given = NamedDependency[Sandbox]
"""The type of a handler's ``sandbox`` argument."""


def timestamp(seconds: float) -> str:
    """Seconds since the epoch as ISO 8601 with milliseconds, the form that networks use."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
