"""The captions of a film: what is said in it, for those who cannot hear it, as WebVTT in each of some languages."""

import re
from collections.abc import Sequence

from app.errors import Invalid, NotFound
from app.ids import Id
from app.models import MediaFile, Workspace
from app.services.media import files
from platforms.base import Captions

MAX_BYTES = 200_000
"""Of one file of captions: two hours of talk. Networks take 20 kB and more; the composer says so."""

MAX_LANGUAGES = 20

_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}")
_HEAD = "WEBVTT"


async def add(workspace: Workspace, media_id: Id, language: str, data: bytes) -> MediaFile:
    """Captions of a film in one language, instead of those it has in it. Raises ``NotFound``, ``Invalid``.

    Of two people who change one film's captions in the same moment, the later one's list stays.
    """
    file = await _film(workspace, media_id)
    language = language.strip()
    if not _LANGUAGE.fullmatch(language):
        raise Invalid({"language": "Choose the language of the captions."})
    others = [one for one in file.captions if one.language.lower() != language.lower()]
    if len(others) >= MAX_LANGUAGES:
        raise Invalid({"captions": f"A video has captions in at most {MAX_LANGUAGES} languages. Remove some."})
    return await _keep(workspace, file, sorted([*others, Captions(language, _read(data))], key=lambda one: one.language))


async def remove(workspace: Workspace, media_id: Id, language: str) -> MediaFile:
    """Without the captions in that language, if there are any. Raises ``NotFound``."""
    file = await _film(workspace, media_id)
    return await _keep(workspace, file, [one for one in file.captions if one.language != language])


async def text(workspace: Workspace, media_id: Id, language: str) -> str:
    """The captions in that language, as WebVTT. Raises ``NotFound``."""
    found = [one.text for one in (await _film(workspace, media_id)).captions if one.language == language]
    if not found:
        raise NotFound
    return found[0]


def _read(data: bytes) -> str:
    """The text of a WebVTT file (W3C, section 4.1): its head, and a time at least. Raises ``Invalid``."""
    if len(data) > MAX_BYTES:
        raise Invalid({"captions": f"The captions are larger than {MAX_BYTES // 1000} kB. Shorten them."})
    try:
        said = data.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")
    except UnicodeDecodeError:
        said = ""
    if not said.startswith((_HEAD, f"{_HEAD} ", f"{_HEAD}\t")) or " --> " not in said:
        raise Invalid({"captions": "This is no file of captions that we can read. Use WebVTT (.vtt), which begins with WEBVTT."})
    return said


async def _film(workspace: Workspace, media_id: Id) -> MediaFile:
    file = await files.get(workspace, media_id)
    if not file.mime.startswith("video/"):
        raise NotFound
    return file


async def _keep(workspace: Workspace, file: MediaFile, captions: Sequence[Captions]) -> MediaFile:
    kept = [{"language": one.language, "text": one.text} for one in captions]
    await MediaFile.get_pymongo_collection().update_one({"_id": file.id}, {"$set": {"captions": kept}})
    return await files.get(workspace, file.id)
