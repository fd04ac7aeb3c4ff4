"""The actor that fetches files from their addresses: a shell, as those of :mod:`actors.delivery`."""

import dramatiq
from dramatiq.errors import Retry

from actors.delivery import should_retry
from app.courier import FETCH, lane
from app.ids import Id
from app.models import UPLOADS
from app.services.media import bringing

_LATER = 2_000
"""Milliseconds until a process that has its hands full is asked again, or another one in its place."""


@dramatiq.actor(actor_name=FETCH, queue_name=lane(UPLOADS), retry_when=should_retry, min_backoff=1_000, max_backoff=30_000)
async def fetch(media_id: str) -> None:
    """Begin to bring the file. The message is done with that: no slow server holds a thread that a large post may need."""
    if not await bringing.take(Id(media_id)):
        raise Retry(delay=_LATER)
