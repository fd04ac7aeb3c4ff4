"""A Mastodon server in memory: it keeps apps, media, statuses and idempotency keys, and can be made to misbehave."""

import html
import itertools
import json
import re
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.message import Message
from email.parser import BytesParser
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qs

import httpx

from platforms.base import Content, Media, MediaFacts, SentAttempt, Session
from platforms.mastodon.adapter import Mastodon

ORIGIN = "https://bell.example"
TOKEN = "token-of-alice"
ACCOUNT = "109"
NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)


@dataclass
class Clock:
    """Time that only passes when somebody says so."""

    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@dataclass
class Upload:
    id: str
    description: str
    mime: str
    polls_left: int
    attached: bool = False
    broken: bool = False


@dataclass
class Instance:
    """``faults[(method, path)]`` are answered first, in order: a response or exception instead of the real thing.

    ``lose_replies`` are paths whose request is carried out before the connection breaks. ``log`` is what happened.
    """

    clock: Clock = field(default_factory=Clock)
    skew: timedelta = timedelta()
    processing_polls: int = 0
    keeps_source: bool = True
    tells_time: bool = True
    hides_private: bool = False
    has_home: bool = True
    home_hides_private: bool = False
    heeds_max_id: bool = True
    remembers_keys: bool = True
    instance: dict[str, Any] = field(default_factory=dict)
    has_v2: bool = True
    log: list[str] = field(default_factory=list)
    requests: list[httpx.Request] = field(default_factory=list)
    statuses: list[dict[str, Any]] = field(default_factory=list)
    others: list[dict[str, Any]] = field(default_factory=list)
    sources: dict[str, dict[str, str]] = field(default_factory=dict)
    histories: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    media: dict[str, Upload] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    faults: dict[tuple[str, str], deque[httpx.Response | Exception]] = field(default_factory=dict)
    lose_replies: set[str] = field(default_factory=set)
    _ids: itertools.count = field(default_factory=lambda: itertools.count(1000))

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.MockTransport(self.handle))

    def fails(self, method: str, path: str, *answers: httpx.Response | Exception) -> None:
        self.faults.setdefault((method, path), deque()).extend(answers)

    @property
    def time(self) -> datetime:
        return self.clock.now + self.skew

    # --- requests -----------------------------------------------------------------------------------------------------

    def handle(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        self.log.append(f"{request.method} {path}")
        self.requests.append(request)
        if waiting := self.faults.get((request.method, path)):
            fault = waiting.popleft()
            if isinstance(fault, Exception):
                raise fault
            return fault
        response = self._route(request, path)
        if path in self.lose_replies:
            raise httpx.ReadError("connection reset")
        if self.tells_time:
            response.headers["Date"] = format_datetime(self.time, usegmt=True)
        return response

    def _route(self, request: httpx.Request, path: str) -> httpx.Response:
        public = path in ("/api/v1/apps", "/oauth/token")
        if not public and request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return reply(401, error="The access token is invalid")
        for pattern, handler in ROUTES.items():
            if match := re.fullmatch(pattern, f"{request.method} {path}"):
                return handler(self, request, *match.groups())
        return reply(404, error="Record not found")

    # --- reading ------------------------------------------------------------------------------------------------------

    def _instance(self, _request: httpx.Request, version: str) -> httpx.Response:
        known = version == "1" or self.has_v2
        return reply(200, **self.instance) if known else httpx.Response(404, text="<html>no such page")

    def _profile(self, _request: httpx.Request) -> httpx.Response:
        return reply(200, id=ACCOUNT, username="alice", display_name="Alice", avatar="https://bell.example/a.png")

    def _source(self, _request: httpx.Request, id_: str) -> httpx.Response:
        known = self.keeps_source and id_ in self.sources
        return reply(200, **self.sources[id_]) if known else reply(404, error="Record not found")

    def _history(self, _request: httpx.Request, id_: str) -> httpx.Response:
        return httpx.Response(200, json=self.histories[id_])

    def _timeline(self, request: httpx.Request) -> httpx.Response:
        return self._page(request, [s for s in self._own() if s["visibility"] != "private" or not self.hides_private])

    def _home(self, request: httpx.Request) -> httpx.Response:
        if not self.has_home:
            return reply(404, error="Record not found")
        own = [s for s in self._own() if s["visibility"] != "private" or not self.home_hides_private]
        return self._page(request, own + self.others)

    def _own(self) -> list[dict[str, Any]]:
        return list(self.statuses)

    def _page(self, request: httpx.Request, statuses: list[dict[str, Any]]) -> httpx.Response:
        params = request.url.params
        before = int(params.get("max_id", 10**9)) if self.heeds_max_id else 10**9
        newest_first = sorted(statuses, key=lambda status: -int(status["id"]))
        found = [status for status in newest_first if int(status["id"]) < before]
        return httpx.Response(200, json=found[: int(params["limit"])])

    # --- connecting ---------------------------------------------------------------------------------------------------

    def _app(self, request: httpx.Request) -> httpx.Response:
        form = parse_qs(request.content.decode())
        if not form.get("redirect_uris"):
            return reply(422, error="Validation failed: Redirect URI must be an absolute URI.")
        return reply(200, id="1", client_id="client-1", client_secret="secret-1", name=form["client_name"][0])

    def _token(self, request: httpx.Request) -> httpx.Response:
        form = parse_qs(request.content.decode())
        if form["client_secret"] != ["secret-1"]:
            return reply(401, error="invalid_client", error_description="Client authentication failed")
        if self.codes.pop(form["code"][0], None) is None:
            return reply(400, error="invalid_grant", error_description="The authorization grant is invalid")
        return reply(200, access_token=TOKEN, token_type="Bearer", scope="read:accounts", created_at=1)

    # --- media --------------------------------------------------------------------------------------------------------

    def _upload(self, request: httpx.Request) -> httpx.Response:
        fields = multipart(request)
        upload = Upload(
            str(next(self._ids)),
            fields["description"].get_payload() if "description" in fields else "",
            fields["file"].get_content_type(),
            self.processing_polls,
        )
        self.media[upload.id] = upload
        if upload.polls_left:
            return reply(202, id=upload.id, type="image", url=None)
        return reply(200, id=upload.id, type="image", url=f"{ORIGIN}/media/{upload.id}")

    def _medium(self, _request: httpx.Request, id_: str) -> httpx.Response:
        upload = self.media.get(id_)
        if upload is None or upload.attached:
            return reply(404, error="Record not found")
        if upload.broken:
            return reply(422, error="Error processing thumbnail for uploaded media")
        if upload.polls_left > 0:
            upload.polls_left -= 1
        if upload.polls_left > 0:
            return reply(206, id=id_, url=None)
        return reply(200, id=id_, url=f"{ORIGIN}/media/{id_}")

    # --- statuses -----------------------------------------------------------------------------------------------------

    def _post(self, request: httpx.Request) -> httpx.Response:
        key, body = request.headers.get("Idempotency-Key", ""), json.loads(request.content)
        if self.remembers_keys and key in self.keys:
            return httpx.Response(200, json=next(s for s in self.statuses if s["id"] == self.keys[key]))
        uploads = [self.media.get(id_) for id_ in body.get("media_ids", [])]
        if any(upload is None or upload.attached for upload in uploads):
            return reply(422, error=f"Media {body['media_ids']} not found or already attached to another post")
        if any(upload.polls_left for upload in uploads):
            return reply(422, error="Cannot attach files that have not finished processing. Try again in a moment!")
        for upload in uploads:
            upload.attached = True
        status = self.publish(
            body["status"],
            warning=body.get("spoiler_text", ""),
            media_ids=body.get("media_ids", []),
            visibility=body["visibility"],
        )
        self.keys[key] = status["id"]
        return httpx.Response(200, json=status)

    def publish(
        self,
        text: str,
        *,
        warning: str = "",
        at: datetime | None = None,
        by: str | None = "Carillon",
        media_ids: list[str] | tuple[str, ...] = (),
        visibility: str = "public",
        content: str | None = None,
    ) -> dict[str, Any]:
        """Store a status, as if somebody had sent it. An empty text takes over the warning, as upstream does."""
        if not text.strip():
            text, warning = warning, ""
        id_ = str(next(self._ids))
        self.sources[id_] = {"id": id_, "text": text.strip(), "spoiler_text": warning}
        status = {
            "id": id_,
            "created_at": (at or self.time).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "url": f"{ORIGIN}/@alice/{id_}",
            "uri": f"{ORIGIN}/users/alice/statuses/{id_}",
            "content": rendered(text.strip()) if content is None else content,
            "visibility": visibility,
            "account": {"id": ACCOUNT},
            "spoiler_text": warning,
            "application": {"name": by, "website": None} if by else None,
            "media_attachments": [{"id": media_id, "type": "image"} for media_id in media_ids],
            "edited_at": None,
        }
        self.statuses.append(status)
        return status

    def edit(self, status: dict[str, Any], text: str) -> None:
        first = {"content": status["content"], "spoiler_text": status["spoiler_text"]}
        self.histories[status["id"]] = [first, {"content": rendered(text), "spoiler_text": ""}]
        self.sources[status["id"]] |= {"text": text, "spoiler_text": ""}
        status |= {"content": rendered(text), "spoiler_text": "", "edited_at": self.time.isoformat()}


ROUTES = {
    r"POST /api/v1/apps": Instance._app,
    r"POST /oauth/token": Instance._token,
    r"GET /api/v([12])/instance": Instance._instance,
    r"GET /api/v1/accounts/verify_credentials": Instance._profile,
    rf"GET /api/v1/accounts/{ACCOUNT}/statuses": Instance._timeline,
    r"GET /api/v1/timelines/home": Instance._home,
    r"GET /api/v1/statuses/(\d+)/source": Instance._source,
    r"GET /api/v1/statuses/(\d+)/history": Instance._history,
    r"POST /api/v1/statuses": Instance._post,
    r"POST /api/v2/media": Instance._upload,
    r"GET /api/v1/media/(\d+)": Instance._medium,
}


def reply(status: int, **body: Any) -> httpx.Response:
    return httpx.Response(status, json=body)


def multipart(request: httpx.Request) -> dict[str, Message]:
    head = f"Content-Type: {request.headers['Content-Type']}\r\n\r\n".encode()
    parts = BytesParser().parsebytes(head + request.content).get_payload()
    return {part.get_param("name", header="Content-Disposition"): part for part in parts}


def rendered(text: str) -> str:
    """Roughly Mastodon's HTML: links shortened, mentions without their host."""
    words = "".join(_rendered_word(word) for word in re.split(r"(\s)", text))
    return "<p>" + words.replace("\n\n", "</p><p>").replace("\n", "<br />") + "</p>"


def _rendered_word(word: str) -> str:
    safe = html.escape(word)
    if word.startswith("https://"):
        shown = f'<span class="invisible">https://</span><span class="ellipsis">{safe[8:20]}</span>'
        return f'<a href="{safe}" rel="nofollow">{shown}</a>'
    if word.startswith("@"):
        user, _, host = word[1:].partition("@")
        link = f'<a href="https://{host or "bell.example"}/@{user}" class="u-url mention">@<span>{user}</span></a>'
        return f'<span class="h-card">{link}</span>'
    if word.startswith("#"):
        return f'<a href="{ORIGIN}/tags/{safe[1:]}" class="mention hashtag">#<span>{safe[1:]}</span></a>'
    return safe


@dataclass
class Notebook:
    """A checkpoint that writes into the server's log, so that the order of things can be read there."""

    log: list[str]
    saved: dict[str, Any] = field(default_factory=dict)
    first_sent_at: datetime | None = None

    async def save(self, **data: Any) -> None:
        self.log.append("save")
        self.saved = self.saved | data

    async def progress(self, **data: Any) -> None:
        await self.save(**data)

    async def fence(self) -> None:
        self.log.append("fence")


@dataclass
class Picture:
    """A file that knows how often it was read."""

    id: str
    alt: str = "A bell"
    mime: str = "image/png"
    reads: int = 0

    async def open(self, start: int = 0) -> AsyncIterator[bytes]:
        self.reads += 1
        yield self.data[start:]

    async def address(self, lifetime: timedelta) -> str:
        raise NotImplementedError

    @property
    def data(self) -> bytes:
        return b"\x89PNG\r\n\x1a\n" + self.id.encode()

    @property
    def media(self) -> Media:
        return Media(self.id, MediaFacts(self.mime, len(self.data), 100, 80), self.alt, self)


@dataclass
class Scene:
    """One account on one server, with everything a test needs to act on it."""

    server: Instance
    mastodon: Mastodon
    session: Session
    checkpoint: Notebook

    @property
    def clock(self) -> Clock:
        return self.server.clock

    async def publish(self, content: Content, key: str = "key-1") -> Any:
        return await self.mastodon.publish(self.session, content, key=key, checkpoint=self.checkpoint)

    async def reconcile(self, content: Content, *, sent_at: datetime) -> Any:
        attempt = SentAttempt("key-1", content, dict(self.checkpoint.saved), sent_at)
        return await self.mastodon.reconcile(self.session, attempt)

    def running(self, version: str) -> "Scene":
        """The same account, connected when the server announced ``version``."""
        return replace(self, session=replace(self.session, limits={"version": version}))

    def signed_out(self) -> "Scene":
        return replace(self, session=replace(self.session, tokens={"access": "withdrawn"}))


def post(text: str = "Ding dong", **fields: Any) -> Content:
    return Content(text=text, created_at=NOW, **fields)
