"""What stands below a text: pictures or a film with captions, and what the lexicons say of them (app.bsky.embed)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from platforms.sandbox.store import Store

Json = Mapping[str, Any]


class Unkept(Exception):
    """A file that a record names is not there, or is another: ``error`` and ``message`` of the answer."""

    def __init__(self, error: str, message: str) -> None:
        super().__init__(message)
        self.error = error
        self.message = message


@dataclass(frozen=True, slots=True)
class Kind:
    """How files of one kind have to be: the beginning of their type, how a lexicon writes it, and the most bytes."""

    begins: str
    accepts: str
    max_bytes: int


_IMAGE = Kind("image/", "image/*", 2_000_000)
_FILM = Kind("video/mp4", "video/mp4", 300_000_000)
_CAPTIONS = Kind("text/vtt", "text/vtt", 20_000)
_MOST_IMAGES = 4
_MOST_CAPTIONS = 20


def images_of(record: Json) -> list[dict[str, Any]]:
    """The images embedded in ``record``."""
    embed = record.get("embed") or {}
    return list(embed.get("images") or ()) if embed.get("$type") == "app.bsky.embed.images" else []


def film_of(record: Json) -> dict[str, Any] | None:
    """The embed with a film, if ``record`` has one."""
    embed = record.get("embed") or {}
    return dict(embed) if embed.get("$type") == "app.bsky.embed.video" else None


def files(record: Json) -> int:
    """How many pictures or films it shows."""
    return len(images_of(record)) or (1 if film_of(record) else 0)


def problems(record: Json) -> Iterator[str]:
    """What the lexicons forbid in the embed, in the order in which a server finds it."""
    images = images_of(record)
    yield from too_big("array", _MOST_IMAGES, len(images), "embed.images")
    for index, image in enumerate(images):
        path = f"embed.images[{index}]"
        yield from _missing(image, "alt", path)
        yield from _blob(image.get("image"), _IMAGE, f"{path}.image")
    film = film_of(record)
    if film is not None:
        yield from _film(film)


def _film(film: Json) -> Iterator[str]:
    yield from _blob(film.get("video"), _FILM, "embed.video")
    captions = film.get("captions") or ()
    yield from too_big("array", _MOST_CAPTIONS, len(captions), "embed.captions")
    for index, caption in enumerate(captions):
        path = f"embed.captions[{index}]"
        yield from _missing(caption, "lang", path)
        yield from _blob(caption.get("file"), _CAPTIONS, f"{path}.file")


def _missing(found: Json, key: str, path: str) -> Iterator[str]:
    if not isinstance(found.get(key), str):
        yield f'Missing required key "{key}" at $.record.{path}'


def _blob(blob: Any, kind: Kind, path: str) -> Iterator[str]:
    if not isinstance(blob, dict) or blob.get("$type") != "blob":
        yield f"Expected blob value type at $.record.{path}"
        return
    if not str(blob.get("mimeType")).startswith(kind.begins):
        yield f'Expected "{kind.accepts}" (got "{blob.get("mimeType")}") at $.record.{path}'
    yield from too_big("blob", kind.max_bytes, int(blob.get("size", 0)), path)


def too_big(what: str, maximum: int, got: int, path: str) -> Iterator[str]:
    """The lexicon's words about a thing of ``got`` at ``path``, if that is more than ``maximum``."""
    if got > maximum:
        yield f"{what} too big (maximum {maximum}, got {got}) at $.record.{path}"


def check_blobs(store: Store, account: str, record: Json) -> None:
    """Every file named in a record without :func:`problems` was uploaded by this account, and is what it says.

    Raises ``Unkept``.
    """
    for named in _named(record):
        ref = named["ref"]["$link"]
        blob = store.blob(ref, account)
        if blob is None:
            raise Unkept("BlobNotFound", f"Could not find blob: {ref}")
        if blob.mime != named["mimeType"]:
            raise Unkept("InvalidMimeType", f"Referenced MimeType does not match stored blob: {ref}")
        if blob.size != named["size"]:
            raise Unkept("InvalidSize", f"Size does not match stored blob: {ref}")


def _named(record: Json) -> Iterator[Json]:
    yield from (image["image"] for image in images_of(record))
    film = film_of(record)
    if film is not None:
        yield film["video"]
        yield from (caption["file"] for caption in film.get("captions") or ())
