"""Files as one network takes them, kept beside the original: an attempt that is made again need not make them again.

What is made follows from a plan (:mod:`platforms.fitting`), and is kept under the plan's key: accounts whose rules come to the
same share it, and an edit of the post changes nothing about it.
"""

import asyncio
import tempfile
from pathlib import Path

from app import pictures, runtime
from app.models import MediaFile
from app.storage import Missing, keys, pieces, whole
from platforms.base import MediaFacts, MediaRule, Problem
from platforms.fitting import Rendition, plan

LIMIT = 64 * 1024 * 1024
"""Bytes of a picture: more than any that was taken."""

_being_made: dict[str, asyncio.Task[bytes]] = {}


def facts(file: MediaFile) -> MediaFacts:
    """What was found when the file came; of one from before that was kept, what its document says."""
    try:
        return pictures.restored(file.facts)
    except TypeError:
        return MediaFacts(file.mime, file.size, file.width, file.height)


def planned(file: MediaFile, rule: MediaRule) -> Rendition | Problem:
    """What ``rule`` makes of ``file``. Nothing is opened."""
    return plan(facts(file), rule)


async def read(file: MediaFile, rule: MediaRule | None) -> bytes:
    """The bytes of ``file``, made to fit ``rule`` if there is one.

    Raises ``Missing``, :class:`app.pictures.Failed`, :class:`app.pictures.Unfit`.

    Who is canceled while it is made (a step limit, a stop) loses nothing: it is made and kept all the same, and the next attempt
    finds it. Two that want the same wait for one.
    """
    rendition = planned(file, rule) if rule else Rendition(facts(file))
    if isinstance(rendition, Problem):
        raise pictures.Unfit(rendition.message)
    if not rendition.steps:
        return await _whole(file.path)
    path = keys.beside(file.path, rendition.key, mime=rendition.fitted.mime)
    try:
        return await _whole(path)
    except Missing:
        pass
    if path not in _being_made:
        _being_made[path] = asyncio.create_task(_make(file, rendition, path))
        _being_made[path].add_done_callback(lambda _: _being_made.pop(path))
    return await asyncio.shield(_being_made[path])


async def _make(file: MediaFile, rendition: Rendition, path: str) -> bytes:
    with tempfile.TemporaryDirectory(prefix="carillon-") as folder:
        source, target = Path(folder, "source"), Path(folder, "target")
        await asyncio.to_thread(source.write_bytes, await _whole(file.path))
        made = await pictures.render(source, target, facts(file), rendition)
        fitted = await asyncio.to_thread(target.read_bytes)
    await runtime.current().storage.write(path, pieces(fitted), mime=made.mime, size=len(fitted))
    return fitted


async def _whole(path: str) -> bytes:
    return await whole(runtime.current().storage.read(path), limit=LIMIT)
