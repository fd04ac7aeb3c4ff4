"""The HTTP client every adapter uses: guarded against private hosts and endless answers, and clear about what was sent.

* :func:`open_client` resolves a host once and connects to the very address it checked, so DNS cannot change its mind in between.
* A client keeps nothing of what servers say: no cookies, which would be sent for another tenant's account on the same server.
* A ``GET`` is repeated, at once and once, when the server had closed the kept connection it was sent on; nothing else ever is.
* :func:`reading` and :func:`sending` turn httpx's exceptions into the error tree: a failure to *connect* proves that nothing was
  sent; any later failure of a mutation proves nothing at all.
"""

import asyncio
import ipaddress
import ssl
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import contextmanager, suppress
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any
from urllib.parse import urlsplit

import httpcore
import httpx

from platforms.errors import Misconfigured, TimedOut, Unavailable
from platforms.resolving import Resolver

USER_AGENT = "Carillon/0.1 (+https://github.com/carillon-social/carillon)"
CONNECT_TIMEOUT = 5.0
"""Seconds; a server whose name and connection together take longer is treated as down."""
READ_TIMEOUT = 20.0
"""Seconds between two bytes of an answer. Shorter than the step limit, which is shorter than the lease (design §5)."""
MAX_ANSWER = 8 * 1024 * 1024
"""Bytes; the longest answer we ask for, a page of forty statuses, is well below one megabyte."""

CONNECTIONS = 200
"""How many connections one client has at most."""

_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")
"""All that IANA gives out for the public IPv6 internet (RFC 4291); Python calls some of the rest global too."""
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
"""IPv4 as an IPv6-only machine sees it (RFC 6052), private IPv4 included."""
_CLOSED = (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError)
_CONNECTING = "connection.connect_tcp.started"
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)


class HostRefused(httpx.ConnectError):
    """The address lies on this machine or in a private network, and the operator did not allow that."""


class AnswerTooLong(httpx.ReadError):
    """The answer did not end: somebody wants our memory."""


class _Transport(httpx.AsyncHTTPTransport):
    """httpx's own, but an answer ends after ``MAX_ANSWER`` bytes, and is not unpacked: a packed one could become anything."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await self._repeated(request) if request.method == "GET" else await super().handle_async_request(request)
        response.headers.pop("Content-Encoding", None)
        response.stream = _Bounded(response.stream)
        return response

    async def _repeated(self, request: httpx.Request) -> httpx.Response:
        """A server may close a kept connection in the moment we use it. What only reads is then asked once more."""
        steps: set[str] = set()

        async def note(step: str, _: Any) -> None:
            steps.add(step)

        request.extensions = {**request.extensions, "trace": note}
        try:
            return await super().handle_async_request(request)
        except _CLOSED:
            if _CONNECTING in steps:  # it answered a new connection like this: that is how it is today
                raise
        return await super().handle_async_request(request)


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
    """Resolves, checks and connects in one step and one time limit; everything else is httpcore's own backend.

    ``allowed`` are hosts and ports that may be private; ``None`` allows all.
    """

    def __init__(self, resolver: Resolver, allowed: frozenset[tuple[str, int]] | None) -> None:
        self._inner = httpcore.AnyIOBackend()
        self._resolver = resolver
        self._allowed = allowed

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        try:
            async with asyncio.timeout(timeout):
                addresses = await self._addresses(host, port)
                for address in addresses[:-1]:
                    with suppress(httpcore.ConnectError):
                        return await self._inner.connect_tcp(address, port, None, local_address, socket_options)
                return await self._inner.connect_tcp(addresses[-1], port, None, local_address, socket_options)
        except TimeoutError as error:
            raise httpcore.ConnectTimeout(f"{host} took too long") from error

    async def _addresses(self, host: str, port: int) -> list[str]:
        """The addresses of ``host``, if it has any and all are public; one private address among them is refused too."""
        try:
            found = await self._resolver.addresses(host)
        except TimeoutError:
            raise
        except (OSError, UnicodeError) as error:  # UnicodeError: no label of a name may be empty or longer than 63 bytes
            raise httpcore.ConnectError(f"cannot resolve {host}") from error
        allowed = self._allowed is None or (host, port) in self._allowed
        if not found or not (allowed or all(map(is_public, found))):
            raise HostRefused(f"{host} is on a private network")
        return found

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        raise httpcore.UnsupportedProtocol(f"no unix sockets: {path}")

    async def sleep(self, seconds: float) -> None:
        await self._inner.sleep(seconds)


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
    *,
    allow_private: bool = False,
    allow: Iterable[str] = (),
    read_timeout: float = READ_TIMEOUT,
    connections: int = CONNECTIONS,
    resolver: Resolver | None = None,
) -> httpx.AsyncClient:
    """An HTTP client for adapters. Close it with ``aclose``.

    ``allow`` are origins that may be private all the same (the sandbox); ``allow_private`` switches the guard off.
    """
    context = ssl.create_default_context()
    transport = _Transport(verify=context)
    # httpx has no public way to hand over a network backend, so its pool is replaced by an equal one that has ours.
    transport._pool = httpcore.AsyncConnectionPool(
        ssl_context=context,
        max_connections=connections,
        max_keepalive_connections=connections // 4,
        keepalive_expiry=15,
        network_backend=_GuardedBackend(resolver or Resolver(), None if allow_private else frozenset(map(_host_port, allow))),
    )
    return httpx.AsyncClient(
        transport=transport,
        timeout=httpx.Timeout(read_timeout, connect=CONNECT_TIMEOUT),
        headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity"},
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
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
