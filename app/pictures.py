"""Files are opened elsewhere: cleaned when they come in, and made to fit a network's rule when they go out.

Each in a process of its own (:mod:`app.darkroom`), started when it is needed and gone when it is done: at most two pictures at a
time, and one film beside them. So strangers' bytes and megapixels stay out of the processes that serve pages and publish, nothing
is held for them in between, and a bomb takes only its own process along.
"""

import asyncio
import json
import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from pathlib import Path
from threading import Event, Timer
from typing import IO, Any

from app.darkroom import PROGRAM
from app.darkroom.protocol import Job, Refused
from app.darkroom.sniffing import HEAD, sniff
from app.errors import Invalid
from platforms.base import MediaFacts
from platforms.fitting import Rendition, Transcode

__all__ = [
    "COPY",
    "HEAD",
    "PICTURE",
    "Failed",
    "Limits",
    "Progress",
    "Unfit",
    "begin",
    "clean",
    "end_all",
    "limits",
    "recognise",
    "render",
    "restored",
    "stored",
]

log = logging.getLogger(__name__)

Progress = Callable[[float], None]
"""Called in the loop's thread with how much is done, from 0 to 1."""

_PICTURES = ThreadPoolExecutor(max_workers=2, thread_name_prefix="pictures")
_FILMS = ThreadPoolExecutor(max_workers=1, thread_name_prefix="films")
"""They only wait for the processes. A process ends with the thread that started it, and these last as long as the program."""

_MEGABYTE = 1024 * 1024
_LINE = 64 * 1024


_running: set["subprocess.Popen[str]"] = set()
_ending = Event()


class Failed(Exception):
    """The process died twice or took too long. Nothing is known about the file but that."""


class Unfit(Exception):
    """Nothing that can be made of the file keeps the limits. The message tells the person what to do."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one process may take: ``memory`` and ``written`` in bytes, ``seconds`` of processor time."""

    memory: int = 2048 * _MEGABYTE
    seconds: int = 120
    written: int = 256 * _MEGABYTE

    @property
    def patience(self) -> float:
        """Seconds it may take on a machine that is busy with other things."""
        return 2.0 * self.seconds


PICTURE = Limits()
"""The largest picture takes 400 MB of memory, twice while it is turned; one of 12 megapixels takes a second."""
COPY = Limits(memory=2048 * _MEGABYTE, seconds=300, written=16 * 1024 * _MEGABYTE)
"""Of a film that is looked at, or whose pictures stay as they are."""
_MEMORY, _SLOWEST, _LONGEST = 4096 * _MEGABYTE, 10_000_000, 7200
"""Of a film that is encoded: address space, pixels in a second of the slowest machine, and seconds in all."""


