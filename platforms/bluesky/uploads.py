"""What a post needs on the server before its record is written: its files, and the captions of its film."""

from collections.abc import Sequence
from typing import Any

from platforms.base import Captions, Checkpoint, Media
from platforms.bluesky import lexicon
from platforms.bluesky.embeds import Blob, Blobs, captions_of
from platforms.bluesky.xrpc import Xrpc

_UPLOAD = lexicon.ids.ComAtprotoRepoUploadBlob
_VTT = "text/vtt"


async def upload(server: Xrpc, media: Sequence[Media], checkpoint: Checkpoint) -> Blobs:
    """Upload what no earlier attempt has uploaded; each one is saved before the next begins."""
    blobs: dict[str, Any] = dict(checkpoint.saved.get("blobs", {}))
    for item in media:
        if item.id not in blobs:
            blobs[item.id] = await server.upload(_UPLOAD, lexicon.uploaded, item, checkpoint)
            await checkpoint.save(blobs=dict(blobs))
        for name, captions in captions_of(item):
            if name not in blobs:
                blobs[name] = await _captions(server, captions)
                await checkpoint.save(blobs=dict(blobs))
    return blobs


async def _captions(server: Xrpc, captions: Captions) -> Blob:
    return await server.procedure(_UPLOAD, lexicon.uploaded, captions.text.encode(), _VTT)
