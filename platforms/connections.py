"""The connections of one HTTP client: where they lead, how long they are kept, and which of them may be used again.

Whatever goes wrong in here, nothing was sent. That is why everything it raises is one of httpx's errors about *connecting*, and
why nothing behind it raises one of them (:mod:`platforms.transport`).

aiohttp's connector does the work. What is changed, and has a test that would notice if a new aiohttp no longer asked for it:

* every host goes through our guard, IP addresses too, and there is no second cache of names;
* name, connection and TLS handshake have one time limit together, waiting for a free connection has its own;
* a kept connection on which something lies unread, an end or an answer that nobody asked for, is not used again.
"""

import asyncio
import select
import ssl
from collections.abc import Sequence
from functools import partial

import aiohttp
import httpx
from aiohttp.abc import ResolveResult
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.tracing import Trace

from platforms.hosts import Guard

KEPT = 15.0
"""Seconds a connection is kept without being used. Servers close theirs after five to 75 seconds."""


class Asked(aiohttp.ClientRequest):
    """A request that remembers whether its connection was a kept one."""

    kept = False


class Connector(aiohttp.TCPConnector):
    """Opens and keeps connections; at most ``connections`` are in use, and as many are kept beside them."""

    def __init__(self, guard: Guard, *, context: ssl.SSLContext, connections: int) -> None:
        super().__init__(resolver=guard, use_dns_cache=False, ssl=context, limit=connections, keepalive_timeout=KEPT)
        self._guard = guard
        self._resting: dict[ResponseHandler, bool] = {}

    async def connect(self, req: aiohttp.ClientRequest, traces: list[Trace], timeout: aiohttp.ClientTimeout) -> Connection:
        """A connection for one request, kept or new. ``timeout.connect`` is the time to wait for a free one."""
        while True:
            connection = await self._free(req, traces, timeout)
            protocol = connection.protocol
            if protocol is None:  # only for the type: this is so once it is released
                raise httpx.ConnectError("the connection was closed")
            kept = self._resting.pop(protocol, False)
            if kept and _spoiled(protocol):
                connection.close()
                continue
            if isinstance(req, Asked):
                req.kept = kept
            connection.add_callback(partial(self._rest, protocol))
            return connection

    async def _free(self, req: aiohttp.ClientRequest, traces: list[Trace], timeout: aiohttp.ClientTimeout) -> Connection:
        try:
            return await super().connect(req, traces, timeout)
        except TimeoutError as error:
            raise httpx.PoolTimeout("no connection became free") from error
        except aiohttp.ClientError as error:
            raise httpx.ConnectError("the client was closed") from error

    async def _create_connection(
        self, req: aiohttp.ClientRequest, traces: list[Trace], timeout: aiohttp.ClientTimeout
    ) -> ResponseHandler:
        """A new one, within ``timeout.sock_connect``; aiohttp would take that long for each address, and names besides."""
        try:
            async with asyncio.timeout(timeout.sock_connect):
                return await super()._create_connection(req, traces, timeout)
        except TimeoutError as error:
            raise httpx.ConnectTimeout(f"{req.host} took too long") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:  # UnicodeError is a ValueError: no such name can be
            raise httpx.ConnectError(f"cannot connect to {req.host}") from error

    async def _resolve_host(self, host: str, port: int, traces: Sequence[Trace] | None = None) -> list[ResolveResult]:  # noqa: ARG002
        """The checked addresses of every host; aiohttp would take one that looks like an address for what it says."""
        return await self._guard.resolve(host, port)

    def _rest(self, protocol: ResponseHandler) -> None:
        """Remember a connection that is not needed any more; there may be only so many, because files are counted too."""
        self._resting[protocol] = True
        if len(self._resting) > self.limit:
            self._resting = {one: True for one in self._resting if one.is_connected()}
        while len(self._resting) > self.limit:
            oldest = next(iter(self._resting))
            del self._resting[oldest]
            oldest.close()


def _spoiled(protocol: ResponseHandler) -> bool:
    """Whether something came while the connection was kept: then it has ended, or the next answer would not be the next."""
    if protocol.transport is None or protocol.should_close:
        return True
    poll = select.poll()
    poll.register(protocol.transport.get_extra_info("socket").fileno(), select.POLLIN)
    return bool(poll.poll(0))
