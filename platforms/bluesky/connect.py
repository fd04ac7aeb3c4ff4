"""Connecting an account with its handle and an app password."""

import json
import unicodedata
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import httpx

from platforms.base import Candidate, Consent, Field, Tokens
from platforms.bluesky import lexicon
from platforms.bluesky.errors import ODD_REPLY, PLATFORM, not_active
from platforms.bluesky.files import FILMS
from platforms.bluesky.xrpc import Xrpc
from platforms.errors import PlatformError, ReconnectNeeded, Rejected, Unavailable
from platforms.http import is_local

DEFAULT_SERVER = "https://bsky.social"
_APP_PASSWORD = "Settings → Privacy and security → App passwords"  # noqa: S105
_SENTENCES = {
    "AuthenticationRequired": f"Handle and app password do not match. Make a new app password in Bluesky under {_APP_PASSWORD}.",
    "AuthFactorTokenRequired": f"This account asks for a code at sign-in. Use an app password instead: {_APP_PASSWORD}.",
    "AccountTakedown": not_active("takendown"),
    "AccountDeactivated": not_active("deactivated"),
}
_OTHERWISE = "The server did not accept this sign-in. Check the handle and the server's address."
_LONGEST_NAME = 640
"""Characters; lexicon app.bsky.actor.profile."""
_LONGEST_ADDRESS = 2000
"""Characters of the address of a picture or a page."""
_EARLY = timedelta(minutes=10)
"""So long before its end an access token is not used any more; it lasts two hours."""
_NO_SERVER = "This is not the address of a Bluesky server."


class AppPassword:
    """Asks for handle, app password and server; ``createSession`` turns them into tokens, the password is not kept."""

    app_fields: tuple[Field, ...] = ()
    fields: tuple[Field, ...] = (
        Field("handle", "Handle", placeholder="you.bsky.social"),
        Field(
            "password",
            "App password",
            type="password",
            placeholder="xxxx-xxxx-xxxx-xxxx",
            hint=f"Not your main password. Make one in Bluesky: {_APP_PASSWORD}.",
            secret=True,
        ),
        Field("server", "Server", type="url", default=DEFAULT_SERVER, hint="Only change this if you host your own."),
    )

    async def connect(self, http: httpx.AsyncClient, answers: Mapping[str, str]) -> Consent:
        """Sign in once; see :class:`platforms.base.PasswordConnector`."""
        server = _base_url(answers.get("server") or DEFAULT_SERVER)
        session = await _sign_in(http, server, answers)
        if not session.activity.active:
            raise Rejected(PLATFORM, "AccountInactive", not_active(session.activity.reason))
        home = Xrpc(http, _base_url(session.pds) if session.pds else server, session.tokens["access"])
        name, avatar_url = await _profile(home, session)
        profile = Candidate(session.did, session.handle, name, avatar_url, await server_limits(home))
        return Consent(home.server, session.did, lasting(session.tokens), (profile,))


def lasting(tokens: Mapping[str, str]) -> Tokens:
    """With what they say of their ends: two hours for the one, some months for the other, and nothing that is guessed."""
    access, refresh = (lexicon.ends_at(tokens.get(name, "")) for name in ("access", "refresh"))
    return Tokens(tokens, expires_at=refresh, refresh_at=access - _EARLY if access else None)


async def server_limits(server: Xrpc) -> dict[str, Any]:
    """What the server says about itself: ``blob_bytes``, its largest upload, and ``web``, where its posts are shown."""
    answer = await server.query(lexicon.ids.ComAtprotoServerDescribeServer, lexicon.json_object)
    limits: dict[str, Any] = {}
    if largest := blob_bytes(answer.get("blobUploadLimit")):
        limits["blob_bytes"] = largest
    sandbox = answer.get("carillon")
    if isinstance(sandbox, dict) and (web := _web_address(sandbox.get("web"))):
        limits["web"] = web.rstrip("/")
    return limits


def blob_bytes(value: Any) -> int | None:
    """``value`` if it can be the size of the largest upload, in bytes: no record takes a larger file than a film."""
    if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
        return None
    return min(value, FILMS.max_bytes)


async def _sign_in(http: httpx.AsyncClient, server: str, answers: Mapping[str, str]) -> lexicon.SignedIn:
    body = json.dumps({"identifier": _handle(answers.get("handle", "")), "password": answers.get("password", "").strip()})
    try:
        return await Xrpc(http, server).procedure(
            lexicon.ids.ComAtprotoServerCreateSession, lexicon.signed_in, body.encode(), "application/json"
        )
    except (ReconnectNeeded, Rejected) as error:
        raise _rejected(error, _SENTENCES.get(error.code, _OTHERWISE)) from None
    except Unavailable as error:
        if error.code != ODD_REPLY or (error.status or 0) >= httpx.codes.INTERNAL_SERVER_ERROR:
            raise
        raise _rejected(error, _NO_SERVER) from None


async def _profile(server: Xrpc, session: lexicon.SignedIn) -> tuple[str, str | None]:
    """Name and picture. Asked for politely: a server without an AppView behind it has none (it answers 502)."""
    try:
        profile = await server.query(lexicon.ids.AppBskyActorGetProfile, lexicon.json_object, actor=session.did)
    except PlatformError:
        return session.handle, None
    name = profile.get("displayName")
    shown = name.strip()[:_LONGEST_NAME] if isinstance(name, str) else ""
    return shown or session.handle, _web_address(profile.get("avatar"))


def _handle(typed: str) -> str:
    """The handle as the server knows it: pasted ones carry an ``@`` or invisible direction marks."""
    visible = "".join(letter for letter in typed if unicodedata.category(letter) != "Cf")
    return visible.strip().removeprefix("@").lower()


def _base_url(address: str) -> str:
    """What comes before ``/xrpc``: usually just an origin, with a path where a server is mounted under one.

    User, query and fragment of what was typed are dropped. Raises ``Rejected`` if it is no address of a host.
    """
    typed = address.strip()
    try:
        url = httpx.URL(typed if "://" in typed else f"https://{typed}")
    except httpx.InvalidURL:
        url = httpx.URL("")
    if url.scheme not in ("http", "https") or not url.host or "%" in url.host:
        raise Rejected(PLATFORM, "no_server", _NO_SERVER)
    if url.scheme == "http" and not is_local(url.host):
        raise Rejected(PLATFORM, "not_encrypted", "Use https:// for this server, so that nobody can read the password.")
    return f"{url.scheme}://{url.netloc.decode()}{url.path.rstrip('/')}"


def _web_address(value: Any) -> str | None:
    """``value`` if it may be put into a page as an address."""
    usable = isinstance(value, str) and len(value) <= _LONGEST_ADDRESS and value.startswith(("https://", "http://"))
    return value if usable else None


def _rejected(error: PlatformError, message: str) -> Rejected:
    return Rejected(PLATFORM, error.code, message, status=error.status)
