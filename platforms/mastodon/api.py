"""The few requests we make of a Mastodon server, each turned into an answer or an error of the tree."""

import httpx

from platforms.base import Session
from platforms.errors import Unavailable
from platforms.http import reading
from platforms.mastodon.errors import NAME, refused

ENGLISH = {"lang": "en"}
"""Sent with every request, so that refusals come in the language :data:`platforms.mastodon.errors.TABLE` reads."""


def bearer(token: str) -> dict[str, str]:
    """The header that proves who we are."""
    return {"Authorization": f"Bearer {token}"}


async def fetch(session: Session, path: str, **params: str) -> httpx.Response:
    """GET ``path``, whatever the status of the answer. Raises ``Unavailable`` if there is none."""
    with reading(NAME):
        return await session.http.get(
            f"{session.server}{path}", params=ENGLISH | params, headers=bearer(session.tokens["access"])
        )


async def read(session: Session, path: str, **params: str) -> httpx.Response:
    """GET ``path``. Raises what :func:`refused` says for any answer but a success."""
    response = await fetch(session, path, **params)
    if not response.is_success:
        raise refused(response, "read")
    return response


def odd_reply(response: httpx.Response) -> Unavailable:
    """The error for a successful *read* whose body is not what the documentation promises."""
    return Unavailable(
        NAME, "odd_reply", "The server's answer makes no sense. Is it a Mastodon server?", status=response.status_code
    )
