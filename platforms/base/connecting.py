"""How an account is connected: what a person is asked, and what comes back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import httpx


@dataclass(frozen=True, slots=True)
class Field:
    """A question of the connect form. ``secret`` fields are never shown again; ``type`` is an HTML input type."""

    name: str
    label: str
    type: str = "text"
    placeholder: str = ""
    default: str = ""
    hint: str = ""
    secret: bool = False


@dataclass(frozen=True, slots=True)
class Connected:
    """A freshly connected account; ``tokens`` are sealed by the caller before they are stored."""

    server: str
    remote_id: str
    handle: str
    display_name: str
    avatar_url: str | None
    tokens: Mapping[str, str] = field(repr=False)
    limits: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Authorization:
    """A started OAuth flow: send the person to ``url``; keep ``secret`` (verifier) sealed until they come back."""

    url: str
    secret: Mapping[str, str] = field(repr=False)


class PasswordConnector(Protocol):
    """Connects with what the person types (Bluesky: server, handle and app password)."""

    fields: tuple[Field, ...]

    async def connect(self, http: httpx.AsyncClient, answers: Mapping[str, str]) -> Connected:
        """Sign in once. Raises ``Rejected`` for a wrong answer, ``Misconfigured`` for a refused host, ``Transient``."""
        ...


class OAuthConnector(Protocol):
    """Connects through the network's own consent page. ``app`` is our registration there, sealed and kept per server."""

    fields: tuple[Field, ...]

    async def register(
        self, http: httpx.AsyncClient, answers: Mapping[str, str], *, redirect_uri: str
    ) -> tuple[str, dict[str, str]]:
        """Normalise the answers to a server origin and register this installation there; returns ``(server, app)``."""
        ...

    def server(self, answers: Mapping[str, str]) -> str:
        """The server origin that ``answers`` name, without any I/O. Raises ``Rejected`` if it is no host name."""
        ...

    def authorize(self, server: str, app: Mapping[str, str], *, redirect_uri: str, state: str) -> Authorization:
        """The consent page's address with PKCE; ``state`` comes back untouched."""
        ...

    async def exchange(
        self,
        http: httpx.AsyncClient,
        server: str,
        app: Mapping[str, str],
        *,
        redirect_uri: str,
        secret: Mapping[str, str],
        code: str,
    ) -> Connected:
        """Turn the returned ``code`` into tokens. Raises ``Rejected`` for a used or foreign code, ``Transient``."""
        ...


Connector = PasswordConnector | OAuthConnector
