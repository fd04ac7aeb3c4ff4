"""Connecting accounts: with a password, through a network's consent page, or to the sandbox networks."""

import asyncio
import hashlib
import secrets
from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, cast

import httpx
from pymongo.errors import DuplicateKeyError

from app import runtime
from app.engine import access, grants
from app.engine.moves import move
from app.errors import Invalid, NotFound
from app.ids import Id
from app.models import (
    Account,
    AccountState,
    Delivery,
    Grant,
    PendingChoice,
    PendingConnection,
    State,
    User,
    Workspace,
    now,
    reading,
)
from app.queries import equal
from app.services.accounts import apps, choosing
from platforms import REGISTRY
from platforms.base import Adapter, Candidate, Consent, OAuthConnector, PasswordConnector
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
        consent = await cast(PasswordConnector, connector).connect(http, answers)
    return (await _save(workspace, platform, consent, consent.candidates[:1]))[0]


async def begin(workspace: Workspace, user: User, platform: str, answers: Mapping[str, str], *, redirect_uri: str) -> str:
    """Start an OAuth connection; returns the consent page's address. Raises ``Invalid``, ``NotFound``.

    ``redirect_uri`` is completed by a mark of the server. Otherwise a server that lies about its consent page could send a person
    to another one's, and get hold of the code meant for that.
    """
    connector, state = _oauth(platform), secrets.token_urlsafe(24)
    async with _asking() as http:
        redirect_uri = f"{redirect_uri}/{_mark(platform, connector.server(answers))}"
        server, app = await apps.for_begin(http, platform, answers, redirect_uri)
        authorization = await connector.begin(http, server, app, answers=answers, redirect_uri=redirect_uri, state=state)
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


async def finish(workspace: Workspace, user: User, *, mark: str, query: Mapping[str, str]) -> Account | PendingChoice:
    """The person came back from the consent page of the server with ``mark``, with all parameters of that address.

    One candidate is connected at once; of several the person has to choose. Its ``state`` is good once, for the user, workspace
    and server it began with. Raises ``Invalid``.
    """
    pending = await _take_pending(workspace, user, query.get("state", ""))
    if not secrets.compare_digest(mark.encode(), _mark(pending.platform, pending.server).encode()):
        raise Invalid({"": "Another server answered than the one that was asked. Please start again."})
    connector, parts = _oauth(pending.platform), runtime.current()
    async with _asking() as http:
        try:
            consent = await connector.exchange(
                http,
                pending.server,
                await apps.for_finish(pending),
                redirect_uri=pending.redirect_uri,
                secret=parts.sealer.open(pending.sealed),
                query=query,
            )
        except Misconfigured:  # the server does not know this installation any more: the next try registers anew
            await apps.forget(pending)
            raise
    if not consent.candidates:
        raise Invalid({"": f"{_adapter(pending.platform).label} names nothing there that you could publish to."})
    if len(consent.candidates) > 1:
        return await choosing.keep(workspace, user, pending.platform, consent)
    return (await _save(workspace, pending.platform, consent, consent.candidates))[0]


async def choose(workspace: Workspace, user: User, choice_id: Id, remote_ids: Collection[str]) -> list[Account]:
    """Connect those of the candidates. Raises ``Invalid`` if none is chosen, or that was chosen already."""
    pending, consent = await choosing.look(workspace, user, choice_id)
    chosen = [candidate for candidate in consent.candidates if candidate.remote_id in remote_ids]
    if not chosen:
        raise Invalid({"": "Choose at least one."})
    await choosing.take(pending)
    return await _save(workspace, pending.platform, consent, chosen)


async def connect_sandbox(workspace: Workspace) -> list[Account]:
    """Connect one account of every network on the sandbox server. Raises ``Invalid`` when there is none or it is down."""
    parts = runtime.current()
    url = parts.settings.sandbox_url
    if url is None:
        raise Invalid({"": "No sandbox is running here. Start one with `carillon run`, or set CARILLON_SANDBOX_URL."})
    try:
        consents = await connect_all(parts.connecting, url)
    except PlatformError as error:
        raise Invalid({"": f"The sandbox does not answer: {error.message}"}) from error
    saved = [await _save(workspace, platform, one, one.candidates, sandbox_url=url) for platform, one in consents]
    return [account for accounts in saved for account in accounts]


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
    if not hasattr(connector, "exchange"):
        raise NotFound
    return cast(OAuthConnector, connector)


async def _take_pending(workspace: Workspace, user: User, state: str) -> PendingConnection:
    found = await PendingConnection.get_pymongo_collection().find_one_and_delete({"state_hash": _hash(state)})
    pending: PendingConnection | None = PendingConnection.model_validate(found) if found else None
    if pending is None or pending.expires_at < now() or pending.user_id != user.id or pending.workspace_id != workspace.id:
        raise Invalid({"": "This connection was started too long ago, or in another browser. Please start again."})
    return pending


async def _save(
    workspace: Workspace, platform: str, consent: Consent, chosen: Iterable[Candidate], *, sandbox_url: str = ""
) -> list[Account]:
    """Save the consent and the accounts. Reconnecting one account repairs all that share its grant."""
    where = {"workspace_id": workspace.id, "platform": platform, "server": consent.server.removeprefix(sandbox_url)}
    grant = await grants.consent({**where, "subject": consent.subject}, access.seal(consent.tokens))
    saved = [await _put({**where, "remote_id": one.remote_id}, _facts(grant, one, sandbox=bool(sandbox_url))) for one in chosen]
    await grants.hold(grant)
    await grants.follow(grant)
    for repaired in await reading.find(Account, equal(grant_id=grant.id, state=AccountState.CONNECTED)):
        await _ask_again(repaired)
    return saved


def _facts(grant: Grant, candidate: Candidate, *, sandbox: bool) -> dict[str, Any]:
    return {
        "grant_id": grant.id,
        "grant_version": grant.version,
        "handle": candidate.handle,
        "display_name": candidate.display_name or candidate.handle,
        "avatar_url": candidate.avatar_url,
        "limits": dict(candidate.limits),
        "limits_at": now(),
        "state": AccountState.CONNECTED,
        "sandbox": sandbox,
    }


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
            await move(
                delivery.id,
                State.UNCONFIRMED,
                State.UNCONFIRMED,
                where={"undecidable": True},
                undecidable=False,
                checks=0,
                due_at=now(),
            )


def way_back(platform: str, redirect_uri: str) -> str:
    """The address that the operator names to a network whose app they register by hand: there people come back to."""
    return f"{redirect_uri}/{_mark(platform, _oauth(platform).server({}))}"


def _mark(platform: str, server: str) -> str:
    """A short name for a server, in the address people come back to."""
    return _hash(f"{platform} {server}")[:16]


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
