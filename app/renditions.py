"""Pictures as one network takes them, kept beside the original: an attempt that is made again need not make them again."""

import asyncio

from app import pictures, runtime
from app.models import MediaFile
from app.storage import Missing, keys, pieces, whole
from platforms.base import MediaRule

LIMIT = 64 * 1024 * 1024
"""Bytes of a picture: more than any that was taken."""

_being_made: dict[str, asyncio.Task[bytes]] = {}


async def read(file: MediaFile, rule: MediaRule | None) -> bytes:
    """The bytes of ``file``, made to fit ``rule`` if there is one. Raises ``Missing``, :class:`app.pictures.Failed`.

    Who is canceled while it is made (a step limit, a stop) loses nothing: it is made and kept all the same, and the next attempt
    finds it. Two that want the same wait for one.
    """
    if rule is None or _fits(file, rule):
        return await _whole(file.path)
    path = keys.beside(file.path, f"{rule.max_bytes}-{rule.max_pixels or 0}")
    try:
        return await _whole(path)
    except Missing:
        pass
    if path not in _being_made:
        _being_made[path] = asyncio.create_task(_make(file, rule, path))
        _being_made[path].add_done_callback(lambda _: _being_made.pop(path))
    return await asyncio.shield(_being_made[path])


def _fits(file: MediaFile, rule: MediaRule) -> bool:
    small = not rule.max_pixels or file.width * file.height <= rule.max_pixels
    return file.mime == "image/gif" or (small and file.size <= rule.max_bytes)


async def _make(file: MediaFile, rule: MediaRule, path: str) -> bytes:
    fitted = await pictures.fit(await _whole(file.path), file.mime, rule)
    await runtime.current().storage.write(path, pieces(fitted), mime=file.mime, size=len(fitted))
    return fitted


async def _whole(path: str) -> bytes:
    return await whole(runtime.current().storage.read(path), limit=LIMIT)
