"""Bluesky's video service: it works on a film for seconds or minutes, and then stores it on its account's own server.

There is one for all servers, self-hosted ones too: whoever uploads brings a token with which the service may store the film there
(documentation, *Uploading video*). The states and codes are those of the lexicons (app.bsky.video), the sentences those that
Bluesky's own app reads; what the service answers is not documented otherwise. So answers are read leniently.
"""

from dataclasses import dataclass
from typing import Any

from atproto_client import models  # type: ignore[import-untyped]

from platforms.base import Checkpoint, Media, Session
from platforms.bluesky import embeds, lexicon, video_errors
from platforms.bluesky.xrpc import Xrpc
from platforms.errors import PlatformError

SERVICE = "https://video.bsky.app"
_NAME = "video.mp4"
_LONGEST_ID = 200
"""Characters of a job's id; they have about twenty."""
_COMPLETED, _FAILED = "JOB_STATE_COMPLETED", "JOB_STATE_FAILED"
"""Whatever else a state is called, the work goes on (lexicon)."""
_ALREADY_THERE = frozenset({409})
"""The answer to a film that the service has: the job of the first time."""


def address(session: Session) -> str:
    """Where films of the account go. A sandbox, which says where its posts are shown, takes them itself: nothing leaves it."""
    return session.server if session.limits.get("web") else SERVICE


@dataclass(frozen=True, slots=True)
class Job:
    """The work on one film. ``blob`` is there if it ended well, ``failure`` if it did not; while it goes on neither."""

    id: str
    blob: embeds.Blob | None = None
    failure: PlatformError | None = None


async def check(server: Xrpc) -> None:
    """Raise if the account may not upload a film now: ``QuotaExhausted``, ``MediaRejected``, or that nobody could be asked.

    ``server`` is the service, with a token for this.
    """
    if refusal := await server.query(lexicon.ids.AppBskyVideoGetUploadLimits, _refusal):
        raise refusal


async def upload(server: Xrpc, did: str, media: Media, checkpoint: Checkpoint) -> Job:
    """Send a film. Sending it again is harmless, and brings the same job. Raises like :meth:`Xrpc.upload`."""
    nsid = lexicon.ids.AppBskyVideoUploadVideo
    return await server.upload(nsid, _begun, media, checkpoint, also=_ALREADY_THERE, did=did, name=_NAME)


async def status(server: Xrpc, job_id: str) -> Job:
    """How far it is. Raises ``Rejected`` if the service does not know it any more."""
    return await server.query(lexicon.ids.AppBskyVideoGetJobStatus, _job, jobId=job_id)


def service(session: Session, token: str | None = None) -> Xrpc:
    """The service, asked with ``token`` or as a stranger."""
    return Xrpc(session.http, address(session), token, refused=video_errors.refused)


# --- reading ----------------------------------------------------------------------------------------------------------


def _refusal(answer: Any) -> PlatformError | None:
    told = lexicon.json_object(answer)
    if not isinstance(told.get("canUpload"), bool):
        raise ValueError("no limits")
    return None if told["canUpload"] else video_errors.refused_because(_text(told, "error"), _text(told, "message"))


def _begun(answer: Any) -> Job:
    """Without the id of a job it is a refusal, whatever the status was (seen in Bluesky's app)."""
    told = _told(answer)
    if not told.get("jobId") and (told.get("error") or told.get("message")):
        raise video_errors.refused_because(_text(told, "error"), _text(told, "message"))
    return Job(_id(told))


def _job(answer: Any) -> Job:
    told = _told(answer)
    match _text(told, "state"):
        case "":
            raise ValueError("no state")
        case state if state == _COMPLETED:
            return Job(_id(told), blob=embeds.reference(models.blob_ref.BlobRef.model_validate(told.get("blob"))))
        case state if state == _FAILED:
            return Job(_id(told), failure=video_errors.failed(_text(told, "failureCode"), _text(told, "error")))
    return Job(_id(told))


def _told(answer: Any) -> dict[str, Any]:
    """The job, which the lexicon wraps and the service sometimes does not."""
    told = lexicon.json_object(answer)
    return lexicon.json_object(told.get("jobStatus", told))


def _id(told: dict[str, Any]) -> str:
    found = _text(told, "jobId")
    if not 0 < len(found) <= _LONGEST_ID:
        raise ValueError("no job")
    return found


def _text(told: dict[str, Any], name: str) -> str:
    value = told.get(name)
    return value if isinstance(value, str) else ""
