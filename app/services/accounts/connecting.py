"""Connecting accounts: with a password, through a network's consent page, or to the sandbox networks."""

import asyncio
import hashlib
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any, cast

import httpx
from pymongo.errors import DuplicateKeyError

from app import runtime
from app.engine import deliveries, grants
from app.errors import Invalid, NotFound
from app.models import Account, AccountState, Delivery, PendingConnection, Registration, State, User, Workspace, now, reading
from app.queries import equal
from app.sealing import SealBroken
from platforms import REGISTRY
from platforms.base import Adapter, Connected, OAuthConnector, PasswordConnector
from platforms.errors import Misconfigured, PlatformError, Remedy
from platforms.sandbox.connect import connect_all

CONSENT_TIME = timedelta(minutes=30)
"""How long a person may take on the network's consent page."""
PATIENCE = 30.0
"""Seconds that a server may take for all it is asked while an account is connected, however it drips its answers."""


async def connect(workspace: Workspace, platform: str, answers: Mapping[str, str]) -> Account:
    """Connect with what the person typed. Raises ``Invalid`` with the network's reason, ``NotFound`` for an unknown platform."""
    connector = _adapter(platform).connector
    if not hasattr(connector, "connect"):
        raise NotFound
    async with _asking() as http:
        connected = await cast(PasswordConnector, connector).connect(http, answers)
    return await _save(workspace, platform, connected)


async def begin(workspace: Workspace, user: User, platform: str, answers: Mapping[str, str], *, redirect_uri: str) -> str:
    """Start an OAuth connection; returns the consent page's address. Raises ``Invalid``, ``NotFound``.

    ``redirect_uri`` is completed by a mark of the server. Otherwise a server that lies about its consent page could send a person
    to another one's, and get hold of the code meant for that.
    """
    connector = _oauth(platform)
    async with _asking() as http:
        redirect_uri = f"{redirect_uri}/{_mark(platform, connector.server(answers))}"
        server, app = await _registration(http, platform, connector, answers, redirect_uri)
    state = secrets.token_urlsafe(24)
    authorization = connector.authorize(server, app, redirect_uri=redirect_uri, state=state)
    await PendingConnection(
        state_hash=_hash(state),
        workspace_id=workspace.id,
        user_id=user.id,
        platform=platform,
        server=server,
        redirect_uri=redirect_uri,
        sealed=runtime.current().sealer.seal(authorization.secret),
        expires_at=now() + CONSENT_TIME,
    ).insert()
    return authorization.url


async def finish(workspace: Workspace, user: User, *, mark: str, state: str, code: str) -> Account:
    """The person came back from the consent page of the server with ``mark``.

    ``state`` is good once, for the user, workspace and server it began with. Raises ``Invalid``.
    """
    pending = await _take_pending(workspace, user, state)
    if not secrets.compare_digest(mark.encode(), _mark(pending.platform, pending.server).encode()):
        raise Invalid({"": "Another server answered than the one that was asked. Please start again."})
    connector, parts = _oauth(pending.platform), runtime.current()
    registration = await _find_registration(pending.platform, pending.server, pending.redirect_uri)
    if registration is None:
        raise Invalid({"": "The connection could not be completed. Please start again."})
    async with _asking() as http:
        try:
            connected = await connector.exchange(
                http,
                pending.server,
                parts.sealer.open(registration.sealed),
                redirect_uri=pending.redirect_uri,
                secret=parts.sealer.open(pending.sealed),
                code=code,
            )
        except Misconfigured:  # the server does not know this installation any more: the next try registers anew
            await registration.delete()
            raise
    return await _save(workspace, pending.platform, connected)


async def connect_sandbox(workspace: Workspace) -> list[Account]:
    """Connect one account of every network on the sandbox server. Raises ``Invalid`` when there is none or it is down."""
    parts = runtime.current()
    url = parts.settings.sandbox_url
    if url is None:
        raise Invalid({"": "No sandbox is running here. Start one with `carillon run`, or set CARILLON_SANDBOX_URL."})
    try:
        connected = await connect_all(parts.connecting, url)
    except PlatformError as error:
        raise Invalid({"": f"The sandbox does not answer: {error.message}"}) from error
    return [await _save(workspace, platform, one, sandbox_url=url) for platform, one in connected]


@asynccontextmanager
async def _asking() -> AsyncIterator[httpx.AsyncClient]:
    """Around all that a server is asked; yields the client for it. Raises ``Invalid`` with a reason for the person."""
    try:
        async with asyncio.timeout(PATIENCE):
            yield runtime.current().connecting
    except TimeoutError as error:
        raise Invalid({"": "The server took too long to answer. Check its address, or try again later."}) from error
    except PlatformError as error:
        raise Invalid({"": error.message}) from error


