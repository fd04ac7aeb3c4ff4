"""A server that speaks Mastodon's API as the house sees it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from importlib.resources import files
from typing import Any, cast
from urllib.parse import parse_qs

import httpx
from litestar import Response, Router
from litestar.exceptions import SerializationException
from litestar.serialization import decode_json
from litestar.types import ControllerRouterHandler

from platforms.base import Connector, Consent, RegisteringConnector
from platforms.sandbox.base import Look, Picture
from platforms.sandbox.context import Call
from platforms.sandbox.mastodon import instance, media, oauth, pages, statuses, timelines
from platforms.sandbox.mastodon.rules import ApiError
from platforms.sandbox.mastodon.server import Server
from platforms.sandbox.richtext import from_plain
from platforms.sandbox.store import Store
from platforms.sandbox.values import Account, Post

VISIBILITY = {"public": "Public", "unlisted": "Unlisted", "private": "Followers only", "direct": "Direct"}

_PURPOSES = {("POST", "/api/v1/statuses"): "publish", ("POST", "/api/v2/media"): "upload"}
_WORDS = {429: {"error": "Too many requests"}, 500: {"error": "Internal Server Error"}}


class Mastodon:
    """See :class:`platforms.sandbox.base.Network`. ``server`` holds what tells it from its twins."""

    shown = True
    style = files(__package__).joinpath("style.css").read_text()
    api: tuple[str, ...] = ("/api/", "/oauth/")
    purposes: Mapping[tuple[str, str], str] = _PURPOSES
    words: Mapping[int, Mapping[str, Any]] = _WORDS

    def __init__(self, server: Server) -> None:
        self.server = server
        self.name = server.name
        self.label = server.label
        self.featured = server.featured

    @property
    def handlers(self) -> Sequence[ControllerRouterHandler]:
        """The API, and an account's and a status's page."""
        return [Router(path=f"/{self.name}", route_handlers=_HANDLERS, exception_handlers={ApiError: _answer_error})]

    def reset_header(self, at: datetime) -> tuple[bytes, bytes]:
        """ISO 8601."""
        return b"x-ratelimit-reset", at.isoformat().replace("+00:00", "Z").encode()

    def text_of(self, store: Store, body: bytes) -> str:  # noqa: ARG002 -- the request holds it
        """The status, from JSON or from a form."""
        try:
            return str(decode_json(body)["status"])
        except (SerializationException, KeyError, TypeError):
            return parse_qs(body.decode(errors="replace")).get("status", [""])[0]

    def create_account(self, store: Store, handle: str, password: str) -> Account:  # noqa: ARG002 -- nobody is asked for one
        """Everybody is signed in already."""
        return oauth.create_account(store, self.name, handle)

    def location(self, post: Post, author: Account) -> str:
        """As on Mastodon."""
        return f"/{self.name}/@{author.handle}/{post.id}"

    def profile(self, account: Account) -> str:
        """As on Mastodon."""
        return f"/{self.name}/@{account.handle}"

    def look(self, store: Store, post: Post) -> Look:
        """What the server finds in the text, attachments, and the warning above them."""
        uploads = [store.upload(upload_id) for upload_id in post.body["media"]]
        return Look(
            from_plain(post.text),
            [Picture(upload.cid, upload.description) for upload in uploads if upload],
            warning=post.body["spoiler_text"],
            visibility=VISIBILITY[post.body["visibility"]],
            application=post.body["application"],
        )

    def sign_in(self, server: str) -> Sequence[tuple[str, str]]:
        """Its consent page asks for nothing more."""
        return [(self.server.address, server)]

    async def connect(self, http: httpx.AsyncClient, server: str, connector: Connector, *, handle: str) -> Consent:
        """Register, open the consent page, press *Allow*, and take along what it sends the browser back with."""
        here, back, answers = cast(RegisteringConnector, connector), f"{server}/", {"server": server}
        origin, app = await here.register(http, answers, redirect_uri=back)
        started = await here.begin(http, origin, app, answers=answers, redirect_uri=back, state="sandbox")
        consent = httpx.URL(started.url)
        allowed = await http.post(consent.copy_with(query=None), data={**consent.params, "username": handle})
        query = dict(httpx.URL(allowed.headers["location"]).params)
        return await here.exchange(http, origin, app, redirect_uri=back, secret=started.secret, query=query)


def _answer_error(_: Call, error: ApiError) -> Response[Mapping[str, Any]]:
    """The error object every call answers with."""
    return Response(error.body, status_code=error.status)


_HANDLERS: list[ControllerRouterHandler] = [
    instance.instance,
    instance.instance_v1,
    instance.verify_credentials,
    oauth.register_app,
    oauth.consent_page,
    oauth.allow,
    oauth.token,
    oauth.revoke,
    media.upload_media,
    media.show_media,
    statuses.publish,
    statuses.show_status,
    statuses.show_source,
    statuses.delete_status,
    timelines.account_statuses,
    timelines.home,
    *pages.handlers,
]
