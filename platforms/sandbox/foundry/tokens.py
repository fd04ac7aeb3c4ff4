"""Signing in: a name and a password for a token, which renews itself as long as it is good, and never after."""

from litestar import get, post
from litestar.exceptions import SerializationException

from platforms.sandbox.context import Call, Given, Json, Sandbox, timestamp
from platforms.sandbox.foundry.rules import NAME, TOKEN_LASTS, ApiError
from platforms.sandbox.store import Store
from platforms.sandbox.values import PASSWORD, Account


@post("/v1/tokens", status_code=200)
async def sign_in(request: Call, sandbox: Given) -> Json:
    """A token. A new name comes into being with the sandbox's password."""
    sent = await read_body(request)
    name, password = str(sent.get("name", "")), sent.get("password")
    account = sandbox.store.account(NAME, name)
    if account is None and name.isidentifier() and password == PASSWORD:
        account = create_account(sandbox.store, name, PASSWORD)
    if account is None or account.password != password:
        raise ApiError(190, "wrong_password", "The name or the password is wrong.", status=401)
    return {**_token(sandbox, account), **_identity(account)}


@post("/v1/tokens/renew", status_code=200)
async def renew(request: Call, sandbox: Given) -> Json:
    """A token for sixty days more; the old one stays good until its own end."""
    return _token(sandbox, viewer(request, sandbox))


@get("/v1/me")
async def me(request: Call, sandbox: Given) -> Json:
    """Who the token belongs to."""
    return _identity(viewer(request, sandbox))


def _token(sandbox: Sandbox, account: Account) -> Json:
    access = sandbox.store.issue(NAME, "access", account.id, lasts=TOKEN_LASTS)
    return {"access": access, "expires_at": timestamp(sandbox.store.clock() + TOKEN_LASTS)}


def _identity(account: Account) -> Json:
    return {"id": account.id, "name": account.handle}


def create_account(store: Store, name: str, password: str) -> Account:
    """A new founder, or the one with that name."""
    return store.add_account(NAME, store.snowflake(), name, password)


def viewer(request: Call, sandbox: Sandbox) -> Account:
    """The account behind the bearer token. Raises ``ApiError``."""
    bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
    found = sandbox.store.token(NAME, "access", bearer)
    account = sandbox.store.account(NAME, found.account) if found else None
    if found is None or account is None:
        raise ApiError(190, "token_invalid", "Error validating access token: it is not one of ours.", status=401)
    if found.expires_at <= sandbox.store.clock():
        raise ApiError(190, "token_expired", "Error validating access token: the session has expired.", status=401)
    return account


async def read_body(request: Call) -> Json:
    """The request's JSON object or form fields. Raises ``ApiError``."""
    if "json" not in request.headers.get("content-type", ""):
        return dict((await request.form()).items())
    try:
        sent = await request.json()
    except SerializationException:
        sent = None
    if not isinstance(sent, dict):
        raise ApiError(100, "no_object", "The body must be a JSON object.")
    return sent
