"""What a server has seen people do with a status; of what other servers saw it knows what they told it."""

from collections.abc import Sequence

import httpx

from platforms.base import Metrics, Session, counted
from platforms.mastodon.api import fetch
from platforms.mastodon.errors import refused
from platforms.mastodon.reply import json_object, remote_id

_NAMES = {"likes": "favourites_count", "reposts": "reblogs_count", "replies": "replies_count", "quotes": "quotes_count"}


async def read_metrics(session: Session, remote_ids: Sequence[str]) -> dict[str, Metrics]:
    """One request for each status: all at once can only be asked for since 4.3, and not of other software.

    A token may make 300 in five minutes (documentation, api/rate-limits). Raises ``PlatformError``.
    """
    found = {}
    for status_id in remote_ids:
        if (metrics := await _of(session, status_id)) is not None:
            found[status_id] = metrics
    return found


async def _of(session: Session, status_id: str) -> Metrics | None:
    response = await fetch(session, f"/api/v1/statuses/{status_id}")
    if response.status_code in (httpx.codes.NOT_FOUND, httpx.codes.GONE):
        return None
    if not response.is_success:
        raise refused(response, "read")
    status = json_object(response)
    if remote_id(status) != status_id:
        return None
    return Metrics(**{ours: counted(status.get(name)) for ours, name in _NAMES.items()})
