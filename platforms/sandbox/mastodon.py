"""The emulated Mastodon: statuses with idempotency keys, media that can be attached once (documentation, and server 4.5).

The server without keys has the same handlers; see :func:`platforms.sandbox.context.server`.
"""

from collections.abc import Mapping

from litestar import Response, Router, delete, get, post
from litestar.datastructures import UploadFile
from litestar.params import FromPath

from platforms.sandbox.context import DOMAIN, KEYLESS, MASTODON, Given, Sandbox, server, sniff, timestamp
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
    OPEN,
    URL_LENGTH,
    ApiError,
    check_status,
    check_upload,
)
from platforms.sandbox.mastodon_timelines import account_statuses, home
from platforms.sandbox.mastodon_views import ready, show, show_account, show_upload
from platforms.sandbox.quirks import Quirk
from platforms.sandbox.values import Account, Post, Upload

VERSIONS = {MASTODON: "4.5.0", KEYLESS: "2.7.2 (compatible; Belltower 1.0)"}
"""Servers that only speak the API name the release they are like, and then themselves."""
KEY_LASTS = 3600.0
"""Seconds an Idempotency-Key is remembered (server source, PostStatusService)."""


# --- the instance and its accounts ------------------------------------------------------------------------------------


@get("/api/v2/instance")
async def instance(request: Call, sandbox: Given) -> Json:
    """What this server is and allows. Only the genuine one counts versions of its API."""
    genuine = {"api_versions": {"mastodon": 7}} if server(request) == MASTODON else {}
    return {"domain": _domain(request), **_instance(request, sandbox), **genuine}


@get("/api/v1/instance")
async def instance_v1(request: Call, sandbox: Given) -> Json:
    """The same for older clients."""
    return {"uri": _domain(request), **_instance(request, sandbox)}


def _domain(request: Call) -> str:
    return DOMAIN.lstrip(".") if server(request) == MASTODON else f"{server(request)}.test"


def _instance(request: Call, sandbox: Sandbox) -> Json:
    return {"title": "Sandbox", "version": VERSIONS[server(request)], "configuration": _configuration(sandbox)}


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
    return {**show_account(request, sandbox, account), "source": source}


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
    return Response(show_upload(request, sandbox, upload), status_code=200 if ready(sandbox, upload) else 202)


@get("/api/v1/media/{media_id:str}")
async def show_media(request: Call, sandbox: Given, media_id: FromPath[str]) -> Response[Json]:
    """An upload that is not attached yet: 206 while it is being processed."""
    account, _ = viewer(request, sandbox, "write:media")
    upload = sandbox.store.upload(media_id)
    if upload is None or upload.account != account.id or upload.post:
        raise ApiError(404, "Record not found")
    return Response(show_upload(request, sandbox, upload), status_code=200 if ready(sandbox, upload) else 206)


# --- statuses ---------------------------------------------------------------------------------------------------------


@post("/api/v1/statuses", status_code=200)
async def publish(request: Call, sandbox: Given) -> Json:
    """Publish, once per Idempotency-Key: a repetition answers with the first status, whatever it carries itself."""
    account, bearer = viewer(request, sandbox, "write:statuses")
    sent = await read_body(request)
    key = request.headers.get("idempotency-key", "")
    earlier = _earlier(request, sandbox, account, key)
    if earlier:
        return show(request, sandbox, _visible(request, sandbox, earlier.id))
    uploads = _attachable(sandbox, account, sent.get("media_ids") or [])
    if sent.get("in_reply_to_id") and sandbox.store.post(server(request), str(sent["in_reply_to_id"])) is None:
        raise ApiError(404, "The post you are trying to reply to does not appear to exist.")
    body = check_status(sent, max_characters=sandbox.max_characters, has_media=bool(uploads))
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
    if not key or server(request) == KEYLESS:
        return None
    return sandbox.store.post_by_key(account.platform, account.id, key, sandbox.store.clock() - KEY_LASTS)


def _clock_off(sandbox: Sandbox, account: Account) -> float:
    return sandbox.quirks.seconds(account.platform, Quirk.CLOCK_OFF, account.id) or 0.0


def _attachable(sandbox: Sandbox, account: Account, ids: list[str]) -> list[Upload]:
    """The account's own unused, finished uploads with these ``ids``. Raises ``ApiError``."""
    if len(ids) > MAX_FILES:
        raise ApiError(422, f"Cannot attach more than {MAX_FILES} files")
    found = [sandbox.store.upload(str(upload_id)) for upload_id in ids]
    uploads = [upload for upload in found if upload and upload.account == account.id and not upload.post]
    if len(uploads) < len(ids):
        missing = ", ".join({*map(str, ids)} - {upload.id for upload in uploads})
        raise ApiError(422, f"Media {missing} not found or already attached to another post")
    if not all(ready(sandbox, upload) for upload in uploads):
        raise ApiError(422, "Cannot attach files that have not finished processing. Try again in a moment!")
    return uploads


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
    if sandbox.quirks.has(server(request), Quirk.NO_SOURCE, found.account):
        raise ApiError(404, "Record not found")
    return {"id": found.id, "text": found.text, "spoiler_text": found.body["spoiler_text"]}


@delete("/api/v1/statuses/{status_id:str}", status_code=200)
async def delete_status(request: Call, sandbox: Given, status_id: FromPath[str]) -> Json:
    """Delete; the answer holds the text for a new draft."""
    found = _own(request, sandbox, status_id, "write:statuses")
    sandbox.store.delete_post(found)
    return {**show(request, sandbox, found), "text": found.text}


def _visible(request: Call, sandbox: Sandbox, status_id: str) -> Post:
    found = sandbox.store.post(server(request), status_id)
    if found is None:
        raise ApiError(404, "Record not found")
    return found


def _own(request: Call, sandbox: Sandbox, status_id: str, scope: str) -> Post:
    account, _ = viewer(request, sandbox, scope)
    found = _visible(request, sandbox, status_id)
    if found.account != account.id:
        raise ApiError(404, "Record not found")
    return found


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
        home,
    ],
    exception_handlers={ApiError: answer_error},
)
