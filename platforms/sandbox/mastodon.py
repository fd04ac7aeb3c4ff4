"""The emulated Mastodon: statuses with idempotency keys, media that can be attached once (documentation, and server 4.5)."""

from collections.abc import Mapping

from litestar import Response, Router, delete, get, post
from litestar.datastructures import UploadFile
from litestar.params import FromPath

from platforms.sandbox.context import DOMAIN, Given, Sandbox, sniff, timestamp
from platforms.sandbox.mastodon_oauth import (
    Call,
    Json,
    allow,
    consent_page,
    read_body,
    register_app,
    revoke,
    token,
    viewer,
)
from platforms.sandbox.mastodon_rules import (
    ALT_LIMIT,
    IMAGE_LIMIT,
    MAX_FILES,
    MIMES,
    URL_LENGTH,
    ApiError,
    check_status,
    check_upload,
)
from platforms.sandbox.richtext import as_html
from platforms.sandbox.values import Account, Post, Upload

VERSION = "4.5.0"
KEY_LASTS = 3600.0
"""Seconds an Idempotency-Key is remembered (server source, PostStatusService)."""


# --- the instance and its accounts ------------------------------------------------------------------------------------


@get("/api/v2/instance")
async def instance(sandbox: Given) -> Json:
    """What this server is and allows."""
    return {"domain": DOMAIN.lstrip("."), "title": "Sandbox", "version": VERSION, "configuration": _configuration(sandbox)}


@get("/api/v1/instance")
async def instance_v1(sandbox: Given) -> Json:
    """The same for older clients."""
    return {"uri": DOMAIN.lstrip("."), "title": "Sandbox", "version": VERSION, "configuration": _configuration(sandbox)}


def _configuration(sandbox: Sandbox) -> Json:
    return {
        "statuses": {
            "max_characters": sandbox.max_characters,
            "max_media_attachments": MAX_FILES,
            "characters_reserved_per_url": URL_LENGTH,
        },
        "media_attachments": {
            "supported_mime_types": list(MIMES),
            "image_size_limit": IMAGE_LIMIT,
            "image_matrix_limit": 33_177_600,
            "description_limit": ALT_LIMIT,
        },
    }


@get("/api/v1/accounts/verify_credentials")
async def verify_credentials(request: Call, sandbox: Given) -> Json:
    """Who the token belongs to."""
    account, _ = viewer(request, sandbox, "read:accounts")
    source = {"privacy": "public", "sensitive": False, "language": None}
    return {**_account(request, sandbox, account), "source": source}


def _account(request: Call, sandbox: Sandbox, account: Account) -> Json:
    origin = sandbox.origin(request)
    return {
        "id": account.id,
        "username": account.handle,
        "acct": account.handle,
        "display_name": account.handle.title(),
        "url": f"{origin}/mastodon/@{account.handle}",
        "avatar": f"{origin}/avatar/{account.handle}.svg",
        "created_at": timestamp(account.created_at),
    }


# --- media ------------------------------------------------------------------------------------------------------------


@post("/api/v2/media", status_code=200)
async def upload_media(request: Call, sandbox: Given) -> Response[Json]:
    """Keep a file: 200 when it is ready, 202 while it is being processed."""
    account, _ = viewer(request, sandbox, "write:media")
    sent = await read_body(request)
    file = sent.get("file")
    data = await file.read() if isinstance(file, UploadFile) else b""
    mime, description = sniff(data, ""), str(sent.get("description") or "")
    check_upload(mime, len(data), description)
    blob = sandbox.store.add_blob(account.id, mime, data)
    ready_at = sandbox.store.clock() + request.scope["state"].get("processing", 0.0)
    upload = Upload(sandbox.store.snowflake(), account.id, blob.cid, mime, description, ready_at, None)
    sandbox.store.add_upload(upload)
    return Response(_media(request, sandbox, upload), status_code=200 if _ready(sandbox, upload) else 202)


@get("/api/v1/media/{media_id:str}")
async def show_media(request: Call, sandbox: Given, media_id: FromPath[str]) -> Response[Json]:
    """An upload that is not attached yet: 206 while it is being processed."""
    account, _ = viewer(request, sandbox, "write:media")
    upload = sandbox.store.upload(media_id)
    if upload is None or upload.account != account.id or upload.post:
        raise ApiError(404, "Record not found")
    return Response(_media(request, sandbox, upload), status_code=200 if _ready(sandbox, upload) else 206)


def _ready(sandbox: Sandbox, upload: Upload) -> bool:
    return upload.ready_at <= sandbox.store.clock()


def _media(request: Call, sandbox: Sandbox, upload: Upload) -> Json:
    url = f"{sandbox.origin(request)}/media/{upload.cid}" if _ready(sandbox, upload) else None
    return {"id": upload.id, "type": "image", "url": url, "preview_url": url, "description": upload.description or None}


# --- statuses ---------------------------------------------------------------------------------------------------------


