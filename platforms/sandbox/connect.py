"""Connecting accounts to the sandbox without a browser, by the very connectors a person would use."""

from collections.abc import Mapping
from typing import cast

import httpx

from platforms import REGISTRY
from platforms.base import Adapter, Consent, Field, PasswordConnector, RegisteringConnector
from platforms.sandbox.context import DOMAIN, PASSWORD


async def connect_all(http: httpx.AsyncClient, base_url: str, *, handle: str = "you") -> list[tuple[str, Consent]]:
    """One account per network on the sandbox at ``base_url`` (``"http://127.0.0.1:8000/sandbox"``); raises ``PlatformError``.

    ``handle`` is a bare name; an account that does not exist yet comes into being. ``http`` must allow the sandbox's host.
    """
    return [(name, await connect(http, base_url, adapter, handle=handle)) for name, adapter in REGISTRY.items()]


async def connect(http: httpx.AsyncClient, base_url: str, adapter: Adapter, *, handle: str = "you") -> Consent:
    """The account ``handle`` on ``adapter``'s emulated network. Raises ``PlatformError``."""
    connector = adapter.connector
    answers = {field.name: _answer(field, f"{base_url}/{adapter.name}", handle) for field in connector.fields}
    if hasattr(connector, "connect"):
        return await cast(PasswordConnector, connector).connect(http, answers)
    return await _consent(cast(RegisteringConnector, connector), http, answers, redirect_uri=f"{base_url}/", handle=handle)


def _answer(field: Field, server: str, handle: str) -> str:
    if field.secret:
        return PASSWORD
    return server if field.name == "server" else handle + DOMAIN


async def _consent(
    connector: RegisteringConnector, http: httpx.AsyncClient, answers: Mapping[str, str], *, redirect_uri: str, handle: str
) -> Consent:
    """Register, open the consent page, press *Allow*, and take along what it sends the browser back with."""
    server, app = await connector.register(http, answers, redirect_uri=redirect_uri)
    started = await connector.begin(http, server, app, answers=answers, redirect_uri=redirect_uri, state="sandbox")
    page = httpx.URL(started.url)
    allowed = await http.post(page.copy_with(query=None), data={**page.params, "username": handle})
    query = dict(httpx.URL(allowed.headers["location"]).params)
    return await connector.exchange(http, server, app, redirect_uri=redirect_uri, secret=started.secret, query=query)
