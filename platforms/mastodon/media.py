"""Uploading a post's files, so that an interrupted attempt goes on where it stopped.

A server keeps an unattached upload for about a day, and older ones drop an unknown id from a post without a word.
So an id from an earlier attempt is looked up before it is used, and the file is sent again if the server lost it.
"""

from collections.abc import Awaitable, Callable, Sequence
from enum import Enum
from typing import Any

import httpx

from platforms.base import Checkpoint, Media, Session
from platforms.errors import MediaRejected, Unavailable
from platforms.http import reading
from platforms.mastodon.api import ENGLISH, bearer, fetch, odd_reply
from platforms.mastodon.errors import NAME, refused
from platforms.mastodon.reply import json_object, remote_id
from platforms.uploading import form

Sleep = Callable[[float], Awaitable[None]]

POLLS = 15
PAUSE = 2.0
"""Seconds between two polls; a server that needs longer than all of them is asked again by the next attempt."""

SAVED = "media"
"""Where the checkpoint keeps our media id → the server's media id."""


class State(Enum):
    """Of an upload, as the server tells it. ``GONE`` also means that it could not be processed."""

    READY = "ready"
    PROCESSING = "processing"
    GONE = "gone"


async def upload_all(session: Session, files: Sequence[Media], checkpoint: Checkpoint, *, sleep: Sleep) -> list[str]:
    """The server's ids of ``files``, every one of them ready to be attached. Raises ``PlatformError``."""
    ids: dict[str, str] = dict(checkpoint.saved.get(SAVED, {}))
    states: dict[str, State] = {}
    for media in files:
        state = await _state(session, ids[media.id]) if media.id in ids else State.GONE
        if state is State.GONE:
            ids[media.id], state = await _upload(session, media, checkpoint)
            await checkpoint.save(**{SAVED: dict(ids)})
        states[ids[media.id]] = state
    await _until_ready(session, states, sleep)
    return [ids[media.id] for media in files]


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
    if response.status_code in (httpx.codes.NOT_FOUND, httpx.codes.UNPROCESSABLE_ENTITY):
        return State.GONE
    if not response.is_success:
        raise refused(response, "read")
    return State.PROCESSING if response.status_code == httpx.codes.PARTIAL_CONTENT else State.READY


async def _until_ready(session: Session, states: dict[str, State], sleep: Sleep) -> None:
    for _ in range(POLLS):
        if State.PROCESSING not in states.values():
            break
        await sleep(PAUSE)
        for found in [found for found, state in states.items() if state is State.PROCESSING]:
            states[found] = await _state(session, found)
    if State.GONE in states.values():
        raise MediaRejected(NAME, "unprocessable", "The server could not process one of the files.")
    if State.PROCESSING in states.values():
        raise Unavailable(NAME, "media_processing", "The server is still processing the uploaded files.")
