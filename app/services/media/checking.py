"""A file that has come is fetched here, looked at and cleaned: a piece of it in memory at a time, the whole on the disk."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from app import pictures, runtime, workrooms
from app.errors import Invalid
from app.ids import Id
from app.services.media.offers import most, too_large
from app.storage import from_disk, keys, to_disk
from platforms.base import MediaFacts

_PICTURES_AT_ONCE, _FILMS_AT_ONCE = 4, 1
"""Files that lie on our disk at a time. Two pictures and one film are opened at once."""

_pictures, _films = asyncio.Semaphore(_PICTURES_AT_ONCE), asyncio.Semaphore(_FILMS_AT_ONCE)


@dataclass(frozen=True, slots=True)
class Cleaned:
    """A file without what it tells about its maker, on our disk.

    ``poster`` is the picture that stands for a film, ``thumb`` a small one, where they were made.
    """

    file: Path
    facts: MediaFacts
    poster: Path | None
    thumb: Path | None


@dataclass(frozen=True, slots=True)
class Placed:
    """Where it lies in the storage; ``poster`` and ``thumb`` are ``""`` where there is none."""

    path: str
    poster: str = ""
    thumb: str = ""


def room(mime: str) -> asyncio.Semaphore:
    """Who wants a file checked waits here, before it is fetched; by the type that it claims, so that films wait for films."""
    return _films if mime.startswith("video/") else _pictures


@asynccontextmanager
async def cleaned(source: AsyncIterable[bytes]) -> AsyncIterator[Cleaned]:
    """What comes of ``source``, for as long as the block lasts. Raises ``Invalid`` (field ``media``)."""
    async with workrooms.opened() as folder:
        came, clean, poster, thumb = (folder / name for name in ("source", "target", "poster", "thumb"))
        await to_disk(_limited(source), came)
        facts = await pictures.clean(came, clean, _type(came), poster=poster, thumb=thumb)
        yield Cleaned(clean, facts, *(made if made.exists() else None for made in (poster, thumb)))


async def kept(workspace_id: Id, media_id: Id, clean: Cleaned) -> Placed:
    """Put what was cleaned in its place in the storage. Each file whole, or not at all."""
    path = keys.original(workspace_id, media_id, clean.facts.mime)
    await _write(path, clean.file, mime=clean.facts.mime, size=clean.facts.size)
    poster = await _beside(path, "poster", clean.poster, mime="image/jpeg")
    return Placed(path, poster, await _beside(path, "thumb", clean.thumb, mime="image/webp"))


async def _beside(path: str, name: str, made: Path | None, *, mime: str) -> str:
    """Its key, or ``""`` where nothing was made."""
    if made is None:
        return ""
    key = keys.beside(path, name, mime=mime)
    await _write(key, made, mime=mime)
    return key


async def _write(key: str, file: Path, *, mime: str, size: int | None = None) -> None:
    await runtime.current().storage.write(key, from_disk(file), mime=mime, size=size)


def _type(came: Path) -> str:
    with came.open("rb") as file:
        return pictures.recognise(file.read(pictures.HEAD))


async def _limited(source: AsyncIterable[bytes]) -> AsyncGenerator[bytes, None]:
    """``source``, as long as it is something that we open, and not too large for what it is."""
    count, head, mime = 0, b"", ""
    async for piece in source:
        count += len(piece)
        if not mime and len(head := head + piece) >= pictures.HEAD:
            mime = pictures.recognise(head)
            head = b""
        if mime and count > most(mime):
            raise Invalid({"media": too_large(mime)})
        yield piece
