"""Uploads in parts, in a folder: each is a folder of its own, with a file for every part. Calls that block.

``.uploads/{id}/`` holds ``key`` (what it will be) and the parts, named by their numbers. A part is moved there whole, so of two
writers of one part the last wins, and its tag tells which. One that was completed leaves the file ``.uploads/{id}.done``, so that
who did not hear the answer may ask again.
"""

import contextlib
import re
import secrets
import shutil
from datetime import UTC, datetime
from pathlib import Path

from app.storage import disk
from app.storage.errors import Mismatch, Missing
from app.storage.values import MEBIBYTE, MIN_PART, Part, Upload, in_order

UPLOADS = ".uploads"
_KEY = "key"
_DONE, _GONE = ".done", ".gone"
_ID = re.compile(r"[0-9a-f]{32}")


def begin(root: Path, key: str) -> Upload:
    """A new upload. It has its key before it has its name."""
    upload_id, draft = secrets.token_hex(16), root / disk.INCOMING / secrets.token_hex(16)
    draft.mkdir(parents=True)
    (draft / _KEY).write_text(key, encoding="utf-8")
    disk.move(draft, root / UPLOADS / upload_id)
    return Upload(key, upload_id, _time(root / UPLOADS / upload_id / _KEY))


def place(root: Path, key: str, upload_id: str, number: int) -> Path:
    """Where a part goes. Raises ``Missing`` if there is no such upload."""
    return _folder(root, key, upload_id) / str(number)


def parts(root: Path, upload: Upload) -> list[Part]:
    """By their numbers. Raises ``Missing``."""
    files = [file for file in _folder(root, upload.key, upload.id).iterdir() if file.name.isdecimal()]
    found = [(int(file.name), file.stat()) for file in files]
    return [Part(number, disk.tag(facts), facts.st_size) for number, facts in sorted(found)]


def complete(root: Path, upload: Upload, wanted: list[Part]) -> None:
    """Make one file of the parts. Raises ``Missing``, and ``Mismatch`` for other parts than there are; then all stays as it was.

    Two that complete at once write the same file.
    """
    if (root / UPLOADS / f"{_checked(upload.id)}{_DONE}").exists():
        return
    folder = _folder(root, upload.key, upload.id)
    _compare({part.number: part for part in parts(root, upload)}, wanted)
    draft = disk.Draft(root)
    try:
        for part in wanted:
            _append(folder / str(part.number), part, draft)
        draft.keep(root / upload.key)
        (root / UPLOADS / f"{upload.id}{_DONE}").touch()
    finally:
        draft.drop()
    remove(root, upload)


def remove(root: Path, upload: Upload) -> None:
    """Remove the upload's parts; one that is gone is fine. It loses its name first: nobody can add to what is being removed."""
    gone = root / UPLOADS / f"{upload.id}{_GONE}"
    with contextlib.suppress(FileNotFoundError, Missing):
        _folder(root, upload.key, upload.id).replace(gone)
        shutil.rmtree(gone, ignore_errors=True)


def unfinished(root: Path, prefix: str) -> list[Upload]:
    """Uploads whose keys begin with ``prefix``, the oldest first."""
    found = []
    for folder in (root / UPLOADS).glob("*"):
        if _ID.fullmatch(folder.name):
            with contextlib.suppress(FileNotFoundError):
                key = (folder / _KEY).read_text(encoding="utf-8")
                found.append(Upload(key, folder.name, _time(folder / _KEY)))
    return sorted((upload for upload in found if upload.key.startswith(prefix)), key=lambda upload: upload.started_at)


def tidy(root: Path, before: datetime) -> None:
    """Remove drafts that a crash left, removals it cut short, and the memory of what was completed."""
    for left in [*(root / disk.INCOMING).glob("*"), *(root / UPLOADS).glob(f"*{_DONE}"), *(root / UPLOADS).glob(f"*{_GONE}")]:
        with contextlib.suppress(FileNotFoundError):
            if _time(left) >= before:
                continue
            if left.is_dir():
                shutil.rmtree(left, ignore_errors=True)
            else:
                left.unlink()


def _checked(upload_id: str) -> str:
    if not _ID.fullmatch(upload_id):
        raise Missing("no such upload")
    return upload_id


def _folder(root: Path, key: str, upload_id: str) -> Path:
    folder = root / UPLOADS / _checked(upload_id)
    if (folder / _KEY).read_text(encoding="utf-8") != key:
        raise Missing("no such upload")
    return folder


def _compare(there: dict[int, Part], wanted: list[Part]) -> None:
    in_order(wanted)
    if {part.number for part in wanted} != set(there):
        raise Mismatch("other parts have arrived than are named")
    for part in wanted:
        found = there[part.number]
        if found.etag != part.etag.strip('"'):
            raise Mismatch(f"part {part.number} is another one")
        if found.size < MIN_PART and part is not wanted[-1]:
            raise Mismatch(f"part {part.number} has less than {MIN_PART} bytes")


def _append(file: Path, part: Part, draft: disk.Draft) -> None:
    """The part that is read is the one that was meant: looked at once more, now that it is open."""
    with file.open("rb") as source:
        if disk.tag(disk.facts_of(source)) != part.etag.strip('"'):
            raise Mismatch(f"part {part.number} became another one")
        shutil.copyfileobj(source, draft.file, MEBIBYTE)


def _time(path: Path) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)