def _adapter(platform: str) -> Adapter:
    if platform not in REGISTRY:
        raise NotFound
    return REGISTRY[platform]


def _oauth(platform: str) -> OAuthConnector:
    connector = _adapter(platform).connector
    if not hasattr(connector, "authorize"):
        raise NotFound
    return cast(OAuthConnector, connector)


async def _registration(
    http: httpx.AsyncClient, platform: str, connector: OAuthConnector, answers: Mapping[str, str], redirect_uri: str
) -> tuple[str, dict[str, str]]:
    sealer = runtime.current().sealer
    server = connector.server(answers)
    known = await _find_registration(platform, server, redirect_uri)
    if known is not None:
        with suppress(SealBroken):
            return server, sealer.open(known.sealed)
        await known.delete()  # the installation's secret key changed: register anew
    server, app = await connector.register(http, answers, redirect_uri=redirect_uri)
    registration = Registration(platform=platform, server=server, redirect_uri=redirect_uri, sealed=sealer.seal(app))
    try:
        await registration.insert()
    except DuplicateKeyError:  # somebody registered at the same moment; one registration serves all
        known = await _find_registration(platform, server, redirect_uri)
        return server, sealer.open(known.sealed) if known else app
    return server, app


async def _find_registration(platform: str, server: str, redirect_uri: str) -> Registration | None:
    return await Registration.find_one({"platform": platform, "server": server, "redirect_uri": redirect_uri})


async def _take_pending(workspace: Workspace, user: User, state: str) -> PendingConnection:
    found = await PendingConnection.get_pymongo_collection().find_one_and_delete({"state_hash": _hash(state)})
    pending: PendingConnection | None = PendingConnection.model_validate(found) if found else None
    if pending is None or pending.expires_at < now() or pending.user_id != user.id or pending.workspace_id != workspace.id:
        raise Invalid({"": "This connection was started too long ago, or in another browser. Please start again."})
    return pending


async def _save(workspace: Workspace, platform: str, connected: Connected, *, sandbox_url: str = "") -> Account:
    """Save the consent and the account. Reconnecting one account repairs all that share its grant."""
    server = connected.server.removeprefix(sandbox_url)
    where = {"workspace_id": workspace.id, "platform": platform, "server": server}
    sealed = runtime.current().sealer.seal(connected.tokens)
    grant = await grants.consent({**where, "subject": connected.remote_id}, sealed)
    facts = {
        "grant_id": grant.id,
        "grant_version": grant.version,
        "handle": connected.handle,
        "display_name": connected.display_name or connected.handle,
        "avatar_url": connected.avatar_url,
        "limits": dict(connected.limits),
        "limits_at": now(),
        "state": AccountState.CONNECTED,
        "sandbox": bool(sandbox_url),
    }
    account = await _put({**where, "remote_id": connected.remote_id}, facts)
    await grants.hold(grant)
    await grants.follow(grant)
    for repaired in await reading.find(Account, equal(grant_id=grant.id, state=AccountState.CONNECTED)):
        await _ask_again(repaired)
    return account


async def _put(key: Mapping[str, Any], facts: Mapping[str, Any]) -> Account:
    """Insert the account, or connect the known one again."""
    known = await _update(key, facts)
    if known is not None:
        return known
    try:
        return await Account(**key, **facts).insert()
    except DuplicateKeyError:  # somebody connected it at the same moment
        return cast(Account, await _update(key, facts))


async def _update(key: Mapping[str, Any], facts: Mapping[str, Any]) -> Account | None:
    """The account may have come with another person's consent before, which then need not be kept for its sake."""
    before = await Account.get_pymongo_collection().find_one_and_update(equal(**key), {"$set": dict(facts)})
    if before is None:
        return None
    if before["grant_id"] != facts["grant_id"]:
        await grants.release(before["grant_id"])
    return Account.model_validate({**before, **facts})


async def _ask_again(account: Account) -> None:
    """The network can be asked again what became of posts that only waited for the account."""
    for delivery in await reading.find(Delivery, equal(account_id=account.id, state=State.UNCONFIRMED)):
        if delivery.undecidable and delivery.trouble and delivery.trouble.remedy == Remedy.RECONNECT:
            await deliveries.move(
                delivery.id,
                State.UNCONFIRMED,
                State.UNCONFIRMED,
                where={"undecidable": True},
                undecidable=False,
                checks=0,
                due_at=now(),
            )


def _mark(platform: str, server: str) -> str:
    """A short name for a server, in the address people come back to."""
    return _hash(f"{platform} {server}")[:16]


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
