"""Who is asking, and the headers that keep a browser safe."""

import hashlib
import hmac
from collections.abc import Awaitable, Callable
from typing import Any

from litestar import Request
from litestar.config.csrf import CSRFConfig
from litestar.connection import ASGIConnection
from litestar.datastructures import Cookie, MutableScopeHeaders
from litestar.di import NamedDependency
from litestar.exceptions import NotAuthorizedException, PermissionDeniedException
from litestar.middleware.authentication import AbstractAuthenticationMiddleware, AuthenticationResult
from litestar.types import BeforeMessageSendHookHandler, Message, Scope

from app import runtime
from app.models import Member, Workspace
from app.services.people import users
from app.services.people.users import Identity
from app.settings import Settings
from app.storage.clients import origins

Asking = Request[Identity | None, str, Any]
"""A request with ``user``: the signed-in person, if there is one; ``auth`` is the cookie's token."""

Me = NamedDependency[Identity]
"""The signed-in person, as handlers ask for it."""
Here = NamedDependency[Workspace]
"""The person's workspace, as handlers ask for it."""
Place = NamedDependency[Member]
"""The person's place in it, as handlers behind :class:`OnlyMembers` ask for it."""

COOKIE = "carillon_session"
_CSRF_COOKIE = "carillon_csrf"
_CSRF_HEADER = "X-CSRFToken"


class SignedIn(AbstractAuthenticationMiddleware):
    """Finds out whose cookie it is; a stranger's visit goes on too."""

    _ask: Callable[[str], Awaitable[Identity | Member | None]] = staticmethod(users.identify)

    async def authenticate_request(self, connection: ASGIConnection[Any, Any, Any, Any]) -> AuthenticationResult:
        settings = runtime.current().settings
        token = connection.cookies.get(cookie_name(COOKIE, settings), "")
        forgery = connection.headers.get(_CSRF_HEADER, "") + connection.cookies.get(cookie_name(_CSRF_COOKIE, settings), "")
        if not forgery.isascii():  # Litestar compares them with a function that takes no other letters
            raise PermissionDeniedException
        return AuthenticationResult(user=await self._ask(token) if token else None, auth=token)


class OnlySignedIn(SignedIn):
    """Sends strangers to the sign-in page (see ``failures``), before a single byte of what they bring is read."""

    async def authenticate_request(self, connection: ASGIConnection[Any, Any, Any, Any]) -> AuthenticationResult:
        found = await super().authenticate_request(connection)
        if found.user is None:
            raise NotAuthorizedException
        return found


class OnlyMembers(OnlySignedIn):
    """The same, for what is asked for again and again: who it is, is not looked up, only their place in a workspace."""

    _ask = staticmethod(users.membership)


def provide_member(request: Request[Any, Any, Any]) -> Member:
    """The signed-in person's place, for handlers behind :class:`OnlyMembers`."""
    if not isinstance(request.user, Member):
        raise NotAuthorizedException
    return request.user


def provide_identity(request: Request[Any, Any, Any]) -> Identity:
    """The signed-in person, for handlers behind :class:`OnlySignedIn`."""
    if not isinstance(request.user, Identity):
        raise NotAuthorizedException
    return request.user


def provide_workspace(identity: NamedDependency[Identity]) -> Workspace:
    """The workspace that everything a handler does belongs to."""
    return identity.workspace


def session_cookie(token: str, settings: Settings) -> Cookie:
    """The cookie of a browser that stays signed in; an empty token takes it away. ``Secure`` is added by :func:`protect`."""
    return Cookie(
        key=cookie_name(COOKIE, settings),
        value=token,
        max_age=users.SESSION_DAYS * 86400 if token else 0,
        httponly=True,
        samesite="lax",
    )


def cookie_name(base: str, settings: Settings) -> str:
    """``base`` with a mark of the secret key.

    Browsers share cookies between ports. Two installations on one machine would overwrite each other's, and after a change of the
    key the old CSRF cookie would be held against every form until the browser is closed.
    """
    mark = hmac.new(settings.secret_key.get_secret_value().encode(), b"cookie name", hashlib.sha256).hexdigest()
    return f"{base}_{mark[:8]}"


def csrf_config(settings: Settings) -> CSRFConfig:
    """Every form carries ``_csrf_token``, every htmx request may send it as a header; machines' routes are only read."""
    secret = hmac.new(settings.secret_key.get_secret_value().encode(), b"csrf", hashlib.sha256).hexdigest()
    name = cookie_name(_CSRF_COOKIE, settings)
    return CSRFConfig(secret=secret, cookie_name=name, header_name=_CSRF_HEADER, cookie_httponly=True)


def protect(settings: Settings) -> BeforeMessageSendHookHandler:
    """A ``before_send`` hook: security headers on every answer, and ``Secure`` on every cookie where people use https.

    ``form-action`` allows other https servers, because connecting an account ends on the network's consent page, and browsers
    apply the directive to redirects after a form too. Browsers put files straight into the bucket, if there is one, and show what
    they are about to put there (``blob:``).
    """
    bucket = "".join(f" {origin}" for origin in origins(settings))
    policy = "; ".join(
        [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self' https: data: blob:" + (" http:" if settings.allow_private_hosts else bucket),
            "media-src 'self'",
            "connect-src 'self'" + bucket,
            "base-uri 'none'",
            "form-action 'self' https:" + (" http:" if settings.allow_private_hosts else ""),
            "frame-ancestors 'none'",
        ]
    )
    https = (settings.public_url or "").startswith("https://")

    async def hook(message: Message, scope: Scope) -> None:
        if message["type"] != "http.response.start":
            return
        headers = MutableScopeHeaders.from_message(message)
        headers.setdefault("Content-Security-Policy", policy)
        headers.setdefault("X-Content-Type-Options", "nosniff")
        headers.setdefault("Referrer-Policy", "same-origin")
        headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
        if https or scope["scheme"] == "https":
            headers.setdefault("Strict-Transport-Security", "max-age=31536000")
            message["headers"] = [_secure(name, value) for name, value in message["headers"]]

    return hook


def _secure(name: bytes, value: bytes) -> tuple[bytes, bytes]:
    if name.lower() == b"set-cookie" and b"secure" not in value.lower():
        value += b"; Secure"
    return name, value
