"""Connecting an account: every Mastodon server is its own authorisation server, so we register with each.

OAuth 2 with PKCE (S256), which servers before 4.3 ignore. Tokens do not expire, and there is no refresh token
(Mastodon documentation, methods/apps and methods/oauth).
"""

from collections.abc import Mapping
from urllib.parse import urlencode

import httpx

from platforms.base import Authorization, Candidate, Consent, Field, Session, Tokens
from platforms.errors import ContentRejected, Misconfigured, PlatformError
from platforms.http import reading
from platforms.mastodon.api import ENGLISH, odd_reply, read
from platforms.mastodon.errors import NAME, refused
from platforms.mastodon.limits import SCOPES, read_limits
from platforms.mastodon.reply import json_object, remote_id, text_of, web_address
from platforms.mastodon.server import origin
from platforms.oauth import challenge, granted, verifier

CLIENT_NAME = "Carillon"
"""Shown under every status, and the mark by which ``reconcile`` tells our statuses from others."""
WEBSITE = "https://github.com/carillon-social/carillon"
SCOPE = " ".join(SCOPES)


class MastodonConnector:
    """The ``RegisteringConnector`` of Mastodon."""

    app_fields: tuple[Field, ...] = ()

    fields: tuple[Field, ...] = (
        Field(
            "server",
            "Server",
            placeholder="mastodon.social",
            hint="The server your account lives on. Your full handle works too.",
        ),
    )

    def server(self, answers: Mapping[str, str]) -> str:
        """See :func:`platforms.mastodon.server.origin`."""
        return origin(answers.get("server", ""))

    async def register(
        self, http: httpx.AsyncClient, answers: Mapping[str, str], *, redirect_uri: str
    ) -> tuple[str, dict[str, str]]:
        """Register this installation. Raises ``Rejected`` if that is no Mastodon server, ``Transient``."""
        server = self.server(answers)
        form = {"client_name": CLIENT_NAME, "redirect_uris": redirect_uri, "scopes": SCOPE, "website": WEBSITE}
        response = await _post(http, f"{server}/api/v1/apps", form)
        app = {name: text_of(json_object(response), name) for name in ("client_id", "client_secret")}
        if not response.is_success or not all(app.values()):
            raise _not_registered(response)
        return server, app

    async def begin(
        self,
        http: httpx.AsyncClient,  # noqa: ARG002 - the contract's signature
        server: str,
        app: Mapping[str, str],
        *,
        answers: Mapping[str, str],  # noqa: ARG002
        redirect_uri: str,
        state: str,
    ) -> Authorization:
        """The consent page's address; the verifier stays with us."""
        kept = verifier()
        query = {
            "response_type": "code",
            "client_id": app["client_id"],
            "redirect_uri": redirect_uri,
            "scope": SCOPE,
            "state": state,
            "code_challenge": challenge(kept),
            "code_challenge_method": "S256",
        }
        return Authorization(f"{server}/oauth/authorize?{urlencode(query)}", {"verifier": kept})

    async def exchange(
        self,
        http: httpx.AsyncClient,
        server: str,
        app: Mapping[str, str],
        *,
        redirect_uri: str,
        secret: Mapping[str, str],
        query: Mapping[str, str],
    ) -> Consent:
        """Token, profile and limits. Raises ``Rejected`` for a refusal and a used or foreign code, ``Transient``, and
        ``Misconfigured`` with code ``invalid_client`` if the server has forgotten ``app``: register again.
        """
        form = {
            "grant_type": "authorization_code",
            "code": granted(NAME, query),
            "client_id": app["client_id"],
            "client_secret": app["client_secret"],
            "redirect_uri": redirect_uri,
            "scope": SCOPE,
            "code_verifier": secret["verifier"],
        }
        response = await _post(http, f"{server}/oauth/token", form)
        if not response.is_success:
            raise _no_token(response)
        if not (token := text_of(json_object(response), "access_token")):
            raise odd_reply(response)
        return await _connected(http, server, token)


async def _post(http: httpx.AsyncClient, url: str, form: Mapping[str, str]) -> httpx.Response:
    """Neither request changes anything that others see, so a lost answer is simply ``Unavailable``."""
    with reading(NAME):
        return await http.post(url, params=ENGLISH, data=dict(form))


async def _connected(http: httpx.AsyncClient, server: str, token: str) -> Consent:
    session = Session(server=server, remote_id="", handle="", tokens={"access": token}, limits={}, http=http)
    response = await read(session, "/api/v1/accounts/verify_credentials")
    account = json_object(response)
    found, username = remote_id(account), text_of(account, "username")
    if not found or not username:
        raise odd_reply(response)
    limits = await read_limits(session)
    profile = Candidate(
        remote_id=found,
        handle=f"{username}@{limits['domain'] or httpx.URL(server).netloc.decode()}",
        display_name=text_of(account, "display_name") or username,
        avatar_url=web_address(account, "avatar"),
        limits=limits,
    )
    return Consent(server, found, Tokens(dict(session.tokens)), (profile,))


def _not_registered(response: httpx.Response) -> PlatformError:
    if _may_pass(response):
        return refused(response, "read")
    if response.is_redirect:
        message = "This server sends us on to another address. Type the address your browser shows when you are there."
    else:
        message = "No Mastodon server answers there. Check the name."
    return ContentRejected(NAME, "not_mastodon", message, status=response.status_code)


def _no_token(response: httpx.Response) -> PlatformError:
    if _may_pass(response):
        return refused(response, "read")
    if text_of(json_object(response), "error") == "invalid_client":
        message = "The server has forgotten Carillon. Start again."
        return Misconfigured(NAME, "invalid_client", message, status=response.status_code)
    message = "The server did not accept the sign-in. Start again from the connect page."
    return ContentRejected(NAME, "code_refused", message, status=response.status_code)


def _may_pass(response: httpx.Response) -> bool:
    return response.is_server_error or response.status_code == httpx.codes.TOO_MANY_REQUESTS
