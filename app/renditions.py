"""Files as one network takes them, kept beside the original: an attempt that is made again need not make them again.

What is made follows from a plan (:mod:`platforms.fitting`), and is kept under the plan's key: accounts whose rules come to the
same share it, and an edit of the post changes nothing about it. It goes from file to file; nothing here holds one in memory.
"""

import asyncio
import tempfile
from dataclasses import dataclass
from pathlib import Path

from app import pictures, runtime
from app.models import MediaFile
from app.storage import Missing, Stored, from_disk, keys, to_disk
from platforms.base import MediaFacts, MediaRule, Problem
from platforms.fitting import AS_THEY_ARE, Choices, Rendition, plan


@dataclass(frozen=True, slots=True)
class Ready:
    """What is to be sent: where it lies, how many bytes that are, and of which type."""

    key: str
    size: int
    mime: str


_being_made: dict[str, asyncio.Task[Ready]] = {}


def facts(file: MediaFile) -> MediaFacts:
    """What was found when the file came; of one from before that was kept, what its document says."""
    try:
        return pictures.restored(file.facts)
    except TypeError:
        return MediaFacts(file.mime, file.size, file.width, file.height)


def planned(file: MediaFile, rule: MediaRule, choices: Choices = AS_THEY_ARE) -> Rendition | Problem:
    """What ``rule`` makes of ``file``, as people chose. Nothing is opened."""
    return plan(facts(file), rule, choices)


async def ready(file: MediaFile, rule: MediaRule | None, choices: Choices = AS_THEY_ARE) -> Ready:
    """``file``, made to fit ``rule`` as people chose, if there is a rule and if that was not done before.

    Raises ``StorageError``, :class:`app.pictures.Failed`, :class:`app.pictures.Unfit`.

    Who is canceled while it is made (a step limit, a stop) loses nothing: it is made and kept all the same, and the next attempt
    finds it. Two that want the same wait for one.
    """
    rendition = planned(file, rule, choices) if rule else Rendition(facts(file))
    if isinstance(rendition, Problem):
        raise pictures.Unfit(rendition.message)
    mime = rendition.fitted.mime
    if not rendition.steps:
        return _ready(await _head(file.path), mime)
    path = keys.beside(file.path, rendition.key, mime=mime)
    try:
        return _ready(await _head(path), mime)
    except Missing:
        pass
    if path not in _being_made:
        _being_made[path] = asyncio.create_task(_make(file, rendition, path))
        _being_made[path].add_done_callback(lambda _: _being_made.pop(path))
    return await asyncio.shield(_being_made[path])


async def _make(file: MediaFile, rendition: Rendition, path: str) -> Ready:
    storage = runtime.current().storage
    with tempfile.TemporaryDirectory(prefix="carillon-") as folder:
        source, target = Path(folder, "source"), Path(folder, "target")
        await to_disk(storage.read(file.path), source)
        made = await pictures.render(source, target, facts(file), rendition)
        stored = await storage.write(path, from_disk(target), mime=made.mime, size=made.size)
    return _ready(stored, made.mime)


async def _head(path: str) -> Stored:
    return await runtime.current().storage.head(path)


def _ready(stored: Stored, mime: str) -> Ready:
    """``mime`` comes from the plan: older files have none in their names."""
    return Ready(stored.key, stored.size, mime)
