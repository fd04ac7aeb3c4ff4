"""Statuses, with idempotency keys where the server knows them (documentation, and server 4.5)."""

from litestar import delete, get, post
from litestar.params import FromPath

from platforms.sandbox.context import Call, Given, Json, Sandbox, timestamp
from platforms.sandbox.mastodon.media import attachable
from platforms.sandbox.mastodon.oauth import read_body, viewer
from platforms.sandbox.mastodon.rules import OPEN, ApiError, check_status
from platforms.sandbox.mastodon.server import server
from platforms.sandbox.mastodon.views import show
from platforms.sandbox.quirks import Quirk
from platforms.sandbox.values import Account, Post

KEY_LASTS = 3600.0
"""Seconds an Idempotency-Key is remembered (server source, PostStatusService)."""


@post("/api/v1/statuses", status_code=200)
async def publish(request: Call, sandbox: Given) -> Json:
    """Publish, once per Idempotency-Key: a repetition answers with the first status, whatever it carries itself."""
    account, bearer = viewer(request, sandbox, "write:statuses")
    sent = await read_body(request)
    key = request.headers.get("idempotency-key", "")
    earlier = _earlier(request, sandbox, account, key)
    if earlier:
        return show(request, sandbox, _visible(request, sandbox, earlier.id))
    uploads = attachable(sandbox, account, sent.get("media_ids") or [])
    if sent.get("in_reply_to_id") and sandbox.store.post(server(request).name, str(sent["in_reply_to_id"])) is None:
        raise ApiError(404, "The post you are trying to reply to does not appear to exist.")
    body = check_status(sent, max_characters=server(request).max_characters, has_media=bool(uploads))
    added = sandbox.store.add_post(
        account,
        sandbox.store.snowflake(),
        key=key,
        text=body["text"],
        body={**body, "application": bearer.facts["app"], "media": [upload.id for upload in uploads]},
        created_at=timestamp(sandbox.store.clock() + _clock_off(sandbox, account)),
        media=len(uploads),
        uploads=tuple(upload.id for upload in uploads),
    )
    return show(request, sandbox, added)


def _earlier(request: Call, sandbox: Sandbox, account: Account, key: str) -> Post | None:
    """What the key stands for; the server that knows no keys never recognises anything."""
    if not key or not server(request).knows_keys:
        return None
    return sandbox.store.post_by_key(account.platform, account.id, key, sandbox.store.clock() - KEY_LASTS)


def _clock_off(sandbox: Sandbox, account: Account) -> float:
    return sandbox.quirks.seconds(account.platform, Quirk.CLOCK_OFF, account.id) or 0.0


@get("/api/v1/statuses/{status_id:str}")
async def show_status(request: Call, sandbox: Given, status_id: FromPath[str]) -> Json:
    """One status, to everybody who may see it."""
    found = _visible(request, sandbox, status_id)
    if found.body["visibility"] not in OPEN and viewer(request, sandbox, "read:statuses")[0].id != found.account:
        raise ApiError(404, "Record not found")
    return show(request, sandbox, found)


@get("/api/v1/statuses/{status_id:str}/source")
async def show_source(request: Call, sandbox: Given, status_id: FromPath[str]) -> Json:
    """The plain text a status was made from; for its author."""
    found = _own(request, sandbox, status_id, "read:statuses")
    if sandbox.quirks.has(server(request).name, Quirk.NO_SOURCE, found.account):
        raise ApiError(404, "Record not found")
    return {"id": found.id, "text": found.text, "spoiler_text": found.body["spoiler_text"]}


@delete("/api/v1/statuses/{status_id:str}", status_code=200)
async def delete_status(request: Call, sandbox: Given, status_id: FromPath[str]) -> Json:
    """Delete; the answer holds the text for a new draft."""
    found = _own(request, sandbox, status_id, "write:statuses")
    sandbox.store.delete_post(found)
    return {**show(request, sandbox, found), "text": found.text}


def _visible(request: Call, sandbox: Sandbox, status_id: str) -> Post:
    found = sandbox.store.post(server(request).name, status_id)
    if found is None:
        raise ApiError(404, "Record not found")
    return found


def _own(request: Call, sandbox: Sandbox, status_id: str, scope: str) -> Post:
    account, _ = viewer(request, sandbox, scope)
    found = _visible(request, sandbox, status_id)
    if found.account != account.id:
        raise ApiError(404, "Record not found")
    return found
