"""Folders on our own disk for files that are opened there: a film is there twice, and may have gigabytes.

Each is gone with its block. Of a process that was killed it stays, until anybody opens the next one: a room is locked as long as
its process lives, and the system gives the lock back whatever becomes of that.
"""

import asyncio
import fcntl
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import IO

_PREFIX, _LOCK = "carillon-", ".open"


@asynccontextmanager
async def opened() -> AsyncIterator[Path]:
    """An empty folder but for what begins with a dot."""
    await asyncio.to_thread(_sweep)
    room, lock = await asyncio.to_thread(_made)
    try:
        yield room
    finally:
        await asyncio.to_thread(shutil.rmtree, room, ignore_errors=True)
        lock.close()


def _made() -> tuple[Path, IO[bytes]]:
    """It is locked before it has its name."""
    draft = Path(tempfile.mkdtemp(prefix=f".{_PREFIX}"))
    lock = (draft / _LOCK).open("wb")
    fcntl.flock(lock, fcntl.LOCK_EX)
    return draft.rename(draft.with_name(draft.name.removeprefix("."))), lock


def _sweep() -> None:
    """Another user's, whose lock we cannot even open, are none of ours."""
    for left in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*/{_LOCK}"):
        with suppress(OSError), left.open("r+b") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(left.parent, ignore_errors=True)
