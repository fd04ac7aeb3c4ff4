"""Containers: a post that is cast and not yet published."""

from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from http import HTTPStatus
from urllib.parse import urlsplit

import httpx
from litestar import get, post
from litestar.params import FromPath

from platforms.sandbox.context import Call, Given, Json, Sandbox
from platforms.sandbox.foundry.rules import CONTAINER_LASTS, MIMES, NAME, TEXT_LIMIT, ApiError
from platforms.sandbox.foundry.tokens import read_body, viewer
from platforms.sandbox.quirks import Quirk
from platforms.sandbox.receiving import in_form, receive
from platforms.sandbox.values import Account, Blob, Post

_HERE = ("127.0.0.1", "::1", "localhost")
"""Hosts that files are fetched from, below ``/files/``. What is elsewhere is believed to be there."""
_ELSEWHERE = Blob("", "", 0, b"")
_FETCHED_WITHIN = 20
"""Seconds between two bytes."""


class Status(StrEnum):
    """Of a container. ``PUBLISHED`` does not tell the post's id."""

    IN_PROGRESS = "IN_PROGRESS"
    FINISHED = "FINISHED"
    ERROR = "ERROR"
    EXPIRED = "EXPIRED"
    PUBLISHING = "PUBLISHING"
    PUBLISHED = "PUBLISHED"


@dataclass(frozen=True, slots=True)
class Container:
    """``refusal`` is the reason for which it is refused when it has been worked on, at ``ready_at``.

    ``withdrawn_at``: when the network takes back that it accepted it for publication; ``cid`` and ``media_url`` name its file.
    """

    id: str
    account: str
    text: str
    alt: str
    cid: str
    media_url: str
    made_at: float
    ready_at: float
    refusal: str = ""
    withdrawn_at: float | None = None

    @property
    def files(self) -> int:
        """How many files it has."""
        return 1 if self.cid or self.media_url else 0


@post("/v1/containers", status_code=200)
async def create(request: Call, sandbox: Given) -> Json:
    """Cast a text with at most one file: its bytes in a form, or an address to fetch it from."""
    account, sent = viewer(request, sandbox), await read_body(request)
    text, media_url = str(sent.get("text") or ""), str(sent.get("media_url") or "")
    blob = await _file(sent.get("file"), media_url)
    if len(text) > TEXT_LIMIT:
        raise ApiError(100, "text_too_long", f"Param text must be at most {TEXT_LIMIT} characters long.")
    if not (text.strip() or media_url or (blob and blob.size)):
        raise ApiError(100, "nothing_to_cast", "A text or a file is needed.")
    if blob and blob.size:
        sandbox.store.add_blob(account.id, blob)
    refused = sandbox.quirks.has(NAME, Quirk.REFUSES_PROCESSED, account.id)
    made = Container(
        id=sandbox.store.snowflake(),
        account=account.id,
        text=text,
        alt=str(sent.get("alt") or ""),
        cid=blob.cid if blob and blob.size else "",
        media_url=media_url,
        made_at=sandbox.store.clock(),
        ready_at=sandbox.store.clock() + _works(request, sandbox, account),
        refusal="AGAINST_RULES" if refused else _unsuitable(blob),
    )
    sandbox.store.keep(NAME, made.id, asdict(made))
    return {"id": made.id}


async def _file(file: object, media_url: str) -> Blob | None:
    """What was sent or could be fetched; ``None`` if that was not possible, or not tried: nothing leaves this machine."""
    if not media_url:
        return await receive(in_form(file))
    if not _is_ours(media_url):
        return _ELSEWHERE
    try:
        async with (
            httpx.AsyncClient(trust_env=False, timeout=_FETCHED_WITHIN) as http,
            http.stream("GET", media_url) as answer,
        ):
            return await receive(answer.aiter_bytes()) if answer.status_code == HTTPStatus.OK else None
    except httpx.HTTPError:
        return None


def _is_ours(media_url: str) -> bool:
    """Whether it can be one of our own signed addresses: strangers may not have this machine ask itself anything else."""
    try:
        parts = urlsplit(media_url)
    except ValueError:
        return False
    return parts.hostname in _HERE and parts.path.startswith("/files/") and ".." not in parts.path


def _unsuitable(blob: Blob | None) -> str:
    if blob is None:
        return "NOT_FETCHED"
    return "UNKNOWN_FORMAT" if blob.size and blob.mime not in MIMES else ""


def _works(request: Call, sandbox: Sandbox, account: Account) -> float:
    """Seconds until it has been worked on."""
    usual = sandbox.quirks.seconds(NAME, Quirk.PROCESSES, account.id) or 0.0
    return float(request.scope["state"].get("processing", usual))


@get("/v1/containers/{container_id:str}")
async def show(request: Call, sandbox: Given, container_id: FromPath[str]) -> Json:
    """How far it is; ``error`` is the reason for which it was refused."""
    found = own_container(sandbox, viewer(request, sandbox), container_id)
    status, reason = status_of(sandbox, found)
    return {"id": found.id, "status": status} | ({"error": reason} if reason else {})


def own_container(sandbox: Sandbox, account: Account, container_id: str) -> Container:
    """The account's container with this id. Raises ``ApiError``."""
    facts = sandbox.store.kept(NAME, container_id)
    if facts is None or facts["account"] != account.id:
        raise ApiError(24, "no_such_container", "The requested resource does not exist")
    return Container(**facts)


def status_of(sandbox: Sandbox, container: Container) -> tuple[Status, str]:
    """How far it is, and the reason if it was refused. That it is published is known from its post, and noted nowhere else."""
    now = sandbox.store.clock()
    if container.withdrawn_at is not None:
        return (Status.PUBLISHING, "") if now < container.withdrawn_at else (Status.ERROR, "WITHDRAWN")
    published = post_of(sandbox, container)
    if published:
        return (Status.PUBLISHED if is_out(sandbox, published) else Status.PUBLISHING), ""
    if now < container.ready_at:
        return Status.IN_PROGRESS, ""
    if container.refusal:
        return Status.ERROR, container.refusal
    return (Status.FINISHED if now < container.made_at + CONTAINER_LASTS else Status.EXPIRED), ""


def post_of(sandbox: Sandbox, container: Container) -> Post | None:
    """The post that was last made of it, deleted or not, out or not."""
    return sandbox.store.post_by_key(NAME, container.account, container.id, 0)


def is_out(sandbox: Sandbox, post: Post) -> bool:
    """Whether others can see it."""
    return bool(post.body["out_at"] <= sandbox.store.clock())


def withdraw(sandbox: Sandbox, container: Container, at: float) -> None:
    """Refuse ``at`` then what was accepted for publication now."""
    sandbox.store.keep(NAME, container.id, asdict(replace(container, withdrawn_at=at)))
