"""How an account is connected: what a person and the operator are asked, and what comes back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
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
class Tokens:
    """What a consent, or a renewal, gives: all that is to be kept, so also what did not change (YouTube gives no new refresh
    token, Facebook one token for each page). Never logged; sealed by the caller before they are stored.

    From ``refresh_at`` on they are renewed before they are used, and a day later even if nobody uses them: choose it early enough
    (X and Bluesky 2 h, YouTube 1 h, Tumblr 42 min: some minutes before; Threads and Instagram 60 days: a week before).
    ``None``: nothing renews them by itself. At ``expires_at`` only a person can help (LinkedIn's 60 days, Bluesky's refresh
    token); they are told some days before if nothing renews them. ``None``: never, or nobody knows.
    """

    values: Mapping[str, str] = field(repr=False)
    expires_at: datetime | None = None
    refresh_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A profile that a consent covers, and that may become an account."""

    remote_id: str
    handle: str
    display_name: str
    avatar_url: str | None
    limits: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Consent:
    """What a person has agreed to: ``subject`` is who they are there, by the network's own id, and ``candidates`` what they may
    publish to (Facebook: pages; LinkedIn: themselves and organisations; Tumblr: blogs; Instagram: accounts; others: themselves).

    One candidate is connected at once, of several the person chooses. All that are chosen share the tokens, and are renewed
    together. None at all: the person is told.
    """

    server: str
    subject: str
    tokens: Tokens
    candidates: tuple[Candidate, ...]


@dataclass(frozen=True, slots=True)
class Authorization:
    """A started OAuth flow: send the person to ``url``; keep ``secret`` sealed until they come back (the verifier of PKCE, the
    secret of a request token, the key of DPoP)."""

    url: str
    secret: Mapping[str, str] = field(repr=False)


class PasswordConnector(Protocol):
    """Connects with what the person types (Bluesky: server, handle and app password)."""

    fields: tuple[Field, ...]
    app_fields: tuple[Field, ...]

    async def connect(self, http: httpx.AsyncClient, answers: Mapping[str, str]) -> Consent:
        """Sign in once. Raises ``Rejected`` for a wrong answer, ``Misconfigured`` for a refused host, ``Transient``."""
        ...


class OAuthConnector(Protocol):
    """Connects through the network's own consent page, as an app that is known there.

    ``app`` is that registration. Where ``app_fields`` are not empty it is the operator's, who made it by hand and gave it to the
    installation (Meta's networks, LinkedIn, YouTube, X, Tumblr). Otherwise the connector is a :class:`RegisteringConnector`, or
    needs none and gets an empty one (Bluesky, which reads about us at our own address).
    """

    fields: tuple[Field, ...]
    app_fields: tuple[Field, ...]

    def server(self, answers: Mapping[str, str]) -> str:
        """The server origin that ``answers`` name, without any I/O. Raises ``Rejected`` if it is no host name."""
        ...

    async def begin(
        self,
        http: httpx.AsyncClient,
        server: str,
        app: Mapping[str, str],
        *,
        answers: Mapping[str, str],
        redirect_uri: str,
        state: str,
    ) -> Authorization:
        """The consent page's address. May ask the server first (OAuth 1.0a: a request token; Bluesky: PAR for a handle, which
        ``answers`` holds).

        ``state`` must come back as the parameter of that name; a network that does not return it gets it as part of the
        address to return to (OAuth 1.0a). Raises ``Rejected``, ``Misconfigured`` if the server does not know ``app``,
        ``Transient``.
        """
        ...

    async def exchange(
        self,
        http: httpx.AsyncClient,
        server: str,
        app: Mapping[str, str],
        *,
        redirect_uri: str,
        secret: Mapping[str, str],
        query: Mapping[str, str],
    ) -> Consent:
        """Turn what the person came back with into tokens, and find out what they may publish to.

        ``query`` are all parameters of the address they came back to: a code, or a refusal with its reason (``error``,
        ``error_reason``), ``iss``, ``oauth_verifier``. Raises ``Rejected`` for a refusal and for a used or foreign code,
        ``ScopeMissing`` if the person unticked what is needed, ``Misconfigured`` if the server does not know ``app``,
        ``Transient``.
        """
        ...


class RegisteringConnector(OAuthConnector, Protocol):
    """Makes its own registration on each server (Mastodon); it is sealed and kept per server and address to return to."""

    async def register(
        self, http: httpx.AsyncClient, answers: Mapping[str, str], *, redirect_uri: str
    ) -> tuple[str, dict[str, str]]:
        """Normalise the answers to a server origin and register this installation there; returns ``(server, app)``."""
        ...


Connector = PasswordConnector | OAuthConnector
