"""What stands below a post's text: pictures or one film, made of references to what was uploaded."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from atproto_client import models  # type: ignore[import-untyped]

from platforms.base import Captions, Media

Blob = Mapping[str, Any]
"""An upload as it is saved: ``cid``, ``mime`` and ``size``. The reference's own JSON has ``$`` names, which databases reserve."""
Blobs = Mapping[str, Blob]
"""Uploads by the id of their file, captions by :func:`captions_of`."""

_GIF = "gif"


def reference(blob: Any) -> dict[str, Any]:
    """A blob as a model has it, to be saved. Raises ``ValueError`` for one that JSON does not have."""
    if not blob.is_json_representation:
        raise ValueError("no link")
    return {"cid": blob.ref.link, "mime": blob.mime_type, "size": blob.size}


def captions_of(media: Media) -> Iterator[tuple[str, Captions]]:
    """The captions of a film, each with the name that its upload gets; a picture has none."""
    for number, one in enumerate(media.captions if media.facts.is_film else ()):
        yield f"{media.id}-captions-{number}", one


def embed(media: Sequence[Media], blobs: Blobs) -> Any:
    """The embed with ``media``; ``None`` without any. Raises ``ValueError`` for what no record can hold."""
    if not media:
        return None
    if not any(item.facts.is_film for item in media):
        return models.AppBskyEmbedImages.Main(images=[_image(item, blobs) for item in media])
    if len(media) > 1:
        raise ValueError("a film has no others beside it")
    return _film(media[0], blobs)


def _image(media: Media, blobs: Blobs) -> Any:
    return models.AppBskyEmbedImages.Image(alt=media.alt, image=_blob(blobs[media.id]), aspect_ratio=_shape(media))


def _film(media: Media, blobs: Blobs) -> Any:
    captions = [models.AppBskyEmbedVideo.Caption(lang=one.language, file=_blob(blobs[name])) for name, one in captions_of(media)]
    return models.AppBskyEmbedVideo.Main(
        video=_blob(blobs[media.id]),
        alt=media.alt or None,
        aspect_ratio=_shape(media),
        captions=captions or None,
        presentation=_GIF if media.facts.loops else None,
    )


def _shape(media: Media) -> Any:
    known = media.width > 0 and media.height > 0
    return models.AppBskyEmbedDefs.AspectRatio(width=media.width, height=media.height) if known else None


def _blob(blob: Blob) -> Any:
    link = models.blob_ref.IpldLink(link=blob["cid"])
    return models.blob_ref.BlobRef(mime_type=blob["mime"], size=blob["size"], ref=link)
