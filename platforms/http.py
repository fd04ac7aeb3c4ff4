"""The HTTP client every adapter uses: guarded against private hosts and endless answers, and clear about what was sent.

* :func:`open_client` resolves a host once and connects to the very address it checked, so DNS cannot change its mind in between.
* :func:`reading` and :func:`sending` turn httpx's exceptions into the error tree: a failure to *connect* proves that nothing was
  sent; any later failure of a mutation proves nothing at all.
"""

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import httpcore
import httpx

from platforms.errors import Misconfigured, TimedOut, Unavailable

USER_AGENT = "Carillon/0.1 (+https://github.com/carillon-social/carillon)"
CONNECT_TIMEOUT = 5.0
"""Seconds; a server that takes longer to accept a connection is treated as down."""
READ_TIMEOUT = 20.0
"""Seconds between two bytes of an answer. Shorter than the step limit, which is shorter than the lease (design §5)."""
MAX_ANSWER = 8 * 1024 * 1024
"""Bytes; the longest answer we ask for, a page of forty statuses, is well below one megabyte."""

_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")
"""All that IANA gives out for the public IPv6 internet (RFC 4291); Python calls some of the rest global too."""
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
"""IPv4 as an IPv6-only machine sees it (RFC 6052), private IPv4 included."""
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)


class HostRefused(httpx.ConnectError):
    """The address lies on this machine or in a private network, and the operator did not allow that."""


class AnswerTooLong(httpx.ReadError):
    """The answer did not end: somebody wants our memory."""


class _Transport(httpx.AsyncHTTPTransport):
    """httpx's own, but an answer ends after ``MAX_ANSWER`` bytes, and is not unpacked: a packed one could become anything."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await super().handle_async_request(request)
        response.headers.pop("Content-Encoding", None)
        response.stream = _Bounded(response.stream)
        return response


class _Bounded(httpx.AsyncByteStream):
    def __init__(self, inner: httpx.SyncByteStream | httpx.AsyncByteStream) -> None:
        if not isinstance(inner, httpx.AsyncByteStream):
            raise TypeError("an asynchronous transport answers with an asynchronous stream")
        self._inner = inner

    async def __aiter__(self) -> AsyncIterator[bytes]:
        left = MAX_ANSWER
        async for chunk in self._inner:
            left -= len(chunk)
            if left < 0:
                raise AnswerTooLong(f"more than {MAX_ANSWER} bytes")
            yield chunk

    async def aclose(self) -> None:
        await self._inner.aclose()


class _GuardedBackend(httpcore.AsyncNetworkBackend):
    """Resolves, checks and connects in one step; everything else is httpcore's own backend."""

    def __init__(self, allowed: frozenset[tuple[str, int]]) -> None:
        self._inner = httpcore.AnyIOBackend()
        self._allowed = allowed

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        address = host if (host, port) in self._allowed else await _public_address(host, port)
        return await self._inner.connect_tcp(address, port, timeout, local_address, socket_options)

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        raise httpcore.UnsupportedProtocol(f"no unix sockets: {path}")

    async def sleep(self, seconds: float) -> None:
        await self._inner.sleep(seconds)


async def _public_address(host: str, port: int) -> str:
    """The first address of ``host``, if all of them are public; one private address among them is refused too."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:  # UnicodeError: no label of a name may be empty or longer than 63 bytes
        raise httpcore.ConnectError(f"cannot resolve {host}") from error
    addresses = [str(entry[4][0]) for entry in found]
    if not addresses or not all(is_public(address) for address in addresses):
        raise HostRefused(f"{host} is on a private network")
    return addresses[0]


def is_public(address: str) -> bool:
    """Whether ``address`` is a global unicast address; IPv4 inside IPv6 is unpacked first (mapped, 6to4, NAT64)."""
    ip = ipaddress.ip_address(address.split("%", maxsplit=1)[0])
    if isinstance(ip, ipaddress.IPv6Address):
        ip = ip.ipv4_mapped or ip.sixtofour or _from_nat64(ip) or ip
    routed = isinstance(ip, ipaddress.IPv4Address) or ip in _GLOBAL_UNICAST
    return routed and ip.is_global and not ip.is_multicast


def _from_nat64(ip: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF) if ip in _NAT64 else None


def is_local(host: str) -> bool:
    """Whether ``host`` can only mean this machine or its network, where plain ``http`` shows a secret to nobody else."""
    try:
        return not is_public(str(ipaddress.ip_address(host)))
    except ValueError:
        return "." not in host or host.endswith(".localhost")


def open_client(
    *, allow_private: bool = False, allow: Iterable[str] = (), read_timeout: float = READ_TIMEOUT
) -> httpx.AsyncClient:
    """An HTTP client for adapters. Close it with ``aclose``.

    ``allow`` are origins that may be private all the same (the sandbox); ``allow_private`` switches the guard off.
    """
    transport = _Transport(retries=0)
    if not allow_private:
        # httpx has no public way to hand over a network backend, so its pool is replaced by an equal one that has ours.
        transport._pool = httpcore.AsyncConnectionPool(
            ssl_context=ssl.create_default_context(),
            max_connections=200,
            max_keepalive_connections=50,
            keepalive_expiry=15,
            network_backend=_GuardedBackend(frozenset(map(_host_port, allow))),
        )
    return httpx.AsyncClient(
        transport=transport,
        timeout=httpx.Timeout(read_timeout, connect=CONNECT_TIMEOUT),
        headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity"},
        follow_redirects=False,
        trust_env=False,
    )


def _host_port(origin: str) -> tuple[str, int]:
    parts = urlsplit(origin)
    return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


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
