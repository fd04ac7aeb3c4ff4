"""The guard of platforms/http.py: which addresses count as public, and that private ones are refused before any connection."""

from collections.abc import AsyncIterator

import httpx
import pytest

from platforms.errors import Misconfigured, Unavailable
from platforms.http import HostRefused, is_public, open_client, reading, sending
from platforms.resolving import Resolver

PRIVATE = {
    "loopback": "127.0.0.1",
    "loopback, not the usual one": "127.8.9.10",
    "this machine": "0.0.0.0",
    "private class A": "10.1.2.3",
    "private class B": "172.31.255.255",
    "private class C": "192.168.0.1",
    "link-local": "169.254.10.20",
    "the clouds' metadata service": "169.254.169.254",
    "carrier-grade NAT": "100.64.0.1",
    "carrier-grade NAT, last": "100.127.255.255",
    "documentation": "192.0.2.1",
    "benchmarks": "198.18.0.1",
    "multicast": "224.0.0.1",
    "broadcast": "255.255.255.255",
    "IPv6 loopback": "::1",
    "IPv6 unspecified": "::",
    "IPv6 link-local with a zone": "fe80::1%eth0",
    "IPv6 site-local": "fec0::1",
    "IPv6 unique local": "fd00::1",
    "IPv6 multicast": "ff02::1",
    "IPv6 documentation": "2001:db8::1",
    "IPv4-mapped loopback": "::ffff:127.0.0.1",
    "IPv4-mapped metadata service": "::ffff:a9fe:a9fe",
    "IPv4-compatible loopback": "::127.0.0.1",
    "6to4 of a private address": "2002:c0a8:0001::1",
    "NAT64 of loopback": "64:ff9b::127.0.0.1",
    "NAT64 of the metadata service": "64:ff9b::a9fe:a9fe",
    "local NAT64": "64:ff9b:1::8.8.8.8",
    "Teredo": "2001:0:4136:e378:8000:63bf:3fff:fdd2",
}
PUBLIC = {
    "IPv4": "93.184.216.34",
    "just outside private class B": "172.32.0.1",
    "just outside carrier-grade NAT": "100.128.0.1",
    "IPv6": "2606:4700::1111",
    "IPv4-mapped": "::ffff:93.184.216.34",
    "6to4": "2002:5db8:d822::1",
    "NAT64": "64:ff9b::93.184.216.34",
}


@pytest.mark.parametrize("address", PRIVATE.values(), ids=PRIVATE)
def test_private_addresses_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC.values(), ids=PUBLIC)
def test_public_addresses_are_public(address: str) -> None:
    assert is_public(address)


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with open_client() as opened:
        yield opened


# In unit tests a connection raises NetworkUsed, so a HostRefused here proves that none was tried.


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "169.254.169.254", "2130706433", "127.1"]
)
async def test_a_private_host_is_refused_before_any_connection(client: httpx.AsyncClient, host: str) -> None:
    with pytest.raises(HostRefused):
        await client.get(f"http://{host}/")


async def test_a_refused_host_is_the_operators_to_allow_whatever_was_asked(client: httpx.AsyncClient) -> None:
    with pytest.raises(Misconfigured) as refused, reading("sandbox"):
        await client.get("http://localhost/")
    assert refused.value.code == "host_refused"
    with pytest.raises(Misconfigured), sending("sandbox"):
        await client.post("http://localhost/")


async def test_the_allowed_origin_is_one_host_and_one_port() -> None:
    async with open_client(allow=["http://localhost:8001"]) as client:
        for other in ("http://localhost:8002/", "https://localhost/", "http://127.0.0.1:8001/"):
            with pytest.raises(HostRefused):
                await client.get(other)


@pytest.mark.parametrize("addresses", [["93.184.216.34", "10.0.0.1"], []], ids=["one private among public ones", "none"])
async def test_a_name_must_have_addresses_and_only_public_ones(addresses: list[str]) -> None:
    async with open_client(resolver=Resolver(lambda _: addresses)) as client:
        with pytest.raises(HostRefused):
            await client.get("http://social.example/")


@pytest.mark.parametrize("host", [f"{'a' * 64}.example", "a..example"], ids=["a label too long", "an empty label"])
async def test_a_name_that_no_resolver_takes_cannot_be_reached(client: httpx.AsyncClient, host: str) -> None:
    with pytest.raises(Unavailable), reading("belfry"):
        await client.get(f"http://{host}/")
