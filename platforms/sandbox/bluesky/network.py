"""The emulated PDS as the house sees it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from importlib.resources import files
from typing import Any, cast

import httpx
from litestar import Router
from litestar.exceptions import SerializationException
from litestar.serialization import decode_json
from litestar.types import ControllerRouterHandler

from platforms.base import Connector, Consent, PasswordConnector
from platforms.sandbox.base import Look, Picture
from platforms.sandbox.bluesky import pages, records, sessions
from platforms.sandbox.bluesky.embeds import film_of, images_of
from platforms.sandbox.bluesky.facets import from_facets
from platforms.sandbox.bluesky.rules import NAME
from platforms.sandbox.store import Store
from platforms.sandbox.values import DOMAIN, PASSWORD, Account, Post

_PURPOSES = {
    ("POST", "/xrpc/com.atproto.repo.createRecord"): "publish",
    ("POST", "/xrpc/com.atproto.repo.putRecord"): "publish",
    ("POST", "/xrpc/com.atproto.repo.uploadBlob"): "upload",
    ("POST", "/xrpc/app.bsky.video.uploadVideo"): "upload",
}
_WORDS = {
    429: {"error": "RateLimitExceeded", "message": "Rate Limit Exceeded"},
    500: {"error": "InternalServerError", "message": "Internal Server Error"},
}


class Bluesky:
    """See :class:`platforms.sandbox.base.Network`."""

    name = NAME
    label = "Bluesky"
    shown = featured = True
    style = files(__package__).joinpath("style.css").read_text()
    api: tuple[str, ...] = ("/xrpc/",)
    purposes: Mapping[tuple[str, str], str] = _PURPOSES
    words: Mapping[int, Mapping[str, Any]] = _WORDS

    @property
    def handlers(self) -> Sequence[ControllerRouterHandler]:
        """XRPC, and an account's and a post's page."""
        return [records.router, Router(path=f"/{NAME}", route_handlers=pages.handlers)]

    def reset_header(self, at: datetime) -> tuple[bytes, bytes]:
        """Seconds since the epoch."""
        return b"ratelimit-reset", str(int(at.timestamp())).encode()

    def text_of(self, store: Store, body: bytes) -> str:  # noqa: ARG002 -- the request holds it
        """The text of the record."""
        try:
            return str(decode_json(body)["record"]["text"])
        except (SerializationException, KeyError, TypeError):
            return ""

    def create_account(self, store: Store, handle: str, password: str) -> Account:
        """A handle is a domain name."""
        return sessions.create_account(store, handle, password)

    def location(self, post: Post, author: Account) -> str:
        """As on bsky.app."""
        return f"/{NAME}/profile/{author.id}/post/{post.key}"

    def profile(self, account: Account) -> str:
        """As on bsky.app."""
        return f"/{NAME}/profile/{account.handle}"

    def look(self, store: Store, post: Post) -> Look:  # noqa: ARG002 -- everything is in the record
        """Facets, and embedded images or a film."""
        record = post.body["record"]
        film = film_of(record)
        pictures = [Picture(_cid(image["image"]), image["alt"]) for image in images_of(record)]
        return Look(from_facets(record), [_film(film)] if film else pictures)

    def sign_in(self, server: str) -> Sequence[tuple[str, str]]:
        """What the connect form asks for."""
        return [("Bluesky server", server), ("Handle", "you" + DOMAIN), ("App password", PASSWORD)]

    async def connect(self, http: httpx.AsyncClient, server: str, connector: Connector, *, handle: str) -> Consent:
        """Sign in with the sandbox's password; a handle that is new comes into being."""
        answers = {"server": server, "handle": handle + DOMAIN, "password": PASSWORD}
        return await cast(PasswordConnector, connector).connect(http, answers)


def _film(embed: Mapping[str, Any]) -> Picture:
    captions = tuple((caption["lang"], _cid(caption["file"])) for caption in embed.get("captions") or ())
    return Picture(_cid(embed["video"]), embed.get("alt") or "", captions, loops=embed.get("presentation") == "gif")


def _cid(blob: Mapping[str, Any]) -> str:
    return str(blob["ref"]["$link"])
