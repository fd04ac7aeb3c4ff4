"""A file on its way into one request: a chunk at a time, with its length told beforehand, and a sign of life now and then."""

import asyncio
import mimetypes
import secrets
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

from platforms.base import Checkpoint, Media

SIGN_OF_LIFE = 5.0
"""Seconds between two notes that the upload goes on. Step limit and lease are much longer."""


async def chunks(media: Media, checkpoint: Checkpoint) -> AsyncIterator[bytes]:
    """The bytes of ``media``, asked for as the network takes them. Raises what its source raises, and the checkpoint.

    The lease goes on with them. They are no progress that a next attempt could build on, so its strikes stay counted.
    """
    loop = asyncio.get_running_loop()
    told = loop.time()
    async for chunk in media.open():
        if loop.time() - told > SIGN_OF_LIFE:
            await checkpoint.save()
            told = loop.time()
        yield chunk


@dataclass(frozen=True, slots=True)
class Form:
    """The headers and the content of a ``multipart/form-data`` request. The content can be sent once."""

    headers: Mapping[str, str]
    content: AsyncIterator[bytes]


def form(media: Media, fields: Mapping[str, str], checkpoint: Checkpoint, *, name: str = "file") -> Form:
    """``fields``, and behind them ``media`` under ``name`` (RFC 7578). Names are ours and need no escapes."""
    boundary = secrets.token_hex(16)
    filename = f"upload{mimetypes.guess_extension(media.mime) or ''}"
    head = b"".join(_part(boundary, f'name="{key}"') + value.encode() + b"\r\n" for key, value in fields.items())
    head += _part(boundary, f'name="{name}"; filename="{filename}"', media.mime)
    tail = f"\r\n--{boundary}--\r\n".encode()
    headers = {
        "Content-Type": f"multipart/form-data; boundary={boundary}",
        "Content-Length": str(len(head) + media.size + len(tail)),
    }
    return Form(headers, _between(head, chunks(media, checkpoint), tail))


def _part(boundary: str, disposition: str, mime: str = "") -> bytes:
    kind = f"Content-Type: {mime}\r\n" if mime else ""
    return f"--{boundary}\r\nContent-Disposition: form-data; {disposition}\r\n{kind}\r\n".encode()


async def _between(head: bytes, content: AsyncIterator[bytes], tail: bytes) -> AsyncIterator[bytes]:
    yield head
    async for chunk in content:
        yield chunk
    yield tail
