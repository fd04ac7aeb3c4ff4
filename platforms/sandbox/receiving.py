"""Files that are sent to the networks: looked at as they come, and kept only if pages show them."""

import hashlib
from collections.abc import AsyncIterator

from litestar.datastructures import UploadFile

from platforms.sandbox.values import Blob, cid_of, sniff

KEPT = 16 * 1024 * 1024
"""Bytes of the largest picture or film that pages show."""
_PIECE = 256 * 1024


async def receive(source: AsyncIterator[bytes], declared: str = "") -> Blob:
    """What came; its type is what the first bytes say, and ``declared`` where they say nothing."""
    digest, size, held = hashlib.sha256(), 0, bytearray()
    mime: str | None = None
    async for piece in source:
        digest.update(piece)
        size += len(piece)
        held += piece
        if mime is None and len(held) >= _PIECE:
            mime = sniff(bytes(held), declared)
        if mime is not None and not _kept(mime, size):
            held.clear()
    mime = sniff(bytes(held), declared) if mime is None else mime
    return Blob(cid_of(digest.digest()), mime, size, bytes(held) if _kept(mime, size) else b"")


def is_shown(mime: str) -> bool:
    """Whether pages show files of this type: pictures, films, and films' captions."""
    return mime.startswith(("image/", "video/")) or mime == "text/vtt"


def _kept(mime: str, size: int) -> bool:
    return is_shown(mime) and size <= KEPT


async def in_form(file: object) -> AsyncIterator[bytes]:
    """The bytes of a form's field; none if it is no file."""
    while isinstance(file, UploadFile) and (piece := await file.read(_PIECE)):
        yield piece
