"""Files: each is uploaded before its status, processed, and attached once."""

from litestar import Response, get, post
from litestar.params import FromPath

from platforms.sandbox.context import Call, Given, Json, Sandbox
from platforms.sandbox.mastodon.oauth import read_body, viewer
from platforms.sandbox.mastodon.rules import FILM_MIMES, FILM_PROCESSING, MAX_FILES, ApiError, check_upload
from platforms.sandbox.mastodon.views import ready, show_upload
from platforms.sandbox.receiving import in_form, receive
from platforms.sandbox.values import Account, Upload


@post("/api/v2/media", status_code=200)
async def upload_media(request: Call, sandbox: Given) -> Response[Json]:
    """Keep a file: 200 when it is ready, 202 while it is being processed."""
    account, _ = viewer(request, sandbox, "write:media")
    sent = await read_body(request)
    blob, description = await receive(in_form(sent.get("file"))), str(sent.get("description") or "")
    check_upload(blob.mime, blob.size, description)
    sandbox.store.add_blob(account.id, blob)
    takes = request.scope["state"].get("processing", FILM_PROCESSING if blob.mime in FILM_MIMES else 0.0)
    ready_at = sandbox.store.clock() + takes
    upload = Upload(sandbox.store.snowflake(), account.id, blob.cid, blob.mime, description, ready_at, None)
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


def attachable(sandbox: Sandbox, account: Account, ids: list[str]) -> list[Upload]:
    """The account's own unused, finished uploads with these ``ids``. Raises ``ApiError``."""
    if len(ids) > MAX_FILES:
        raise ApiError(422, f"Cannot attach more than {MAX_FILES} files")
    found = [sandbox.store.upload(str(upload_id)) for upload_id in ids]
    uploads = [upload for upload in found if upload and upload.account == account.id and not upload.post]
    if len(uploads) < len(ids):
        missing = ", ".join({*map(str, ids)} - {upload.id for upload in uploads})
        raise ApiError(422, f"Media {missing} not found or already attached to another post")
    if len(uploads) > 1 and any(upload.mime in FILM_MIMES for upload in uploads):
        raise ApiError(422, "Cannot attach a video to a post that already contains images")
    if not all(ready(sandbox, upload) for upload in uploads):
        raise ApiError(422, "Cannot attach files that have not finished processing. Try again in a moment!")
    return uploads
