"""The HTTP client every adapter uses: guarded against private hosts and endless answers, and clear about what was sent.

* :func:`open_client` resolves a host once and connects to the very address it checked (:mod:`platforms.hosts`).
* A client keeps nothing of what servers say: no cookies, which would be sent for another tenant's account on the same server.
* A ``GET`` is repeated, at once and once, when the server had closed the kept connection it was sent on; nothing else ever is.
* :func:`reading` and :func:`sending` turn httpx's exceptions into the error tree: a failure to *connect* proves that nothing was
  sent; any later failure of a mutation proves nothing at all (:mod:`platforms.transport`).
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import httpx

from platforms.errors import Misconfigured, TimedOut, Unavailable
from platforms.hosts import Guard, HostRefused, is_local, is_public
from platforms.resolving import Resolver
from platforms.transport import LONGEST, AnswerTooLong, Transport

__all__ = [
    "CONNECTIONS",
    "LONGEST",
    "AnswerTooLong",
    "HostRefused",
    "is_local",
    "is_public",
    "open_client",
    "reading",
    "sending",
    "warm",
]

USER_AGENT = "Carillon/0.1 (+https://github.com/carillon-social/carillon)"
CONNECT_TIMEOUT = 5.0
"""Seconds; a server whose name and connection together take longer is treated as down."""
READ_TIMEOUT = 20.0
"""Seconds between two bytes of an answer. Shorter than the step limit, which is shorter than the lease (design §5)."""
CONNECTIONS = 500
"""How many requests one client sends at once at most. Opened ahead or kept after use there may be as many connections again."""

_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)


class _NoCookies(httpx.Cookies):
    """Stays empty. A jar that refuses all cookies does too, but looking at every answer takes a sixth of a request's time."""

    def extract_cookies(self, response: httpx.Response) -> None:
        """Called with every answer."""


class _Client(httpx.AsyncClient):
    """httpx's, which keeps its transport to itself, and ours, which can do more."""

    def __init__(self, ahead: Transport, timeout: httpx.Timeout) -> None:
        super().__init__(
            transport=ahead,
            timeout=timeout,
            headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity"},
            follow_redirects=False,
            trust_env=False,
        )
        self.ahead = ahead
        self._none = _NoCookies()

    @property
    def cookies(self) -> httpx.Cookies:
        """Always none."""
        return self._none

    @cookies.setter
    def cookies(self, cookies: object) -> None:  # noqa: ARG002
        raise TypeError("this client has no cookies")


def open_client(
    *,
    allow_private: bool = False,
    allow: Iterable[str] = (),
    read_timeout: float = READ_TIMEOUT,
    connections: int = CONNECTIONS,
    resolver: Resolver | None = None,
) -> httpx.AsyncClient:
    """An HTTP client for adapters, for one event loop. Close it with ``aclose``.

    ``allow`` are origins that may be private all the same (the sandbox); ``allow_private`` switches the guard off.
    """
    guard = Guard(resolver or Resolver(), allow=allow, allow_private=allow_private)
    return _Client(Transport(guard, connections=connections), httpx.Timeout(read_timeout, connect=CONNECT_TIMEOUT))


async def warm(client: httpx.AsyncClient, url: str, *, connections: int = 1) -> None:
    """Open ``connections`` to the server of ``url``, unless they are there, so that the next requests need not. Nothing is sent.

    They are kept as long as connections are after a request. Raises ``httpx.TransportError``: put :func:`reading` around it.
    Does nothing for a client that :func:`open_client` did not open.
    """
    if isinstance(client, _Client):
        await client.ahead.warm(httpx.URL(url), connections=connections, timeout=CONNECT_TIMEOUT)


@contextmanager
def reading(platform: str) -> Iterator[None]:
    """Around a request that changes nothing visible: every transport failure is ``Unavailable``."""
    try:
        yield
    except HostRefused as error:
        raise _refused(platform) from error
    except httpx.HTTPError as error:
        raise Unavailable(platform, "unreachable", _sentence(error)) from error


@contextmanager
def sending(platform: str) -> Iterator[None]:
    """Around the visible mutation: only a failure to connect proves that nothing was sent."""
    try:
        yield
    except HostRefused as error:
        raise _refused(platform) from error
    except _NOT_SENT as error:
        raise Unavailable(platform, "unreachable", _sentence(error)) from error
    except httpx.HTTPError as error:
        raise TimedOut(platform, "no_answer", "The connection broke before the network answered.") from error


def _refused(platform: str) -> Misconfigured:
    return Misconfigured(
        platform,
        "host_refused",
        "This server is on a private network. The operator can allow that with CARILLON_ALLOW_PRIVATE_HOSTS=1.",
    )


def _sentence(error: httpx.HTTPError) -> str:
    if isinstance(error, httpx.TimeoutException):
        return "The server did not answer in time."
    return "The server could not be reached."
