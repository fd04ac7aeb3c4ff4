"""Files as one network takes them, kept beside the original: an attempt that is made again need not make them again.

What is made follows from a plan (:mod:`platforms.fitting`), and is kept under the plan's key: accounts whose rules come to the
same share it, and an edit of the post changes nothing about it. It goes from file to file; nothing here holds one in memory.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from pymongo.errors import PyMongoError

from app import claims, pictures, runtime, workrooms
from app.ids import Id
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


class BeingMade(Exception):
    """It takes longer than somebody wants to wait; ``share`` of it is done."""

    def __init__(self, share: float) -> None:
        super().__init__(f"{share:.0%} is made")
        self.share = share


@dataclass(slots=True)
class Making:
    """A file on its way, in this process."""

    task: asyncio.Task[None]
    share: float = 0.0


PATIENCE = timedelta(seconds=5)
"""So long a worker waits for a file that is being made, before it does something else. Pictures take a second or two."""
_HEARTBEAT, _PAUSE = 2.0, 0.2

_being_made: dict[str, Making] = {}


def facts(file: MediaFile) -> MediaFacts:
    """What was found when the file came; of one from before that was kept, what its document says."""
    try:
        return pictures.restored(file.facts)
    except TypeError:
        return MediaFacts(file.mime, file.size, file.width, file.height)


def planned(file: MediaFile, rule: MediaRule, choices: Choices = AS_THEY_ARE) -> Rendition | Problem:
    """What ``rule`` makes of ``file``, as people chose. Nothing is opened."""
    return plan(facts(file), rule, choices)


async def ready(
    file: MediaFile, rule: MediaRule | None, choices: Choices = AS_THEY_ARE, *, patience: timedelta | None = None
) -> Ready:
    """``file``, made to fit ``rule`` as people chose, if there is a rule and if that was not done before.

    Raises ``StorageError``, :class:`app.pictures.Failed`, :class:`app.pictures.Unfit`, and :class:`BeingMade` after ``patience``.

    Who is canceled while it is made (a step limit, a stop) loses nothing: it is made and kept all the same, and the next attempt
    finds it. Of all that want the same, in whatever process, one makes it.
    """
    rendition = planned(file, rule, choices) if rule else Rendition(facts(file))
    if isinstance(rendition, Problem):
        raise pictures.Unfit(rendition.message)
    mime = rendition.fitted.mime
    if not rendition.steps:
        return _ready(await _head(file.path), mime)
    path = keys.beside(file.path, rendition.key, mime=mime)
    until = asyncio.get_running_loop().time() + (PATIENCE if patience is None else patience).total_seconds()
    while True:
        try:
            return _ready(await _head(path), mime)
        except Missing:
            await _made_by(until, file, rendition, path)


async def _made_by(until: float, file: MediaFile, rendition: Rendition, path: str) -> None:
    """Wait for it, here or elsewhere. Raises :class:`BeingMade` when the loop's time is ``until``."""
    loop = asyncio.get_running_loop()
    if path not in _being_made and (claim := await claims.take(path, file)) is not None:
        _being_made[path] = Making(asyncio.create_task(_make(file, rendition, path, claim)))
        _being_made[path].task.add_done_callback(lambda _: _being_made.pop(path))
    if loop.time() > until:
        raise BeingMade(_being_made[path].share if path in _being_made else await claims.share(path))
    if (here := _being_made.get(path)) is None:
        await asyncio.sleep(_PAUSE)
        return
    done, _ = await asyncio.wait([here.task], timeout=until - loop.time())
    for task in done:
        task.result()


async def _make(file: MediaFile, rendition: Rendition, path: str, claim: Id) -> None:
    heart = asyncio.create_task(_beat(path, claim))
    storage = runtime.current().storage
    try:
        if await _lies(path):  # since we looked, somebody has made it and given the claim back: it may be on its way out
            return
        async with workrooms.opened() as folder:
            source, target = folder / "source", folder / "target"
            await to_disk(storage.read(file.path), source)
            made = await pictures.render(source, target, facts(file), rendition, progress=partial(_note, path))
            if await _is_ours(path, claim):
                await storage.write(path, from_disk(target), mime=made.mime, size=made.size)
    finally:
        heart.cancel()
        await claims.end(path, claim)


async def _lies(path: str) -> bool:
    try:
        await _head(path)
    except Missing:
        return False
    return True


def _note(path: str, share: float) -> None:
    if path in _being_made:
        _being_made[path].share = share


async def _is_ours(path: str, claim: Id) -> bool:
    """Whether nobody took it over while we were asleep. Two encodings are never the same, and the other's may be on its way out.

    A database that is away is no reason to stop: the worst that comes of it is made twice.
    """
    with suppress(PyMongoError):
        return await claims.keep(path, claim, _being_made[path].share if path in _being_made else 0.0)
    return True


async def _beat(path: str, claim: Id) -> None:
    """Say that it goes on."""
    while True:
        await asyncio.sleep(_HEARTBEAT)
        await _is_ours(path, claim)


async def stop() -> None:
    """Let go of what is being made here: another process makes it, or this one when it runs again."""
    pictures.end_all()
    tasks = [making.task for making in _being_made.values()]
    await asyncio.gather(*tasks, return_exceptions=True)


async def used(file: MediaFile, rule: MediaRule | None, choices: Choices = AS_THEY_ARE) -> None:
    """What was made of it will be wanted soon."""
    rendition = planned(file, rule, choices) if rule else None
    if isinstance(rendition, Rendition) and rendition.steps:
        await claims.touch(keys.beside(file.path, rendition.key, mime=rendition.fitted.mime))


async def _head(path: str) -> Stored:
    return await runtime.current().storage.head(path)


def _ready(stored: Stored, mime: str) -> Ready:
    """``mime`` comes from the plan: older files have none in their names."""
    return Ready(stored.key, stored.size, mime)
