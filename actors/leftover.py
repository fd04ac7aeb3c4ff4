"""A database that an earlier, killed Carillon left behind: found by the number in its files, and ended if it is really ours."""

import contextlib
import logging
import os
import signal
import time
from pathlib import Path

log = logging.getLogger(__name__)

LOCK = "database.lock"
"""In the data folder: held by the database's process, with its number inside."""
DATA = "carillon.db"
"""The stand-in's file."""
_OLDER = "database.pid"
"""Where the stand-in itself leaves its number; earlier versions knew no other place."""

_PATIENCE = 5.0
_PAUSE = 0.02


def end(folder: Path) -> None:
    """End what still has this folder's database open. Call while nobody else can start one there.

    A number alone proves nothing, because the system gives it to strangers again: the process must have one of our files open.
    Where that cannot be seen (no ``/proc``), nothing is ended, and the lock keeps a second database out.
    """
    for name in (LOCK, _OLDER):
        pid = _number(folder / name)
        if pid is not None and _has_open(pid, [folder / LOCK, folder / DATA]):
            log.warning("ending the database that an earlier run left behind (process %d)", pid)
            _end(pid)


def _number(file: Path) -> int | None:
    try:
        return int(file.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def _has_open(pid: int, files: list[Path]) -> bool:
    ours = {_identity(file) for file in files} - {None}
    try:
        return any(_identity(entry) in ours for entry in Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return False


def _identity(file: Path) -> tuple[int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _end(pid: int) -> None:
    """Ask, and insist after some seconds; returns when it is gone. It is not our child, so it can only be looked for."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            if not _holds_files(pid):
                return
            time.sleep(_PAUSE)


def _holds_files(pid: int) -> bool:
    """A process that ended has no files open, also while nobody has asked for its result yet."""
    try:
        return any(Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return False
