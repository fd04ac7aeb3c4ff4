"""Uploading a post's files, so that an interrupted attempt goes on where it stopped.

A server keeps an unattached upload for about a day, and older ones drop an unknown id from a post without a word.
So an id from an earlier attempt is looked up before it is used, and the file is sent again if the server lost it.
"""

from collections.abc import Sequence
from datetime import timedelta
from enum import Enum
from typing import Any

import httpx

from platforms.base import Checkpoint, Media, Session, Waiting
from platforms.errors import MediaRejected
from platforms.http import reading
from platforms.mastodon.api import ENGLISH, bearer, fetch, odd_reply
from platforms.mastodon.errors import NAME, refused
from platforms.mastodon.reply import json_object, remote_id
from platforms.uploading import form

LOOK_AGAIN = timedelta(seconds=2)
"""A server turns GIFs and films into others first. Pictures are ready at once."""

SAVED = "media"
"""Where the checkpoint keeps our media id → the server's media id."""


class State(Enum):
    """Of an upload, as the server tells it. ``GONE``: it does not know it, or not any more."""

    READY = "ready"
    PROCESSING = "processing"
    BROKEN = "broken"
    GONE = "gone"


async def upload_all(session: Session, files: Sequence[Media], checkpoint: Checkpoint) -> list[str] | Waiting:
    """The server's ids of ``files``, all of them ready to be attached, or when to ask again. Raises ``PlatformError``."""
    ids: dict[str, str] = dict(checkpoint.saved.get(SAVED, {}))
    states = []
    for media in files:
        state = await _state(session, ids[media.id]) if media.id in ids else State.GONE
        if state is State.GONE:
            ids[media.id], state = await _upload(session, media, checkpoint)
            await checkpoint.save(**{SAVED: dict(ids)})
        if state is State.BROKEN:
            await checkpoint.save(**{SAVED: {known: found for known, found in ids.items() if known != media.id}})
            raise MediaRejected(NAME, "unprocessable", "The server could not process one of the files.")
        states.append(state)
    return Waiting(LOOK_AGAIN) if State.PROCESSING in states else [ids[media.id] for media in files]


async def _upload(session: Session, media: Media, checkpoint: Checkpoint) -> tuple[str, State]:
    """Send one file. Nobody sees it until it is attached, so a failed upload may simply be repeated."""
    sent = form(media, {"description": media.alt} if media.alt else {}, checkpoint)
    with reading(NAME):
        response = await session.http.post(
            f"{session.server}/api/v2/media",
            params=ENGLISH,
            headers={**bearer(session.tokens["access"]), **sent.headers},
            content=sent.content,
        )
    if not response.is_success:
        raise refused(response, "upload")
    uploaded = json_object(response)
    found = remote_id(uploaded)
    if found is None:
        raise odd_reply(response)
    return found, _uploaded_state(response, uploaded)


def _uploaded_state(response: httpx.Response, uploaded: dict[str, Any]) -> State:
    accepted = response.status_code == httpx.codes.ACCEPTED
    return State.PROCESSING if accepted or not uploaded.get("url") else State.READY


async def _state(session: Session, found: str) -> State:
    """Raises ``PlatformError`` if the server could not be asked."""
    response = await fetch(session, f"/api/v1/media/{found}")
    told = _TOLD.get(response.status_code)
    if told is None and not response.is_success:
        raise refused(response, "read")
    return told or State.READY


_TOLD: dict[int, State] = {
    httpx.codes.PARTIAL_CONTENT: State.PROCESSING,
    httpx.codes.UNPROCESSABLE_ENTITY: State.BROKEN,
    httpx.codes.NOT_FOUND: State.GONE,
}
