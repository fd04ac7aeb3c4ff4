"""The emulated video service: it works on a film for a while and then stores it on the PDS, whose address it shares here.

States and codes are those of the lexicons (app.bsky.video), words those that Bluesky's app reads; an upload is answered with the
bare job, as by the real service, though its lexicon wraps it.
"""

from dataclasses import asdict, dataclass

from litestar import Response, get, post

from platforms.sandbox.bluesky.rules import NAME, XrpcError
from platforms.sandbox.bluesky.sessions import activity
from platforms.sandbox.context import Call, Given, Json, Sandbox
from platforms.sandbox.quirks import Quirk
from platforms.sandbox.receiving import receive
from platforms.sandbox.values import SERVICE, Account, Blob

LARGEST = 300_000_000
"""Bytes of a film. The servers of Bluesky itself take it as large as that from the video service."""
DAILY = 25
"""Films of an account in any 24 hours."""
DAILY_BYTES = 10 * 1024**3
WORKS = 2.0
"""Seconds that a film is worked on, unless a fault or a quirk says otherwise."""
_DAY = 24 * 3600
_HOLDER = "video.service"
"""Who keeps a film until it is on its account's server."""
_STEPS = ("CREATED", "ENCODING", "ENCODED", "POLISHING", "SCANNING", "SCANNED", "UPLOADING", "UPLOADED")
"""On the way to the last state. One of them no lexicon lists, as clients have to expect."""


@dataclass(frozen=True, slots=True)
class Job:
    """The work on one film. ``failure`` is the code with which it ends, at ``ready_at``; ``error`` says more."""

    id: str
    account: str
    cid: str
    mime: str
    size: int
    made_at: float
    ready_at: float
    failure: str = ""
    error: str = ""


@get("/app.bsky.video.getUploadLimits")
async def get_upload_limits(request: Call, sandbox: Given) -> Json:
    """Whether the account may upload a film now, and how many more today."""
    account = _caller(request, sandbox, "app.bsky.video.getUploadLimits")
    left = max(0, _allowed(sandbox, account) - len(_today(sandbox, account)))
    told: Json = {"canUpload": True, "remainingDailyVideos": left, "remainingDailyBytes": DAILY_BYTES}
    if refusal := _refusal(sandbox, account):
        error, message = refusal
        told |= {"canUpload": False, "error": error, "message": message}
    return told


@post("/app.bsky.video.uploadVideo", status_code=200)
async def upload_video(request: Call, sandbox: Given) -> Response[Json]:
    """Take a film and begin to work on it; the same one again is the job that there is, unless that has failed."""
    account = _caller(request, sandbox, "com.atproto.repo.uploadBlob")
    _check(request, account)
    if refusal := _refusal(sandbox, account):
        raise XrpcError(refusal[1], refusal[1])
    blob = await receive(request.stream())
    if blob.size > LARGEST:
        words = f"file size ({blob.size} bytes) is larger than the maximum allowed size ({LARGEST} bytes)"
        raise XrpcError(words, words)
    known = _job(sandbox, str((sandbox.store.kept(NAME, _film(account, blob.cid)) or {}).get("job")))
    if known and not (known.failure and known.ready_at <= sandbox.store.clock()):
        return Response(_status(sandbox, known) | {"error": "already_exists", "message": "Video already exists"}, status_code=409)
    return Response(_status(sandbox, _begin(request, sandbox, account, blob)), status_code=200)


@get("/app.bsky.video.getJobStatus")
async def get_job_status(request: Call, sandbox: Given) -> Json:
    """How far the work is; needs no sign-in."""
    job = _job(sandbox, request.query_params.get("jobId", ""))
    if job is None:
        raise XrpcError("InvalidRequest", "Job not found")
    return {"jobStatus": _status(sandbox, job)}


# --- who may ----------------------------------------------------------------------------------------------------------


def _caller(request: Call, sandbox: Sandbox, method: str) -> Account:
    """The account that has made a token for this ``method`` of this host. Raises ``XrpcError``."""
    scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not bearer:
        raise XrpcError("AuthMissing", "Authentication Required", 401)
    token = sandbox.store.token(NAME, SERVICE, bearer)
    account = sandbox.store.account(NAME, token.account) if token else None
    if token is None or account is None:
        raise XrpcError("BadJwt", "poorly formatted jwt", 401)
    if token.expires_at <= sandbox.store.clock():
        raise XrpcError("JwtExpired", "jwt expired", 401)
    if token.facts["aud"] != f"did:web:{request.url.hostname}":
        raise XrpcError("BadJwtAudience", "jwt audience does not match service did", 401)
    if token.facts["lxm"] != method:
        raise XrpcError("BadJwtLexiconMethod", f'bad jwt lexicon method ("lxm"). must match: {method}', 401)
    return account


