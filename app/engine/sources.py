"""Where the files of a content come from: what an adapter opens, and where it lets a network fetch them.

A file is read from the storage as the network takes it. What goes wrong is told in the words of :mod:`platforms.errors`, and all
of it happens before the fence: nothing visible was sent.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from ipaddress import ip_address
from urllib.parse import urljoin, urlsplit

from app import pictures, renditions, runtime, settings
from app.models import Account, MediaFile
from app.storage import Missing, Origin, Refused, StorageError
from platforms.base import Media, MediaRule
from platforms.errors import MediaRejected, Misconfigured, Unavailable
from platforms.fitting import AS_THEY_ARE, Choices
from platforms.hosts import is_local


@dataclass(frozen=True, slots=True)
class Kept:
    """A file in the storage, made to fit ``rule`` as people chose when it is needed. See :class:`platforms.base.Source`.

    ``size`` is what an adapter was told; ``None``: nothing yet.
    """

    file: MediaFile
    rule: MediaRule | None
    account: Account
    size: int | None = None
    choices: Choices = AS_THEY_ARE

    async def made(self, media: Media, *, patience: timedelta | None = None) -> Media:
        """``media``, whose source this is, with the size of what is there now. Raises ``PlatformError``, :class:`StillMade`."""
        with _told(self.account.platform):
            found = await renditions.ready(self.file, self.rule, self.choices, patience=patience)
        return replace(media, facts=replace(media.facts, size=found.size), source=replace(self, size=found.size))

    async def open(self, start: int = 0) -> AsyncIterator[bytes]:
        """As the storage gives them. Raises ``Unavailable`` in the place of another number of bytes than was told."""
        with _told(self.account.platform):
            found = await renditions.ready(self.file, self.rule, self.choices)
            size = found.size if self.size is None else self.size
            async for piece in runtime.current().storage.read(found.key, start=start, end=size):
                start += len(piece)
                yield piece
        if start < size:
            raise Unavailable(self.account.platform, "media_cut", "One of its files ended too early. It will be read again.")

    async def address(self, lifetime: timedelta) -> str:
        """The storage's, or our own server's."""
        if refusal := unreachable(self.account):
            raise Misconfigured(self.account.platform, "no_address", refusal)
        with _told(self.account.platform):
            found = await renditions.ready(self.file, self.rule, self.choices)
            signed = await runtime.current().storage.get_url(found.key, lasts=lifetime)
        return urljoin(_origin(self.account).url, signed)


@dataclass(frozen=True, slots=True)
class Gone:
    """A file that no longer exists; content that is only asked about may have had it."""

    platform: str

    async def open(self, start: int = 0) -> AsyncIterator[bytes]:  # noqa: ARG002
        """Raises ``MediaRejected``."""
        raise gone(self.platform)
        yield b""

    async def address(self, lifetime: timedelta) -> str:  # noqa: ARG002
        """Raises ``MediaRejected``."""
        raise gone(self.platform)


class StillMade(Exception):
    """Whoever wants the file comes again; nothing is lost meanwhile. ``share`` of it is made."""

    def __init__(self, share: float) -> None:
        super().__init__("a file is still being made")
        self.share = share


def gone(platform: str) -> MediaRejected:
    """Nothing is left out silently."""
    message = "One of its files no longer exists. Edit the post, and add it again."
    return MediaRejected(platform, "media_gone", message)


@contextmanager
def _told(platform: str) -> Iterator[None]:
    """Turn what storage and darkroom raise into what a delivery can be told."""
    try:
        yield
    except Missing:
        raise gone(platform) from None
    except pictures.Unfit as unfit:
        raise MediaRejected(platform, "media_unfit", str(unfit)) from None
    except pictures.Failed as failed:
        message = "One of its files took too long or too much memory to be made ready."
        raise Unavailable(platform, "media_not_made", message) from failed
    except renditions.BeingMade as being_made:
        raise StillMade(being_made.share) from None
    except Refused as refused:
        message = "The storage of its files does not let us in. The operator finds the reason with `carillon storage setup`."
        raise Misconfigured(platform, "storage_refused", message) from refused
    except StorageError as error:
        message = "One of its files could not be read from where it is kept."
        raise Unavailable(platform, "storage_unavailable", message) from error


# --- addresses --------------------------------------------------------------------------------------------------------


def unreachable(account: Account) -> str | None:
    """Why the account's network cannot fetch files from here, and what helps; ``None`` if it can."""
    origin = _origin(account)
    if fetchable(origin.url, sandbox=account.sandbox):
        return None
    return (
        "This network fetches files from a public https:// address, and this installation has none."
        f" Remove the files, or have the operator set {origin.setting} to such an address."
    )


def fetchable(url: str, *, sandbox: bool) -> bool:
    """Whether a network can fetch from ``url``: https on the internet; for the sandbox, which lives here, loopback too."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    host = parts.hostname or ""
    public = parts.scheme == "https" and bool(host) and not is_local(host)
    return public or (sandbox and parts.scheme in ("http", "https") and _is_loopback(host))


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _origin(account: Account) -> Origin:
    """The storage's. Where the sandbox is a part of our own pages, its address tells theirs."""
    origin = runtime.current().storage.origin
    return replace(origin, url=_mounted_at(runtime.current().settings)) if account.sandbox and not origin.url else origin


def _mounted_at(known: settings.Settings) -> str:
    mounted = known.sandbox_url and known.sandbox_public_url and not urlsplit(known.sandbox_public_url).netloc
    return urljoin(known.sandbox_url or "", "/") if mounted else ""