def limits(facts: MediaFacts, rendition: Rendition) -> Limits:
    """What making ``rendition`` of a file with ``facts`` may take."""
    if not facts.is_film and rendition.fitted.mime.startswith("image/"):
        return PICTURE
    if not any(isinstance(step, Transcode) for step in rendition.steps):
        return COPY
    pixels = facts.width * facts.height * max(facts.frames, rendition.fitted.frames)
    seconds = min(_LONGEST, 120 + pixels // _SLOWEST)
    return Limits(memory=_MEMORY, seconds=seconds, written=2 * rendition.fitted.size + 16 * _MEGABYTE)


def recognise(head: bytes) -> str:
    """The type of a file, by its first ``HEAD`` bytes: most of what is none of ours need not be fetched. Raises ``Invalid``."""
    try:
        return sniff(head)
    except Refused as refusal:
        raise Invalid({"media": str(refusal)}) from None


async def clean(source: Path, target: Path, mime: str, *, poster: Path | None = None, thumb: Path | None = None) -> MediaFacts:
    """``source``, recognised as ``mime``, as ``target``, without what it tells about its maker.

    ``poster`` gets the picture that stands for a film, ``thumb`` a small WebP, unless the file itself is one. Raises
    ``Invalid`` (field ``media``).
    """
    job = Job("clean", str(source), str(target), poster=str(poster or ""), thumb=str(thumb or ""))
    try:
        return await _develop(job, COPY if mime.startswith("video/") else PICTURE, None)
    except Unfit as refusal:
        raise Invalid({"media": str(refusal)}) from None
    except Failed:
        raise Invalid({"media": "This file took too long or too much memory to open. Try again, or make it smaller."}) from None


async def render(
    source: Path, target: Path, facts: MediaFacts, rendition: Rendition, *, progress: Progress | None = None
) -> MediaFacts:
    """Make ``rendition`` of ``source``, whose ``facts`` it was planned for. Raises :class:`Failed`, :class:`Unfit`."""
    job = Job("render", str(source), str(target), recipe=rendition.recipe)
    made = await _develop(job, limits(facts, rendition), progress)
    return replace(made, colour=made.colour or facts.colour)


async def _develop(job: Job, allowed: Limits, progress: Progress | None) -> MediaFacts:
    loop = asyncio.get_running_loop()
    told = (lambda share: loop.call_soon_threadsafe(progress, share)) if progress else _ignored
    pool = _PICTURES if allowed == PICTURE else _FILMS
    job = replace(job, memory=allowed.memory, seconds=allowed.seconds, written=allowed.written)
    return await loop.run_in_executor(pool, _in_darkroom, job, allowed.patience, told)


def begin() -> None:
    """Files are opened, until :func:`end_all`."""
    _ending.clear()


def end_all() -> None:
    """This process stops: what is being made is not waited for, or a film would hold it up for minutes. Nothing more is made."""
    _ending.set()
    for process in list(_running):
        process.kill()


def _ignored(share: float) -> None:
    """Nobody asked."""


# --- in a thread ------------------------------------------------------------------------------------------------------


def _in_darkroom(job: Job, patience: float, told: Callable[[float], object]) -> MediaFacts:
    """What the process found. One that dies is tried once more: it may have been the system's choice, not its fault."""
    for _ in range(2):
        if _ending.is_set():
            break
        answer, code = _run(job, patience, told)
        if "facts" in answer:
            return _facts(answer["facts"])
        if "refused" in answer:
            raise Unfit(answer["refused"])
        if code is None:
            break
    raise Failed(job.task)


def _run(job: Job, patience: float, told: Callable[[float], object]) -> tuple[dict[str, Any], int | None]:
    """The last answer, and the exit code; ``None`` if it took too long."""
    with tempfile.TemporaryFile() as complaints:
        process = subprocess.Popen(
            [sys.executable, "-I", PROGRAM, str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=complaints,
            text=True,
            start_new_session=True,  # Ctrl-C at the terminal is not meant for it
        )
        late = Timer(patience, process.kill)
        late.start()
        _running.add(process)
        try:
            with process:
                answer = _listen(process, job, told)
        finally:
            in_time = late.is_alive()
            late.cancel()
            _running.discard(process)
        if process.returncode:
            log.warning("a file's process ended with %s: %s", process.returncode, _last_of(complaints))
    return answer, process.returncode if in_time else None


def _listen(process: "subprocess.Popen[str]", job: Job, told: Callable[[float], object]) -> dict[str, Any]:
    if process.stdin is None or process.stdout is None:
        raise Failed(job.task)
    try:
        process.stdin.write(job.write())
        process.stdin.close()
    except BrokenPipeError:  # it died before it could listen
        return {}
    answer: dict[str, Any] = {}
    while line := process.stdout.readline(_LINE):
        answer = json.loads(line)
        if "progress" in answer:
            told(answer["progress"])
    return answer


def _last_of(complaints: IO[bytes]) -> str:
    complaints.seek(max(0, complaints.seek(0, os.SEEK_END) - 300))
    return complaints.read().decode(errors="replace")


# --- facts as they are kept -------------------------------------------------------------------------------------------


def _facts(told: dict[str, Any]) -> MediaFacts:
    duration = told.get("duration")
    return MediaFacts(**{**told, "duration": None if duration is None else timedelta(seconds=duration)})


def stored(facts: MediaFacts) -> dict[str, Any]:
    """As plain JSON values, for a document."""
    return asdict(facts) | {"duration": facts.duration.total_seconds() if facts.duration is not None else None}


def restored(kept: dict[str, Any]) -> MediaFacts:
    """What :func:`stored` made; what a later version added to it is left out."""
    return _facts({name: value for name, value in kept.items() if name in MediaFacts.__dataclass_fields__})
