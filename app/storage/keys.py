"""Names of files in the storage.

``temp/{workspace}/{id}.{ext}`` is where browsers put what they upload: it may be anything, and is gone after a day.
``media/{workspace}/{id}/original.{ext}`` is what was looked at and kept; what is made of it lies beside it.
A file's document holds its key, so older files keep theirs: ``{workspace}/{32 digits}``, and what was made of them
``{workspace}/{32 digits}.{name}``.
"""

import re
from pathlib import PurePosixPath

from app.ids import Id
from app.storage.errors import Missing

TEMP, MEDIA = "temp/", "media/"
LONGEST = 400
"""Characters of a key; S3 takes 1024 bytes, file systems 255 for each name."""

TYPES = {
    "jpg": "image/jpeg",
    "png": "image/png",
    "webp": "image/webp",
    "gif": "image/gif",
    "avif": "image/avif",
    "heic": "image/heic",
    "mp4": "video/mp4",
    "mov": "video/quicktime",
    "webm": "video/webm",
    "mkv": "video/x-matroska",
    "m4a": "audio/mp4",
    "mp3": "audio/mpeg",
    "pdf": "application/pdf",
    "vtt": "text/vtt",
    "srt": "application/x-subrip",
}
"""One type for each extension and one extension for each type: a folder knows a file's type by its name."""
UNKNOWN = "application/octet-stream"

_EXTENSIONS = {mime: extension for extension, mime in TYPES.items()}
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,199}")
"""Of a folder or a file: nothing that starts with a dot, and nothing that an address would have to encode."""


def temp(workspace_id: Id, upload_id: Id, mime: str) -> str:
    """Where an upload of ``mime`` goes. Raises ``ValueError`` for a type that is not in ``TYPES``."""
    return f"{TEMP}{workspace_id}/{upload_id}.{extension(mime)}"


def original(workspace_id: Id, media_id: Id, mime: str) -> str:
    """Where a kept file of ``mime`` lies. Raises ``ValueError`` as :func:`temp`."""
    return f"{MEDIA}{workspace_id}/{media_id}/original.{extension(mime)}"


def beside(key: str, name: str, *, mime: str | None = None) -> str:
    """Where something that is made of the original at ``key`` lies; of its type, unless ``mime`` is given."""
    original_file = PurePosixPath(key)
    name += original_file.suffix if mime is None else f".{extension(mime)}"
    return str(original_file.with_name(name)) if original_file.stem == "original" else f"{key}.{name}"


def extension(mime: str) -> str:
    """Without a dot. Raises ``ValueError``."""
    try:
        return _EXTENSIONS[mime]
    except KeyError:
        raise ValueError(f"no file of the type {mime} is stored") from None


def mime_of(key: str) -> str:
    """The type that the key's extension names."""
    return TYPES.get(PurePosixPath(key).suffix.removeprefix("."), UNKNOWN)


def check(key: str) -> str:
    """``key``, if it can be one. Raises ``Missing``: nothing lies under a key that is none."""
    if len(key) > LONGEST or not all(_NAME.fullmatch(name) for name in key.split("/")):
        raise Missing(f"{key[:LONGEST]!r} is no key")
    return key


def check_type(key: str, mime: str) -> str:
    """``key``, if a file of ``mime`` may lie there. Raises ``Missing`` as :func:`check`, and ``ValueError``."""
    if mime_of(check(key)) not in (mime, UNKNOWN):
        raise ValueError(f"{key} is not the name of a file of the type {mime}")
    return key
