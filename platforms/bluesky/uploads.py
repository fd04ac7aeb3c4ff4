"""What a post needs on the server before its record is written: its files, and the captions of its film."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from platforms.base import Captions, Checkpoint, Media, Session, Waiting
from platforms.bluesky import lexicon, video
from platforms.bluesky.embeds import Blob, Blobs, captions_of
from platforms.bluesky.errors import PLATFORM
from platforms.bluesky.xrpc import Xrpc
from platforms.errors import Rejected, Unavailable

LOOK_AGAIN = timedelta(seconds=3)
"""Between two looks at the work on a film, which takes from some seconds to some minutes."""
_TOKEN_LASTS = timedelta(minutes=45)
"""Of the video service's token. It needs it once more when it has worked on the film. A server grants an hour; its clock is not
quite ours."""
_UPLOAD: str = lexicon.ids.ComAtprotoRepoUploadBlob
_LIMITS: str = lexicon.ids.AppBskyVideoGetUploadLimits
_VTT = "text/vtt"


async def upload(session: Session, server: Xrpc, media: Sequence[Media], checkpoint: Checkpoint) -> Blobs | Waiting:
    """Upload what no earlier attempt has uploaded; each one is saved before the next begins.

    A film comes after its captions, because it may have to be waited for. ``server`` is the account's own, with its token.
    """
    blobs: dict[str, Any] = dict(checkpoint.saved.get("blobs", {}))
    for item in media:
        for name, captions in captions_of(item):
            if name not in blobs:
                blobs[name] = await _captions(server, captions)
                await checkpoint.save(blobs=dict(blobs))
        if item.id not in blobs:
            found = await (_film(session, server, item, checkpoint) if item.facts.is_film else _picture(server, item, checkpoint))
            if isinstance(found, Waiting):
                return found
            blobs[item.id] = found
            await checkpoint.save(blobs=dict(blobs))
    return blobs


async def _captions(server: Xrpc, captions: Captions) -> Blob:
    return await server.procedure(_UPLOAD, lexicon.uploaded, captions.text.encode(), _VTT)


async def _picture(server: Xrpc, media: Media, checkpoint: Checkpoint) -> Blob:
    return await server.upload(_UPLOAD, lexicon.uploaded, media, checkpoint)


async def _film(session: Session, server: Xrpc, media: Media, checkpoint: Checkpoint) -> Blob | Waiting:
    """What the video service has made of a film, or that it is still at work. It is uploaded once, and then asked about."""
    jobs: dict[str, str] = dict(checkpoint.saved.get("jobs", {}))
    if media.id not in jobs:
        jobs[media.id] = await _begin(session, server, media, checkpoint)
        await checkpoint.save(jobs=dict(jobs))
    job_id = jobs.pop(media.id)
    try:
        job = await video.status(video.service(session), job_id)
    except Rejected as error:
        await checkpoint.save(jobs=jobs)
        message = "Bluesky has lost the video that was uploaded; it will be uploaded again."
        raise Unavailable(PLATFORM, error.code, message, status=error.status) from error
    if job.failure is not None:
        await checkpoint.save(jobs=jobs)
        raise job.failure
    return job.blob or Waiting(LOOK_AGAIN)


async def _begin(session: Session, server: Xrpc, media: Media, checkpoint: Checkpoint) -> str:
    """Upload a film to the video service; the id of its job."""
    service_did, server_did = (_did(where) for where in (video.address(session), session.server))
    await video.check(video.service(session, await _token(server, {"aud": service_did, "lxm": _LIMITS})))
    ends = int((datetime.now(UTC) + _TOKEN_LASTS).timestamp())
    token = await _token(server, {"aud": server_did, "lxm": _UPLOAD, "exp": str(ends)})
    return (await video.upload(video.service(session, token), session.remote_id, media, checkpoint)).id


async def _token(server: Xrpc, asked: Mapping[str, str]) -> str:
    return await server.query(lexicon.ids.ComAtprotoServerGetServiceAuth, lexicon.service_token, **asked)


def _did(address: str) -> str:
    """What a service at ``address`` is called in tokens; ports do not count."""
    return f"did:web:{httpx.URL(address).host}"
