"""Connecting an account of the foundry: a name and a password."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from platforms.base import Candidate, Consent, Field, Tokens
from platforms.errors import Rejected
from platforms.http import reading
from tests.twin.errors import NAME, json_object, refused

EARLY = timedelta(days=7)


class Password:
    """See :class:`platforms.base.PasswordConnector`."""

    app_fields: tuple[Field, ...] = ()
    fields: tuple[Field, ...] = (
        Field("server", "Server", type="url"),
        Field("name", "Name"),
        Field("password", "Password", type="password", secret=True),
    )

    async def connect(self, http: httpx.AsyncClient, answers: Mapping[str, str]) -> Consent:
        """Sign in once."""
        server = answers.get("server", "").strip().rstrip("/")
        if not server.startswith(("http://", "https://")):
            raise Rejected(NAME, "no_server", "This is not the address of a foundry.")
        sent = {name: answers.get(name, "") for name in ("name", "password")}
        with reading(NAME):
            response = await http.post(f"{server}/v1/tokens", json=sent)
        found = _understood(response)
        tokens, name = _tokens(found), str(found.get("name", ""))
        limits = await read_limits(http, server, tokens.values["access"])
        profile = Candidate(str(found.get("id", "")), name, name.title(), None, limits)
        return Consent(server, profile.remote_id, tokens, (profile,))


async def read_limits(http: httpx.AsyncClient, server: str, access: str) -> dict[str, Any]:
    """``daily``: how many posts the account may publish on one day."""
    with reading(NAME):
        response = await http.get(f"{server}/v1/quota", headers=bearer(access))
    total = _understood(response).get("total")
    return {"daily": total} if isinstance(total, int) and total > 0 else {}


async def renew(http: httpx.AsyncClient, server: str, access: str) -> Tokens:
    """A token that lasts longer. Raises ``ReconnectNeeded`` when the old one has run out."""
    with reading(NAME):
        response = await http.post(f"{server}/v1/tokens/renew", headers=bearer(access))
    return _tokens(_understood(response))


def _tokens(found: Mapping[str, Any]) -> Tokens:
    """Renewed a week before its end, because after it nothing but a person can."""
    expires_at = datetime.fromisoformat(str(found["expires_at"]))
    return Tokens({"access": str(found["access"])}, expires_at=expires_at, refresh_at=expires_at - EARLY)


def bearer(access: str) -> dict[str, str]:
    """The header that signs a request."""
    return {"Authorization": f"Bearer {access}"}


def _understood(response: httpx.Response) -> dict[str, Any]:
    if not response.is_success:
        raise refused(response, sent=False, now=datetime.now(UTC))
    return json_object(response)
