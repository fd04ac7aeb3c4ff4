"""The emulated PDS: blobs, one collection of records, and the views onto it (observed on PDS 0.5.35)."""

import sqlite3
from collections.abc import Mapping

from litestar import Response, Router, get, post
from litestar.params import FromPath

from platforms.sandbox.bluesky.embeds import Unkept, check_blobs, files
from platforms.sandbox.bluesky.rules import (
    COLLECTION,
    NAME,
    XrpcError,
    check_record,
    check_rkey,
    record_cid,
    tid,
)
from platforms.sandbox.bluesky.sessions import (
    activity,
    create_session,
    describe_server,
    get_service_auth,
    get_session,
    read_json,
    refresh_session,
    resolve_handle,
    viewer,
)
from platforms.sandbox.bluesky.videos import get_job_status, get_upload_limits, upload_video
from platforms.sandbox.context import Call, Given, Json, Sandbox, timestamp
from platforms.sandbox.receiving import receive
from platforms.sandbox.values import DOMAIN, Account, Post

BLOB_LIMIT = 5 * 1024 * 1024
"""Bytes; the PDS's default (PDS configuration, blobUploadLimit)."""


# --- records ----------------------------------------------------------------------------------------------------------


@post("/com.atproto.repo.uploadBlob", status_code=200)
async def upload_blob(request: Call, sandbox: Given) -> Json:
    """Keep a file; its type is what the bytes say, not what the header says."""
    account, _ = viewer(request, sandbox)
    blob = await receive(request.stream(), request.headers.get("content-type", "application/octet-stream"))
    if blob.size > BLOB_LIMIT:
        raise XrpcError("PayloadTooLarge", "request entity too large", 413)
    sandbox.store.add_blob(account.id, blob)
    return {"blob": {"$type": "blob", "ref": {"$link": blob.cid}, "mimeType": blob.mime, "size": blob.size}}


@post("/com.atproto.repo.createRecord", status_code=200)
async def create_record(request: Call, sandbox: Given) -> Json:
    """Write a new record. The same key a second time is a 500, as on the real PDS, and changes nothing."""
    account, sent = await _writer(request, sandbox)
    rkey = check_rkey(sent.get("rkey", tid()))
    try:
        return _create(sandbox, account, rkey, sent["record"])
    except sqlite3.IntegrityError:
        raise XrpcError("InternalServerError", "Internal Server Error", 500) from None


@post("/com.atproto.repo.putRecord", status_code=200)
async def put_record(request: Call, sandbox: Given) -> Json:
    """Write a record at a key; ``swapRecord: null`` means *only if there is none yet*."""
    account, sent = await _writer(request, sandbox)
    rkey = check_rkey(sent.get("rkey"))
    existing = sandbox.store.post(NAME, _uri(account, rkey))
    current = existing and existing.body["cid"]
    if "swapRecord" in sent and sent["swapRecord"] != current:
        raise XrpcError("InvalidSwap", f"Record was at {current or 'null'}")
    if existing is None:
        return _create(sandbox, account, rkey, sent["record"])
    return _replace(sandbox, existing, sent["record"])


def _create(sandbox: Sandbox, account: Account, rkey: str, record: Json) -> Json:
    cid = record_cid(record)
    added = sandbox.store.add_post(
        account,
        _uri(account, rkey),
        key=rkey,
        text=record["text"],
        body={"cid": cid, "record": record},
        created_at=record["createdAt"],
        media=files(record),
    )
    return _written(added, cid, changed=True)


def _replace(sandbox: Sandbox, existing: Post, record: Json) -> Json:
    cid = record_cid(record)
    changed = cid != existing.body["cid"]
    if changed:
        body = {"cid": cid, "record": record}
        sandbox.store.replace_post(existing, text=record["text"], body=body, media=files(record))
    return _written(existing, cid, changed=changed)


def _written(post: Post, cid: str, *, changed: bool) -> Json:
    commit = {"commit": {"cid": cid, "rev": tid()}} if changed else {}
    return {"uri": post.id, "cid": cid, "validationStatus": "valid", **commit}


@post("/com.atproto.repo.deleteRecord", status_code=200)
async def delete_record(request: Call, sandbox: Given) -> Json:
    """Remove a record; one that is not there is removed already."""
    account, sent = await _repo(request, sandbox)
    existing = sandbox.store.post(NAME, _uri(account, str(sent.get("rkey"))))
    if existing is None:
        return {}
    sandbox.store.delete_post(existing)
    return {"commit": {"cid": existing.body["cid"], "rev": tid()}}


@get("/com.atproto.repo.getRecord")
async def get_record(request: Call, sandbox: Given) -> Json:
    """One record; needs no sign-in."""
    asked = request.query_params
    account = _repository(sandbox, asked.get("repo", ""))
    uri = f"at://{account.id}/{asked.get('collection', '')}/{asked.get('rkey', '')}"
    found = sandbox.store.post(NAME, uri)
    if found is None:
        raise XrpcError("RecordNotFound", f"Could not locate record: {uri}")
    return _view(found)