@post("/api/v1/statuses", status_code=200)
async def publish(request: Call, sandbox: Given) -> Json:
    """Publish, once per Idempotency-Key: a repetition answers with the first status, whatever it carries itself."""
    account, bearer = viewer(request, sandbox, "write:statuses")
    sent = await read_body(request)
    key = request.headers.get("idempotency-key", "")
    earlier = _earlier(sandbox, account, key)
    if earlier:
        return _status(request, sandbox, _visible(sandbox, earlier.id))
    uploads = _attachable(sandbox, account, sent.get("media_ids") or [])
    if sent.get("in_reply_to_id") and sandbox.store.post("mastodon", str(sent["in_reply_to_id"])) is None:
        raise ApiError(404, "The post you are trying to reply to does not appear to exist.")
    body = check_status(sent, max_characters=sandbox.max_characters, has_media=bool(uploads))
    added = sandbox.store.add_post(
        account,
        sandbox.store.snowflake(),
        key=key,
        text=body["text"],
        body={**body, "application": bearer.facts["app"], "media": [upload.id for upload in uploads]},
        created_at=timestamp(sandbox.store.clock()),
        media=len(uploads),
        uploads=tuple(upload.id for upload in uploads),
    )
    return _status(request, sandbox, added)


def _earlier(sandbox: Sandbox, account: Account, key: str) -> Post | None:
    since = sandbox.store.clock() - KEY_LASTS
    return sandbox.store.post_by_key("mastodon", account.id, key, since) if key else None


def _attachable(sandbox: Sandbox, account: Account, ids: list[str]) -> list[Upload]:
    """The account's own unused, finished uploads with these ``ids``. Raises ``ApiError``."""
    if len(ids) > MAX_FILES:
        raise ApiError(422, f"Cannot attach more than {MAX_FILES} files")
    found = [sandbox.store.upload(str(upload_id)) for upload_id in ids]
    uploads = [upload for upload in found if upload and upload.account == account.id and not upload.post]
    if len(uploads) < len(ids):
        missing = ", ".join({*map(str, ids)} - {upload.id for upload in uploads})
        raise ApiError(422, f"Media {missing} not found or already attached to another post")
    if not all(_ready(sandbox, upload) for upload in uploads):
        raise ApiError(422, "Cannot attach files that have not finished processing. Try again in a moment!")
    return uploads


@get("/api/v1/statuses/{status_id:str}")
async def show_status(request: Call, sandbox: Given, status_id: FromPath[str]) -> Json:
    """One status."""
    return _status(request, sandbox, _visible(sandbox, status_id))


@get("/api/v1/statuses/{status_id:str}/source")
async def show_source(request: Call, sandbox: Given, status_id: FromPath[str]) -> Json:
    """The plain text a status was made from; for its author."""
    found = _own(request, sandbox, status_id, "read:statuses")
    return {"id": found.id, "text": found.text, "spoiler_text": found.body["spoiler_text"]}


@delete("/api/v1/statuses/{status_id:str}", status_code=200)
async def delete_status(request: Call, sandbox: Given, status_id: FromPath[str]) -> Json:
    """Delete; the answer holds the text for a new draft."""
    found = _own(request, sandbox, status_id, "write:statuses")
    sandbox.store.delete_post(found)
    return {**_status(request, sandbox, found), "text": found.text}


@get("/api/v1/accounts/{account_id:str}/statuses")
async def account_statuses(request: Call, sandbox: Given, account_id: FromPath[str]) -> list[Json]:
    """The account's statuses, the newest first; at most 40, and only those before ``max_id`` if it is given."""
    viewer(request, sandbox, "read:statuses")
    limit = min(int(request.query_params.get("limit", "20")), 40)
    before = int(request.query_params.get("max_id", str(2**63 - 1)))
    found = sandbox.store.timeline_before("mastodon", account_id, before, limit=limit)
    return [_status(request, sandbox, status) for status in found]


def _visible(sandbox: Sandbox, status_id: str) -> Post:
    found = sandbox.store.post("mastodon", status_id)
    if found is None:
        raise ApiError(404, "Record not found")
    return found


def _own(request: Call, sandbox: Sandbox, status_id: str, scope: str) -> Post:
    account, _ = viewer(request, sandbox, scope)
    found = _visible(sandbox, status_id)
    if found.account != account.id:
        raise ApiError(404, "Record not found")
    return found


def _status(request: Call, sandbox: Sandbox, found: Post) -> Json:
    """The status as the API shows it. Nobody else lives here, so all counts are 0."""
    url = sandbox.origin(request) + sandbox.location(found)
    uploads = [sandbox.store.upload(upload_id) for upload_id in found.body["media"]]
    kept = ("visibility", "spoiler_text", "sensitive", "language", "in_reply_to_id")
    return {
        "id": found.id,
        "created_at": found.created_at,
        "edited_at": None,
        "uri": url,
        "url": url,
        "content": as_html(found.text),
        "account": _account(request, sandbox, sandbox.author(found)),
        "application": {"name": found.body["application"], "website": None},
        "media_attachments": [_media(request, sandbox, upload) for upload in uploads if upload],
        "reblog": None,
        **{name: found.body[name] for name in kept},
        **dict.fromkeys(("replies_count", "reblogs_count", "favourites_count", "quotes_count"), 0),
    }


def answer_error(_: Call, error: ApiError) -> Response[Mapping[str, str]]:
    """The error object every call answers with."""
    return Response(error.body, status_code=error.status)


router = Router(
    path="/mastodon",
    route_handlers=[
        instance,
        instance_v1,
        register_app,
        consent_page,
        allow,
        token,
        revoke,
        verify_credentials,
        upload_media,
        show_media,
        publish,
        show_status,
        show_source,
        delete_status,
        account_statuses,
    ],
    exception_handlers={ApiError: answer_error},
)
