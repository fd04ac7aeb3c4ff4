"""Which hosts may be spoken to: a host is looked up once, all its addresses are checked, and only those are connected to.

So nobody can make this machine ask its own network, and DNS cannot change its mind between the check and the connection.
"""

import ipaddress
import socket
from collections.abc import Iterable
from urllib.parse import urlsplit

import httpx
from aiohttp.abc import AbstractResolver, ResolveResult

from platforms.resolving import Resolver

_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")
"""All that IANA gives out for the public IPv6 internet (RFC 4291); Python calls some of the rest global too."""
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
"""IPv4 as an IPv6-only machine sees it (RFC 6052), private IPv4 included."""


class HostRefused(httpx.ConnectError):
    """The address lies on this machine or in a private network, and the operator did not allow that."""


class Guard(AbstractResolver):
    """Gives out the addresses of a host if it has any and all are public; one private address among them is refused too.

    ``allow`` are origins that may be private all the same; ``allow_private`` allows all.
    """

    def __init__(self, resolver: Resolver, *, allow: Iterable[str] = (), allow_private: bool = False) -> None:
        self._resolver = resolver
        self._allowed = None if allow_private else frozenset(map(_host_port, allow))

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC) -> list[ResolveResult]:
        """The checked addresses. Raises ``HostRefused``, ``TimeoutError``, another ``OSError``, or ``UnicodeError``."""
        found = await self._resolver.addresses(host)
        allowed = self._allowed is None or (host, port) in self._allowed
        if not found or not (allowed or all(map(is_public, found))):
            raise HostRefused(f"{host} is on a private network")
        return [ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=0) for address in found]

    async def close(self) -> None:
        """Nothing to close: lookups that are under way end by themselves."""


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


def _host_port(origin: str) -> tuple[str, int]:
    parts = urlsplit(origin)
    return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
