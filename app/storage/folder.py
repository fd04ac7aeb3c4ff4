"""Files below one directory, and signed addresses for them on our own server (:mod:`app.routes.files`)."""

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterable
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from app.sealing import Sealer
from app.storage import disk, folder_uploads, keys
from app.storage.errors import Mismatch, TooLarge
from app.storage.signing import Grant
from app.storage.streams import PIECE, in_thread, regrouped
from app.storage.values import MAX_PARTS, MAX_PUT, MEBIBYTE, Origin, Part, Signed, Stored, Upload, until

_BATCH = 500
"""Files listed in one go."""


class Folder:
    """See :class:`app.storage.Storage`. ``public_url`` makes addresses for reading whole, so that networks can fetch them."""

    def __init__(self, root: Path, sealer: Sealer, *, public_url: str | None = None) -> None:
        self.root = root
        self._sealer = sealer
        self._public_url = (public_url or "").rstrip("/")

    # --- addresses ----------------------------------------------------------------------------------------------------

    @property
    def origin(self) -> Origin:
        """Our own server."""
        return Origin(self._public_url, "CARILLON_PUBLIC_URL")

    async def put_url(self, key: str, *, mime: str, size: int, lasts: timedelta) -> Signed:
        """A path on our own server."""
        return self._putting(Grant("PUT", keys.check_type(key, mime), mime=mime, size=size), lasts)

    async def part_url(self, upload: Upload, number: int, *, size: int, lasts: timedelta) -> Signed:
        """A path on our own server."""
        if not 1 <= number <= MAX_PARTS:
            raise ValueError(f"parts have numbers from 1 to {MAX_PARTS}")
        return self._putting(Grant("PUT", keys.check(upload.key), size=size, upload=upload.id, part=number), lasts)

    async def get_url(self, key: str, *, lasts: timedelta, name: str = "") -> str:
        """An address on our own server; a path, if nobody said what people call it."""
        end = until(lasts, datetime.now(UTC))
        return self._public_url + Grant("GET", keys.check(key), name=name).address(self._sealer, end)

    def _putting(self, grant: Grant, lasts: timedelta) -> Signed:
        if not 0 <= grant.size <= MAX_PUT:
            raise TooLarge(f"at most {MAX_PUT} bytes at once")
        end = until(lasts, datetime.now(UTC))
        headers = {"Content-Type": grant.mime} if grant.mime else {}
        return Signed(grant.address(self._sealer, end), end, headers)

    def allows(self, grant: Grant, *, until: int, signature: str) -> bool:
        """Whether an address that somebody came with is ours, for this, and still good."""
        return grant.allowed(self._sealer, until=until, signature=signature, at=datetime.now(UTC))

    # --- files --------------------------------------------------------------------------------------------------------

    async def head(self, key: str) -> Stored:
        """The file's facts; its type is the one its name tells."""
        with disk.in_our_words(key):
            return await in_thread(disk.look, self.root, key)

    async def read(self, key: str, *, start: int = 0, end: int | None = None) -> AsyncGenerator[bytes, None]:
        """The open file stays what it was, even if another takes its place meanwhile."""
        with disk.in_our_words(key), await in_thread(disk.open_file, self.root, key) as file:
            left = (disk.facts_of(file).st_size if end is None else end) - start
            file.seek(start)
            while left > 0 and (piece := await in_thread(file.read, min(PIECE, left))):
                left -= len(piece)
                yield piece

    async def write(self, key: str, source: AsyncIterable[bytes], *, mime: str, size: int | None = None) -> Stored:
        """Write beside and move, so that nobody ever reads half a file."""
        facts = await self._receive(source, size, self.root / keys.check_type(key, mime))
        return disk.stored(key, facts)

    async def copy(self, source: str, target: str) -> Stored:
        """A second name for the same content, which keeps its time."""
        with disk.in_our_words(source):
            await in_thread(disk.copy, self.root, keys.check(source), keys.check(target))
        return await self.head(target)

    async def delete(self, key: str) -> None:
        """Unlink the file, and the folders above it that are empty then."""
        with disk.in_our_words(key):
            await in_thread(disk.remove, self.root, self.root / keys.check(key))

    async def listed(self, prefix: str) -> AsyncGenerator[Stored, None]:
        """Looked up as the listing goes on."""
        found = disk.walk(self.root, prefix)
        with disk.in_our_words(prefix):
            while batch := await in_thread(lambda: list(islice(found, _BATCH))):
                for stored in batch:
                    yield stored

    # --- in parts -----------------------------------------------------------------------------------------------------

    async def begin(self, key: str, *, mime: str) -> Upload:
        """Make a folder for the parts."""
        keys.check_type(key, mime)
        with disk.in_our_words(key):
            return await in_thread(folder_uploads.begin, self.root, key)

    async def receive_part(self, key: str, upload_id: str, number: int, source: AsyncIterable[bytes], *, size: int) -> Part:
        """Take a part from a browser. Raises ``Missing`` if the upload was completed or aborted, even meanwhile."""
        with disk.in_our_words(upload_id):
            place = await in_thread(folder_uploads.place, self.root, key, upload_id, number)
        facts = await self._receive(source, size, place, folders=False)
        return Part(number, disk.tag(facts), facts.st_size)

    async def parts(self, upload: Upload) -> list[Part]:
        """The files there are."""
        with disk.in_our_words(upload.id):
            return await in_thread(folder_uploads.parts, self.root, upload)

    async def complete(self, upload: Upload, parts: list[Part]) -> Stored:
        """Write the parts one after the other into a new file: for that moment they take twice the room."""
        with disk.in_our_words(upload.id):
            await in_thread(folder_uploads.complete, self.root, upload, parts)
        return await self.head(upload.key)

    async def abort(self, upload: Upload) -> None:
        """Remove the folder; a part that is on its way then finds no place."""
        with disk.in_our_words(upload.id):
            await in_thread(folder_uploads.remove, self.root, upload)

    async def unfinished(self, prefix: str) -> AsyncGenerator[Upload, None]:
        """Of every age."""
        with disk.in_our_words(prefix):
            for upload in await in_thread(folder_uploads.unfinished, self.root, prefix):
                yield upload

    async def tidy(self, before: datetime) -> None:
        """Remove what crashes left behind, and what remembers completed uploads, if it is older than ``before``."""
        with disk.in_our_words(""):
            await in_thread(folder_uploads.tidy, self.root, before)

    async def _receive(
        self, source: AsyncIterable[bytes], size: int | None, place: Path, *, folders: bool = True
    ) -> os.stat_result:
        """Whoever ends this early, by a cut connection or a stop, leaves nothing behind."""
        with disk.in_our_words(place.name):
            draft = await in_thread(disk.Draft, self.root)
        try:
            await _pour(source, size, draft.file)
            with disk.in_our_words(place.name):
                return await in_thread(draft.keep, place, folders=folders)
        finally:
            await asyncio.shield(in_thread(draft.drop))


async def _pour(source: AsyncIterable[bytes], size: int | None, file: BinaryIO) -> None:
    """Raises ``TooLarge`` and ``Mismatch`` if it is not ``size`` bytes."""
    count = 0
    async for piece in regrouped(source, MEBIBYTE):
        count += len(piece)
        if size is not None and count > size:
            raise TooLarge(f"more than the {size} bytes that were announced")
        with disk.in_our_words(""):
            await in_thread(file.write, piece)
    if size is not None and count != size:
        raise Mismatch(f"{count} bytes came where {size} were announced")
