"""Connections to servers that will be asked in a moment are opened ahead, so that at the due instant only requests are left."""

import asyncio
import logging
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta

from app import runtime
from app.engine import access
from app.models import Account, Delivery, now
from platforms.errors import PlatformError
from platforms.http import CONNECTIONS, reading, warm

log = logging.getLogger(__name__)

WORTH_IT = timedelta(seconds=0.2)
"""What is due sooner opens its connection itself."""

_wanted: Counter[tuple[str, datetime]] = Counter()
_tasks: set[asyncio.Task[None]] = set()


def begin(fenced: Iterable[tuple[Delivery, Account]]) -> None:
    """Open one connection for each, in the background. A server that cannot be reached is found out by the request."""
    touched = Counter(_keys((delivery, account) for delivery, account in fenced if delivery.due_at - now() > WORTH_IT))
    for past in [key for key in _wanted if key[1] <= now()]:
        del _wanted[past]
    _wanted.update(touched)
    for server, due_at in touched:
        task = asyncio.create_task(_open(server, min(_wanted[server, due_at], CONNECTIONS)), name="warming")
        _tasks.add(task)
        task.add_done_callback(_tasks.discard)


def _keys(soon: Iterable[tuple[Delivery, Account]]) -> Iterator[tuple[str, datetime]]:
    for delivery, account in soon:
        with suppress(PlatformError):  # there is no sandbox any more
            yield access.server_of(account), delivery.due_at


async def _open(server: str, number: int) -> None:
    try:
        with reading(server):
            await warm(runtime.current().http, server, connections=number)
    except PlatformError as error:
        log.info("no connection to %s ahead of time: %s", server, error.message)
