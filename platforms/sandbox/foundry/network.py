"""The foundry as the house sees it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from email.utils import format_datetime
from typing import Any, cast

import httpx
from litestar import Response, Router
from litestar.exceptions import SerializationException
from litestar.serialization import decode_json
from litestar.types import ControllerRouterHandler

from platforms.base import Connector, Consent, PasswordConnector
from platforms.sandbox.base import Look, Picture
from platforms.sandbox.context import Call
from platforms.sandbox.foundry import containers, pages, posts, publishing, tokens
from platforms.sandbox.foundry.rules import NAME, WORDS, ApiError
from platforms.sandbox.richtext import from_plain
from platforms.sandbox.store import Store
from platforms.sandbox.values import PASSWORD, Account, Post

_PURPOSES = {("POST", "/v1/containers"): "upload", ("POST", "/v1/publish"): "publish"}


class Foundry:
    """See :class:`platforms.sandbox.base.Network`."""

    name = NAME
    label = "The foundry"
    shown = featured = False
    style = ".foundry { --accent: #9a5b13; }"
    api: tuple[str, ...] = ("/v1/",)
    purposes: Mapping[tuple[str, str], str] = _PURPOSES
    words: Mapping[int, Mapping[str, Any]] = WORDS

    @property
    def handlers(self) -> Sequence[ControllerRouterHandler]:
        """The API, and an account's and a post's page."""
        return [Router(path=f"/{NAME}", route_handlers=_HANDLERS, exception_handlers={ApiError: _answer_error})]

    def reset_header(self, at: datetime) -> tuple[bytes, bytes]:
        """An HTTP date."""
        return b"x-quiet-until", format_datetime(at, usegmt=True).encode()

    def text_of(self, store: Store, body: bytes) -> str:
        """The text of the container that the request names."""
        try:
            kept = store.kept(NAME, str(decode_json(body)["container"]))
        except (SerializationException, KeyError, TypeError):
            kept = None
        return str(kept["text"]) if kept else ""

    def create_account(self, store: Store, handle: str, password: str) -> Account:
        """A bare name."""
        return tokens.create_account(store, handle, password)

    def location(self, post: Post, author: Account) -> str:
        """Below its author."""
        return f"/{NAME}/{author.handle}/{post.id}"

    def profile(self, account: Account) -> str:
        """By name."""
        return f"/{NAME}/{account.handle}"

    def look(self, store: Store, post: Post) -> Look:
        """Plain text and perhaps a picture."""
        blob = store.blob(post.body["cid"])
        return Look(
            from_plain(post.text),
            [Picture(blob.cid, post.body["alt"])] if blob and blob.data else [],
        )

    def sign_in(self, server: str) -> Sequence[tuple[str, str]]:
        """What the connect form asks for."""
        return [("The foundry", server), ("Name", "you"), ("Password", PASSWORD)]

    async def connect(self, http: httpx.AsyncClient, server: str, connector: Connector, *, handle: str) -> Consent:
        """Sign in with the sandbox's password; a name that is new comes into being."""
        answers = {"server": server, "name": handle, "password": PASSWORD}
        return await cast(PasswordConnector, connector).connect(http, answers)


def _answer_error(_: Call, error: ApiError) -> Response[Mapping[str, Any]]:
    """The error object every call answers with."""
    return Response(error.body, status_code=error.status)


_HANDLERS: list[ControllerRouterHandler] = [
    tokens.sign_in,
    tokens.renew,
    tokens.me,
    containers.create,
    containers.show,
    publishing.publish,
    publishing.quota,
    posts.own_posts,
    posts.one_post,
    posts.delete_post,
    *pages.handlers,
]
