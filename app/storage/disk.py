"""Files below one folder, with calls that block: written beside their place and moved there whole, or not at all."""

import contextlib
import errno
import io
import os
import shutil
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, BinaryIO
from uuid import uuid4

from app.storage import keys
from app.storage.errors import Missing, Refused, StorageError, Unavailable
from app.storage.values import Stored

INCOMING = ".incoming"
"""What is being written. No key begins with a dot, so nobody can ask for it."""

_TRIES = 5
"""To make a folder that somebody else removes at the same time, because it is empty."""


class Draft:
    """A file that is being written. Nobody sees it until it is kept; one that is not kept must be dropped.

    ``file`` is a buffered one: its lock makes who closes it wait for who writes to it, when a canceled writer is still busy.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        folder = root / INCOMING
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / uuid4().hex
        self.file: BinaryIO = self.path.open("xb", buffering=2 * 1024 * 1024)

    def keep(self, place: Path, *, folders: bool = True) -> os.stat_result:
        """Move it to ``place``, which may hold an older file. Its bytes are on the disk before its name is.

        Without ``folders`` the one it goes to must be there: raises ``FileNotFoundError``.
        """
        self.file.flush()
        os.fsync(self.file.fileno())
        facts = facts_of(self.file)
        self.file.close()
        move(self.path, place, folders=folders)
        return facts

    def drop(self) -> None:
        """Leave nothing behind; does nothing to one that was kept."""
        with contextlib.suppress(OSError):  # what could not be written cannot be flushed either
            self.file.close()
        self.path.unlink(missing_ok=True)


def move(source: Path, place: Path, *, folders: bool = True) -> None:
    """Give ``source`` its place, making the ``folders`` above it, and see to it that the name lasts."""
    for left in reversed(range(_TRIES if folders else 1)):
        try:
            if folders:
                place.parent.mkdir(parents=True, exist_ok=True)
            source.replace(place)
            break
        except FileNotFoundError:
            if not left:
                raise
    sync(place.parent)


def sync(folder: Path) -> None:
    """Have the names in ``folder`` written to the disk."""
    with contextlib.suppress(FileNotFoundError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def remove(root: Path, file: Path) -> None:
    """Remove ``file`` and the folders that it leaves empty."""
    file.unlink(missing_ok=True)
    for folder in file.parents:
        if folder == root:
            return
        try:
            folder.rmdir()
        except OSError:  # somebody's
            return


def tag(facts: os.stat_result) -> str:
    """Another one for every file, and for every file that takes its place: neither bytes nor a clock have to be trusted alone."""
    return f"{facts.st_ino:x}-{facts.st_mtime_ns:x}-{facts.st_size:x}"


def stored(key: str, facts: os.stat_result) -> Stored:
    """A file's facts."""
    modified_at = datetime.fromtimestamp(facts.st_mtime, UTC)
    return Stored(key=key, size=facts.st_size, etag=tag(facts), modified_at=modified_at, mime=keys.mime_of(key))


def look(root: Path, key: str) -> Stored:
    """The facts of the file under ``key``. Raises ``Missing``."""
    facts = os.stat(root / keys.check(key))
    if not stat.S_ISREG(facts.st_mode):
        raise Missing(key)
    return stored(key, facts)


def open_file(root: Path, key: str) -> io.FileIO:
    """To be read. Raises ``Missing``, and what the system raises."""
    return (root / keys.check(key)).open("rb", buffering=0)


def facts_of(file: IO[bytes]) -> os.stat_result:
    """Of an open file, whatever bears its name by now."""
    return os.fstat(file.fileno())


def copy(root: Path, source: str, target: str) -> None:
    """Give the content a second name; files are only ever replaced, so it stays what it is. Else copy it."""
    draft = root / INCOMING / uuid4().hex
    draft.parent.mkdir(parents=True, exist_ok=True)
    try:
        try:
            os.link(root / source, draft)
        except OSError as error:
            if error.errno == errno.ENOENT:
                raise
            shutil.copyfile(root / source, draft)  # in the kernel
        move(draft, root / target)
    finally:
        draft.unlink(missing_ok=True)


def walk(root: Path, prefix: str) -> Iterator[Stored]:
    """Files whose keys begin with ``prefix``, in the order of their keys."""
    start = prefix.rpartition("/")[0]
    if start:
        keys.check(start)
    for key in _below(root / start, f"{start}/" if start else "", prefix):
        with contextlib.suppress(FileNotFoundError):  # removed meanwhile
            yield look(root, key)


def _below(folder: Path, above: str, prefix: str) -> Iterator[str]:
    try:
        with os.scandir(folder) as found:
            names = sorted(f"{entry.name}/" if entry.is_dir() else entry.name for entry in found)
    except (FileNotFoundError, NotADirectoryError):
        return
    for name in names:
        key = above + name
        if name.startswith(".") or not key.startswith(prefix[: len(key)]):
            continue
        if name.endswith("/"):
            yield from _below(folder / name, key, prefix)
        elif key.startswith(prefix):
            yield key


@contextlib.contextmanager
def in_our_words(key: str) -> Iterator[None]:
    """Turn the system's errors into the storage's."""
    try:
        yield
    except StorageError:
        raise
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        raise Missing(key) from None
    except PermissionError as error:
        raise Refused(f"the data folder cannot be used: {error.strerror}") from error
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        raise Unavailable("the disk is full" if full else f"the disk failed: {error.strerror}") from error