def _check(request: Call, account: Account) -> None:
    """Raises ``XrpcError`` for a request that is not about one of the account's own films."""
    asked = request.query_params
    if not asked.get("did") or not asked.get("name"):
        raise XrpcError("InvalidRequest", "did and name are required")
    if asked["did"] != account.id:
        raise XrpcError("InvalidRequest", "did does not match the token", 403)
    if request.headers.get("content-type") != "video/mp4":
        raise XrpcError("UnsupportedContentType", "Only video/mp4 is taken", 415)


def _refusal(sandbox: Sandbox, account: Account) -> tuple[str, str] | None:
    """Why the account may upload no film now: a name and a sentence."""
    if sandbox.quirks.has(NAME, Quirk.UNCONFIRMED, account.id):
        return "unconfirmed_email", "Confirm your email address to upload videos"
    if len(_today(sandbox, account)) >= _allowed(sandbox, account):
        return "daily_limit", "User has exceeded daily upload videos limit"
    return None


def _allowed(sandbox: Sandbox, account: Account) -> int:
    ordered = sandbox.quirks.seconds(NAME, Quirk.QUOTA, account.id)
    return DAILY if ordered is None else int(ordered)


def _today(sandbox: Sandbox, account: Account) -> list[float]:
    """When the account's films of the last 24 hours came."""
    kept = sandbox.store.kept(NAME, f"films of {account.id}") or {}
    return [at for at in kept.get("made_at", ()) if at > sandbox.store.clock() - _DAY]


# --- jobs -------------------------------------------------------------------------------------------------------------


def _begin(request: Call, sandbox: Sandbox, account: Account, blob: Blob) -> Job:
    now = sandbox.store.clock()
    failure, error = _fault(sandbox, account, blob)
    job = Job(
        id=f"job{sandbox.store.snowflake()}",
        account=account.id,
        cid=blob.cid,
        mime=blob.mime,
        size=blob.size,
        made_at=now,
        ready_at=now + _works(request, sandbox, account),
        failure=failure,
        error=error,
    )
    sandbox.store.add_blob(_HOLDER, blob)
    sandbox.store.keep(NAME, f"job {job.id}", asdict(job))
    sandbox.store.keep(NAME, _film(account, blob.cid), {"job": job.id})
    sandbox.store.keep(NAME, f"films of {account.id}", {"made_at": [*_today(sandbox, account), now]})
    return job


def _fault(sandbox: Sandbox, account: Account, blob: Blob) -> tuple[str, str]:
    """The code with which the work on ``blob`` will fail, and a detail; empty if it will not."""
    if blob.mime != "video/mp4":
        return "validation_failure", "unsupported_codec"
    if sandbox.quirks.has(NAME, Quirk.REFUSES_PROCESSED, account.id):
        return "encoding_failure", "failed to encode video"
    if not activity(sandbox, account)["active"]:
        return "pds_upload_failure", "failed to upload blob"
    return "", ""


def _works(request: Call, sandbox: Sandbox, account: Account) -> float:
    """Seconds until it has been worked on."""
    ordered = sandbox.quirks.seconds(NAME, Quirk.PROCESSES, account.id)
    return float(request.scope["state"].get("processing", WORKS if ordered is None else ordered))


def _film(account: Account, cid: str) -> str:
    return f"film {account.id} {cid}"


def _job(sandbox: Sandbox, job_id: str) -> Job | None:
    facts = sandbox.store.kept(NAME, f"job {job_id}")
    return Job(**facts) if facts else None


def _status(sandbox: Sandbox, job: Job) -> Json:
    """How far it is. When it is done, the film is on its account's server."""
    told = {"jobId": job.id, "did": job.account}
    now = sandbox.store.clock()
    if now < job.ready_at:
        done = (now - job.made_at) / (job.ready_at - job.made_at) * len(_STEPS)
        step = min(max(int(done), 0), len(_STEPS) - 1)
        return told | {"state": f"JOB_STATE_{_STEPS[step]}", "progress": int((done - step) * 100)}
    if job.failure:
        words = {"failureCode": job.failure, "error": job.error, "message": "Video processing failed"}
        return told | {"state": "JOB_STATE_FAILED"} | words
    sandbox.store.give_blob(job.cid, _HOLDER, job.account)
    blob = {"$type": "blob", "ref": {"$link": job.cid}, "mimeType": job.mime, "size": job.size}
    return told | {"state": "JOB_STATE_COMPLETED", "progress": 100, "blob": blob}
