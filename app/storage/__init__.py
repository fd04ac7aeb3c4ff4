"""Where the bytes of media lie: in a folder, or in a bucket that speaks S3. Nobody else knows which.

Browsers bring and fetch files by signed addresses, past our own memory: at the bucket, or at :mod:`app.routes.files`, which gives
a folder the same addresses with the same refusals. What we read and write ourselves goes in pieces. What is raised is in
:mod:`app.storage.errors`; ``Unavailable`` and ``Refused`` can be at any time.
"""

from collections.abc import AsyncGenerator, AsyncIterable
from datetime import datetime, timedelta
from typing import Protocol

from app.sealing import Sealer
from app.settings import Settings
from app.storage import keys
from app.storage.bucket import Bucket
from app.storage.errors import Mismatch, Missing, Refused, StorageError, TooLarge, Unavailable
from app.storage.folder import Folder
from app.storage.streams import from_disk, pieces, to_disk
from app.storage.values import Origin, Part, Signed, Stored, Upload, part_size

__all__ = [
    "Bucket",
    "Folder",
    "Mismatch",
    "Missing",
    "Origin",
    "Part",
    "Refused",
    "Signed",
    "Storage",
    "StorageError",
    "Stored",
    "TooLarge",
    "Unavailable",
    "Upload",
    "from_disk",
    "keys",
    "open_storage",
    "part_size",
    "pieces",
    "to_disk",
]


class Storage(Protocol):
    """Files under keys of :mod:`app.storage.keys`. What is no key is ``Missing``."""

    @property
    def origin(self) -> Origin:
        """Where the addresses of :meth:`get_url` lead."""
        ...

    async def put_url(self, key: str, *, mime: str, size: int, lasts: timedelta) -> Signed:
        """Where a browser may put exactly ``size`` bytes of ``mime``, as often as it likes. Raises ``TooLarge``."""
        ...

    async def get_url(self, key: str, *, lasts: timedelta, name: str = "") -> str:
        """Where anybody may read the file, in ranges too. With a ``name`` browsers save it under that one."""
        ...

    async def head(self, key: str) -> Stored:
        """What is there. Raises ``Missing``."""
        ...

    def read(self, key: str, *, start: int = 0, end: int | None = None) -> AsyncGenerator[bytes, None]:
        """The bytes from ``start`` to before ``end``; nothing behind the file's end. Raises ``Missing``, with the first piece."""
        ...

    async def write(self, key: str, source: AsyncIterable[bytes], *, mime: str, size: int | None = None) -> Stored:
        """Store what comes, in the place of what was there; whole, or not at all.

        A ``size`` is a promise: raises ``TooLarge`` and ``Mismatch`` if it is not kept.
        """
        ...

    async def copy(self, source: str, target: str) -> Stored:
        """The same content under another key. Raises ``Missing``."""
        ...

    async def delete(self, key: str) -> None:
        """Remove the file; a missing one is fine."""
        ...

    def listed(self, prefix: str) -> AsyncGenerator[Stored, None]:
        """Files whose keys begin with ``prefix``, in the order of their keys."""
        ...

    async def begin(self, key: str, *, mime: str) -> Upload:
        """Begin an upload in parts: all of :func:`part_size` bytes, but for the last."""
        ...

    async def part_url(self, upload: Upload, number: int, *, size: int, lasts: timedelta) -> Signed:
        """Where a browser may put part ``number``, from 1, as often as it likes: the last one that is whole counts.

        The answer's ``ETag`` tells which that was. A PUT to an upload that is over is answered with 404.
        """
        ...

    async def parts(self, upload: Upload) -> list[Part]:
        """What has arrived, by number: after a cut connection the rest is missing. Raises ``Missing``."""
        ...

    async def complete(self, upload: Upload, parts: list[Part]) -> Stored:
        """Make the parts one file; may be repeated if the answer was lost.

        ``parts`` are all there are, in order. Raises ``Mismatch`` if they are not, or if one is too small; the upload stays.
        Raises ``Missing`` for one that was aborted.
        """
        ...

    async def abort(self, upload: Upload) -> None:
        """Drop the upload and its parts; one that is over is fine."""
        ...

    def unfinished(self, prefix: str) -> AsyncGenerator[Upload, None]:
        """Uploads that were begun under keys that begin with ``prefix``, and neither completed nor aborted."""
        ...

    async def tidy(self, before: datetime) -> None:
        """Remove what crashes left behind before that time."""
        ...


def open_storage(settings: Settings) -> Storage:
    """The bucket if one is configured, else the data folder."""
    if settings.s3_bucket:
        return Bucket(settings)
    sealer = Sealer(settings.secret_key.get_secret_value())
    return Folder(settings.data_dir / "media", sealer, public_url=settings.public_url)
