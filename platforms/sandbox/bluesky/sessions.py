"""Signing in to the emulated PDS: app passwords, and sessions whose refresh tokens rotate (observed on PDS 0.5.35)."""

import re

from litestar import get, post
from litestar.exceptions import SerializationException

from platforms.sandbox.bluesky.rules import NAME, XrpcError, did
from platforms.sandbox.context import Call, Given, Json, Sandbox
from platforms.sandbox.quirks import Quirk
from platforms.sandbox.store import Store
from platforms.sandbox.values import DOMAIN, PASSWORD, SERVICE, Account

ACCESS_LASTS = 2 * 3600.0
REFRESH_LASTS = 90 * 24 * 3600.0
SERVICE_LASTS = 60.0
SERVICE_LONGEST = 3600.0
"""Seconds that a token for another service lasts, if nobody asks for more, and at most (PDS source, getServiceAuth)."""
GRACE = 2 * 3600.0
"""Seconds a used refresh token keeps yielding the same successor."""

_DIGITS = re.compile(r"\d{1,15}", re.ASCII)


@get("/com.atproto.server.describeServer")
async def describe_server(request: Call, sandbox: Given) -> Json:
    """What this PDS is; ``carillon.web`` says where its posts can be looked at."""
    return {
        "did": f"did:web:{request.url.hostname}",
        "availableUserDomains": [DOMAIN],
        "inviteCodeRequired": False,
        "carillon": {"web": _web(request, sandbox)},
    }


@post("/com.atproto.server.createSession", status_code=200)
async def create_session(request: Call, sandbox: Given) -> Json:
    """Sign in. A new handle under our domain comes into being with the sandbox's password."""
    sent = await read_json(request)
    handle, password = str(sent.get("identifier", "")).lstrip("@"), sent.get("password")
    account = sandbox.store.account(NAME, handle)
    if account is None and handle.endswith(DOMAIN) and password == PASSWORD:
        account = create_account(sandbox.store, handle, PASSWORD)
    if account is None or account.password != password:
        raise XrpcError("AuthenticationRequired", "Invalid identifier or password", 401)
    refresh = sandbox.store.issue(NAME, "refresh", account.id, lasts=REFRESH_LASTS)
    return _session(request, sandbox, account, refresh)


@post("/com.atproto.server.refreshSession", status_code=200)
async def refresh_session(request: Call, sandbox: Given) -> Json:
    """Rotate. The used token stays good for the grace time, if there is one, and then yields the same successor again."""
    account, bearer = viewer(request, sandbox, "refresh")
    used = sandbox.store.token(NAME, "refresh", bearer)
    successor = used and used.facts.get("successor")
    if used and not successor:
        successor = sandbox.store.issue(NAME, "refresh", account.id, lasts=REFRESH_LASTS)
        grace = 0.0 if sandbox.quirks.has(NAME, Quirk.ONCE_ONLY, account.id) else GRACE
        expires_at = min(used.expires_at, sandbox.store.clock() + grace)
        sandbox.store.amend_token(bearer, expires_at=expires_at, successor=successor)
    return _session(request, sandbox, account, str(successor))


@get("/com.atproto.server.getSession")
async def get_session(request: Call, sandbox: Given) -> Json:
    """Who the access token belongs to."""
    account, _ = viewer(request, sandbox)
    return _identity(request, sandbox, account)


@get("/com.atproto.identity.resolveHandle")
async def resolve_handle(request: Call, sandbox: Given) -> Json:
    """A handle's DID."""
    account = sandbox.store.account(NAME, request.query_params.get("handle", ""))
    if account is None:
        raise XrpcError("InvalidRequest", "Unable to resolve handle")
    return {"did": account.id}


@get("/com.atproto.server.getServiceAuth")
async def get_service_auth(request: Call, sandbox: Given) -> Json:
    """A token for another service: which one (``aud``), for which method there (``lxm``), and until when (``exp``)."""
    account, _ = viewer(request, sandbox)
    asked = request.query_params
    aud, lxm, exp = asked.get("aud", ""), asked.get("lxm", ""), asked.get("exp", "")
    if not aud.startswith("did:"):
        raise XrpcError("InvalidRequest", 'Error: Params must have the property "aud"')
    if exp and not _DIGITS.fullmatch(exp):
        raise XrpcError("InvalidRequest", "Error: exp must be an integer")
    lasts = int(exp) - sandbox.store.clock() if exp else SERVICE_LASTS
    if lasts < 0:
        raise XrpcError("BadExpiration", "expiration is in past")
    if lasts > SERVICE_LONGEST:
        raise XrpcError("BadExpiration", "cannot request a token with an expiration more than an hour in the future")
    return {"token": sandbox.store.issue(NAME, SERVICE, account.id, lasts=lasts, aud=aud, lxm=lxm)}


def create_account(store: Store, handle: str, password: str) -> Account:
    """A new user of the emulated Bluesky, or the one with that handle; a bare name gets our domain."""
    full = handle if "." in handle else handle + DOMAIN
    return store.add_account(NAME, did(full), full, password)


def activity(sandbox: Sandbox, account: Account) -> Json:
    """Whether the account is awake. One that its person has put to sleep can sign in, and not write."""
    asleep = sandbox.quirks.has(NAME, Quirk.DEACTIVATED, account.id)
    return {"active": False, "status": "deactivated"} if asleep else {"active": True}


def viewer(request: Call, sandbox: Sandbox, kind: str = "access") -> tuple[Account, str]:
    """The account behind the bearer token, and the token. Raises ``XrpcError``."""
    scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not bearer:
        raise XrpcError("AuthMissing", "Authentication Required", 401)
    token = sandbox.store.token(NAME, kind, bearer)
    account = sandbox.store.account(NAME, token.account) if token else None
    if token is None or account is None:
        raise XrpcError("InvalidToken", "Token could not be verified")
    if token.expires_at <= sandbox.store.clock():
        raise XrpcError("ExpiredToken", "Token has been revoked" if "successor" in token.facts else "Token has expired")
    return account, bearer


def _session(request: Call, sandbox: Sandbox, account: Account, refresh: str) -> Json:
    access = sandbox.store.issue(NAME, "access", account.id, lasts=ACCESS_LASTS)
    return {**_identity(request, sandbox, account), "accessJwt": access, "refreshJwt": refresh}


def _identity(request: Call, sandbox: Sandbox, account: Account) -> Json:
    endpoint = {"type": "AtprotoPersonalDataServer", "serviceEndpoint": _web(request, sandbox)}
    document = {
        "@context": ["https://www.w3.org/ns/did/v1"],
        "id": account.id,
        "alsoKnownAs": [f"at://{account.handle}"],
        "service": [{"id": "#atproto_pds", **endpoint}],
    }
    return {"did": account.id, "handle": account.handle, "didDoc": document, **activity(sandbox, account)}


def _web(request: Call, sandbox: Sandbox) -> str:
    return f"{sandbox.origin(request)}/{NAME}"


async def read_json(request: Call) -> Json:
    """The request's JSON object. Raises ``XrpcError``."""
    try:
        sent = await request.json()
    except SerializationException:
        sent = None
    if not isinstance(sent, dict):
        raise XrpcError("InvalidRequest", "Request body must be a JSON object")
    return sent
