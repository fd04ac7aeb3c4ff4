"""Connecting to the emulated Mastodon: app registration, the consent page, codes with PKCE, tokens that do not expire."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from litestar import Response, get, post
from litestar.exceptions import SerializationException
from litestar.response import Redirect

from platforms.sandbox.context import Call, Given, Json, Sandbox
from platforms.sandbox.mastodon.rules import ApiError
from platforms.sandbox.mastodon.server import server
from platforms.sandbox.store import Store
from platforms.sandbox.templating import page
from platforms.sandbox.values import PASSWORD, Account, Token

CODE_LASTS = 600.0
TOKEN_LASTS = 100 * 365 * 24 * 3600.0
"""Seconds. Mastodon's tokens do not expire; a century is as good."""


@post("/api/v1/apps", status_code=200)
async def register_app(request: Call, sandbox: Given) -> Json:
    """Register a client; every registration gets its own id and secret."""
    sent = await read_body(request)
    uris = sent.get("redirect_uris") or ""
    listed = uris if isinstance(uris, list) else str(uris).split()
    if not sent.get("client_name") or not listed:
        raise ApiError(422, "Validation failed: Name can't be blank, Redirect URI can't be blank")
    facts = {
        "name": sent["client_name"],
        "website": sent.get("website"),
        "scopes": str(sent.get("scopes") or "read").split(),
        "redirect_uris": listed,
        "client_secret": secrets.token_urlsafe(32),
        "client_secret_expires_at": 0,
    }
    client_id = secrets.token_urlsafe(32)
    sandbox.store.add_app(client_id, facts)
    return {"id": client_id[:8], "client_id": client_id, "redirect_uri": "\n".join(listed), **facts}


@get("/oauth/authorize")
async def consent_page(request: Call, sandbox: Given) -> Response[str]:
    """Ask the person; a request that no registered app could have made is refused here."""
    asked = dict(request.query_params)
    return page(sandbox, "mastodon/consent.html", server=server(request).name, asked=asked, app=_asking_app(sandbox, asked))


@post("/oauth/authorize", status_code=302)
async def allow(request: Call, sandbox: Given) -> Redirect:
    """The person pressed *Allow*: back to the app with a code. A new username comes into being."""
    asked = await read_body(request)
    _asking_app(sandbox, asked)
    account = create_account(sandbox.store, server(request).name, str(asked.get("username") or "you"))
    kept = ("client_id", "redirect_uri", "scope", "code_challenge")
    facts = {name: asked.get(name) for name in kept}
    code = sandbox.store.issue(server(request).name, "code", account.id, lasts=CODE_LASTS, **facts)
    query = urlencode({"code": code, "state": asked.get("state", "")})
    return Redirect(f"{asked['redirect_uri']}?{query}", status_code=302)


def _asking_app(sandbox: Sandbox, asked: Mapping[str, Any]) -> Json:
    app = sandbox.store.app(str(asked.get("client_id")))
    if app is None:
        raise ApiError(401, "invalid_client", "Client authentication failed due to unknown client.")
    if asked.get("redirect_uri") not in app["redirect_uris"]:
        raise ApiError(400, "invalid_request", "The redirect uri included is not valid.")
    if not set(str(asked.get("scope") or "read").split()) <= set(app["scopes"]):
        raise ApiError(400, "invalid_scope", "The requested scope is invalid, unknown, or malformed.")
    return app


@post("/oauth/token", status_code=200)
async def token(request: Call, sandbox: Given) -> Json:
    """Exchange a code, once. The same app and person get the same token as before (Doorkeeper's reuse_access_token)."""
    sent = await read_body(request)
    if sent.get("grant_type") != "authorization_code":
        raise ApiError(400, "unsupported_grant_type", "The authorization grant type is not supported.")
    app = _client(sandbox, sent, ApiError(401, "invalid_client", "Client authentication failed."))
    code = sandbox.store.token(server(request).name, "code", str(sent.get("code")))
    if code is None or code.expires_at <= sandbox.store.clock() or not _fits(code, sent):
        raise ApiError(400, "invalid_grant", "The provided authorization grant is invalid, expired or revoked.")
    sandbox.store.drop_token(code.token)
    scope = code.facts["scope"] or "read"
    access = _access_token(sandbox, server(request).name, code.account, sent["client_id"], app["name"], scope)
    return {"access_token": access, "token_type": "Bearer", "scope": scope, "created_at": int(sandbox.store.clock())}


def _fits(code: Token, sent: Mapping[str, Any]) -> bool:
    """Whether the code was made for this client and redirect, and the verifier matches its challenge (RFC 7636, S256)."""
    same = all(code.facts[name] == sent.get(name) for name in ("client_id", "redirect_uri"))
    challenge = code.facts["code_challenge"]
    digest = hashlib.sha256(str(sent.get("code_verifier", "")).encode()).digest()
    return same and (not challenge or base64.urlsafe_b64encode(digest).decode().rstrip("=") == challenge)


def _access_token(sandbox: Sandbox, platform: str, account: str, client_id: str, app: str, scope: str) -> str:
    for found in sandbox.store.tokens(platform, "access", account):
        if (found.facts["client_id"], found.facts["scope"]) == (client_id, scope):
            return found.token
    facts = {"client_id": client_id, "app": app, "scope": scope}
    return sandbox.store.issue(platform, "access", account, lasts=TOKEN_LASTS, **facts)


@post("/oauth/revoke", status_code=200)
async def revoke(request: Call, sandbox: Given) -> Json:
    """Withdraw a token; an unknown one is withdrawn already."""
    sent = await read_body(request)
    _client(sandbox, sent, ApiError(403, "unauthorized_client", "You are not authorized to revoke this token"))
    sandbox.store.drop_token(str(sent.get("token")))
    return {}


def _client(sandbox: Sandbox, sent: Mapping[str, Any], otherwise: ApiError) -> Json:
    app = sandbox.store.app(str(sent.get("client_id")))
    if app is None or not hmac.compare_digest(app["client_secret"], str(sent.get("client_secret"))):
        raise otherwise
    return app


def create_account(store: Store, platform: str, handle: str) -> Account:
    """A new user of one of the servers that speak Mastodon's API, or the one with that handle."""
    return store.add_account(platform, store.snowflake(), handle, PASSWORD)


def viewer(request: Call, sandbox: Sandbox, scope: str) -> tuple[Account, Token]:
    """The account behind the bearer token, which must have ``scope``. Raises ``ApiError``."""
    bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
    found = sandbox.store.token(server(request).name, "access", bearer)
    account = sandbox.store.account(server(request).name, found.account) if found else None
    if found is None or account is None:
        raise ApiError(401, "The access token is invalid")
    if found.expires_at <= sandbox.store.clock():
        raise ApiError(401, "The access token expired")
    if not {scope, scope.partition(":")[0]} & set(found.facts["scope"].split()):
        raise ApiError(403, "This action is outside the authorized scopes")
    return account, found


async def read_body(request: Call) -> Json:
    """The request's JSON object or form fields; ``name[]`` becomes a list called ``name``. Raises ``ApiError``."""
    if "json" in request.headers.get("content-type", ""):
        return await _json(request)
    form = await request.form()
    single = {name: value for name, value in form.items() if not name.endswith("[]")}
    return single | {name[:-2]: form.getall(name) for name in form if name.endswith("[]")}


async def _json(request: Call) -> Json:
    try:
        sent = await request.json()
    except SerializationException:
        sent = None
    if not isinstance(sent, dict):
        raise ApiError(400, "Error occurred while parsing request parameters")
    return sent
