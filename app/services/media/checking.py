"""A file that has come is fetched here, looked at and cleaned: a piece of it in memory at a time, the whole on the disk."""

import asyncio
import tempfile
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from app import pictures, runtime
from app.errors import Invalid
from app.ids import Id
from app.services.media.offers import MAX_PICTURE, too_large
from app.storage import from_disk, keys, to_disk
from platforms.base import MediaFacts

_AT_ONCE = 4
"""Files that lie on our disk at a time; two of them are being opened."""

room = asyncio.Semaphore(_AT_ONCE)
"""Who wants a file checked waits here, before it is fetched."""


@asynccontextmanager
async def cleaned(source: AsyncIterable[bytes]) -> AsyncIterator[tuple[Path, MediaFacts]]:
    """The picture without what it tells about its maker, for as long as the block lasts. Raises ``Invalid`` (field ``media``).

    Videos are opened by ``pictures.clean(..., films=True)``; they are refused until pages and adapters can deal with them.
    """
    with tempfile.TemporaryDirectory(prefix="carillon-") as folder:
        came, clean = Path(folder, "source"), Path(folder, "target")
        await to_disk(_limited(source), came)
        yield clean, await pictures.clean(came, clean)


async def kept(workspace_id: Id, media_id: Id, clean: Path, facts: MediaFacts) -> str:
    """Put what was cleaned in its place in the storage; its key. Whole, or not at all."""
    key = keys.original(workspace_id, media_id, facts.mime)
    await runtime.current().storage.write(key, from_disk(clean), mime=facts.mime, size=facts.size)
    return key


async def _limited(source: AsyncIterable[bytes]) -> AsyncGenerator[bytes, None]:
    count = 0
    async for piece in source:
        count += len(piece)
        if count > MAX_PICTURE:
            raise Invalid({"media": too_large()})
        yield piece
