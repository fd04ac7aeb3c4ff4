"""The parts of one running process: settings, HTTP client, seals, storage, courier. Made once, found by :func:`current`."""

import logging
import secrets
import socket
from dataclasses import dataclass

import httpx

from app import database, pictures
from app.courier import Courier
from app.sealing import Sealer
from app.settings import Settings
from app.storage import Storage, open_storage
from platforms.http import CONNECTIONS, open_client

CONNECTING = 32
"""Connections for what is not a publication."""


@dataclass(frozen=True, slots=True)
class Runtime:
    """``name`` identifies this process in attempts; ``setup_token`` is asked for before the first owner exists.

    ``connecting`` asks servers that nobody knows yet, and those that can wait: however slow they are, ``http`` is for publishing.
    """

    settings: Settings
    client: database.Client
    http: httpx.AsyncClient
    connecting: httpx.AsyncClient
    sealer: Sealer
    storage: Storage
    courier: Courier
    setup_token: str
    name: str


_current: Runtime | None = None


def current() -> Runtime:
    """The running process's parts. Raises ``RuntimeError`` before :func:`start`."""
    if _current is None:
        raise RuntimeError("the runtime is not started")
    return _current


def started() -> bool:
    """Whether :func:`start` was called and :func:`stop` was not."""
    return _current is not None


async def start(settings: Settings, courier: Courier, *, name: str | None = None) -> Runtime:
    """Connect everything; call once per process, on the event loop that will do the work."""
    global _current  # noqa: PLW0603
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it would log the address of every request
    pictures.begin()
    given = settings.setup_token
    _current = Runtime(
        settings=settings,
        client=await database.connect(settings.mongodb_url.get_secret_value()),
        http=_open_client(settings, CONNECTIONS),
        connecting=_open_client(settings, CONNECTING),
        sealer=Sealer(settings.secret_key.get_secret_value()),
        storage=open_storage(settings),
        courier=courier,
        setup_token=given.get_secret_value() if given else secrets.token_urlsafe(16),
        name=name or f"{socket.gethostname()}-{secrets.token_hex(3)}",
    )
    return _current


def _open_client(settings: Settings, connections: int) -> httpx.AsyncClient:
    return open_client(
        allow_private=settings.allow_private_hosts,
        allow=[settings.sandbox_url] if settings.sandbox_url else [],
        read_timeout=settings.http_timeout,
        connections=connections,
    )


async def stop() -> None:
    """Close what :func:`start` opened."""
    global _current
    if _current is None:
        return
    parts, _current = _current, None
    parts.courier.close()
    await parts.http.aclose()
    await parts.connecting.aclose()
    await parts.client.close()
