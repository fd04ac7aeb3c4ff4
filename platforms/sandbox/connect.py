"""Connecting accounts to the sandbox without a browser, by the very connectors a person would use."""

import httpx

from platforms import REGISTRY
from platforms.base import Adapter, Consent
from platforms.sandbox.networks import NETWORKS


async def connect_all(http: httpx.AsyncClient, base_url: str, *, handle: str = "you") -> list[tuple[str, Consent]]:
    """One account per network on the sandbox at ``base_url`` (``"http://127.0.0.1:8000/sandbox"``); raises ``PlatformError``.

    ``handle`` is a bare name; an account that does not exist yet comes into being. ``http`` must allow the sandbox's host.
    """
    return [(name, await connect(http, base_url, adapter, handle=handle)) for name, adapter in REGISTRY.items()]


async def connect(http: httpx.AsyncClient, base_url: str, adapter: Adapter, *, handle: str = "you") -> Consent:
    """The account ``handle`` on ``adapter``'s emulated network. Raises ``PlatformError``."""
    return await NETWORKS[adapter.name].connect(http, f"{base_url}/{adapter.name}", adapter.connector, handle=handle)