@get("/com.atproto.repo.listRecords")
async def list_records(request: Call, sandbox: Given) -> Json:
    """The account's posts, the newest first; needs no sign-in."""
    account = _repository(sandbox, request.query_params.get("repo", ""))
    limit = min(int(request.query_params.get("limit", "50")), 100)
    posts = sandbox.store.timeline(NAME, account.id, limit=limit)
    wanted = request.query_params.get("collection") == COLLECTION
    return {"records": [_view(found) for found in posts if wanted]}


@get("/com.atproto.sync.getRepoStatus")
async def get_repo_status(request: Call, sandbox: Given) -> Json:
    """Whether an account is served here; needs no sign-in."""
    account = sandbox.store.account(NAME, request.query_params.get("did", ""))
    if account is None:
        raise XrpcError("RepoNotFound", "Could not find repo for DID")
    return {"did": account.id, **activity(sandbox, account)}


def _view(found: Post) -> Json:
    return {"uri": found.id, "cid": found.body["cid"], "value": found.body["record"]}


def _uri(account: Account, rkey: str) -> str:
    return f"at://{account.id}/{COLLECTION}/{rkey}"


async def _writer(request: Call, sandbox: Sandbox) -> tuple[Account, Json]:
    """The signed-in owner of the repository, and a request whose record has been checked."""
    account, sent = await _repo(request, sandbox)
    record = sent.get("record")
    if not isinstance(record, dict):
        raise XrpcError("InvalidRequest", 'Missing required key "record" at $')
    check_record(record)
    try:
        check_blobs(sandbox.store, account.id, record)
    except Unkept as missing:
        raise XrpcError(missing.error, missing.message) from None
    return account, sent


async def _repo(request: Call, sandbox: Sandbox) -> tuple[Account, Json]:
    account, _ = viewer(request, sandbox)
    if not activity(sandbox, account)["active"]:
        raise XrpcError("AccountDeactivated", "Account is deactivated", 401)
    sent = await read_json(request)
    if sent.get("repo") not in {account.id, account.handle}:
        raise XrpcError("AccountNotFound", "Account not found", 403)
    if sent.get("collection") != COLLECTION:
        raise XrpcError("InvalidRequest", f"The sandbox keeps no collection but {COLLECTION}")
    return account, sent


def _repository(sandbox: Sandbox, repo: str) -> Account:
    account = sandbox.store.account(NAME, repo)
    if account is None:
        raise XrpcError("InvalidRequest", f"Could not find repo: {repo}")
    return account


# --- views, and the router --------------------------------------------------------------------------------------------


@get("/app.bsky.actor.getProfile")
async def get_profile(request: Call, sandbox: Given) -> Json:
    """An account's public profile."""
    account = sandbox.store.account(NAME, request.query_params.get("actor", ""))
    if account is None:
        raise XrpcError("InvalidRequest", "Profile not found")
    return _profile(request, sandbox, account)


@get("/app.bsky.feed.getPosts")
async def get_posts(request: Call, sandbox: Given) -> Json:
    """Up to 25 posts with their counts, which are all 0 here: nobody else lives on the sandbox."""
    wanted = request.query_params.getall("uris", [])[:25]
    found = [sandbox.store.post(NAME, uri) for uri in wanted]
    return {"posts": [_post_view(request, sandbox, post) for post in found if post]}


def _post_view(request: Call, sandbox: Sandbox, found: Post) -> Json:
    counts = dict.fromkeys(("likeCount", "repostCount", "replyCount", "quoteCount"), 0)
    author = _profile(request, sandbox, sandbox.author(found))
    facts = {"uri": found.id, "cid": found.body["cid"], "record": found.body["record"]}
    return {**facts, "author": author, "indexedAt": timestamp(found.accepted_at), **counts}


def _profile(request: Call, sandbox: Sandbox, account: Account) -> Json:
    name = account.handle.removesuffix(DOMAIN)
    avatar = f"{sandbox.origin(request)}/avatar/{name}.svg"
    return {"did": account.id, "handle": account.handle, "displayName": name.title(), "avatar": avatar}


@get("/{method:str}")
async def unknown_query(method: FromPath[str]) -> None:
    """A query the sandbox does not know."""
    raise XrpcError("MethodNotImplemented", f"The sandbox does not know {method}", 501)


@post("/{method:str}")
async def unknown_procedure(method: FromPath[str]) -> None:
    """A procedure the sandbox does not know."""
    raise XrpcError("MethodNotImplemented", f"The sandbox does not know {method}", 501)


def answer_error(_: Call, error: XrpcError) -> Response[Mapping[str, str]]:
    """The error object every XRPC call answers with."""
    return Response({"error": error.error, "message": error.message}, status_code=error.status)


router = Router(
    path=f"/{NAME}/xrpc",
    route_handlers=[
        describe_server,
        create_session,
        refresh_session,
        get_session,
        get_service_auth,
        resolve_handle,
        upload_blob,
        get_upload_limits,
        upload_video,
        get_job_status,
        create_record,
        put_record,
        delete_record,
        get_record,
        list_records,
        get_repo_status,
        get_profile,
        get_posts,
        unknown_query,
        unknown_procedure,
    ],
    exception_handlers={XrpcError: answer_error},
)
