"""An account's access to its network: a session for one call, and fresh tokens.

    refresh ─ own task: lease ─── ask the network ─── save ─── accounts follow
              (shielded)  └ step limit ─┘└ a worker's lease, then as long as it takes

Networks rotate tokens: a renewal uses the old ones up, so an answer that is not saved is a lost account. Therefore a renewal runs
in a task of its own, which no stop, time limit or impatience of its callers ends, and a stopping process waits for it
(:func:`settle`). What is left is a process that is killed between the network's answer and the save, or an answer that is lost on
its way. Some networks accept the old tokens for a while after a rotation, and there the next renewal succeeds; at others the old
ones are refused, and a person has to connect the account again. Nothing on this side can prevent that.
"""

import asyncio
import logging
from collections.abc import Coroutine
from contextlib import suppress
from datetime import timedelta
from typing import Any

from pymongo.errors import PyMongoError

from app import runtime, settings
from app.engine import grants
from app.models import Account, AccountState, Grant, GrantState, now
from app.sealing import SealBroken
from platforms import REGISTRY
from platforms.base import Profile, Session, Tokens
from platforms.errors import PlatformError, ReconnectNeeded, TokenRevoked, Unavailable

log = logging.getLogger(__name__)

_LOOK_AGAIN = 0.2
"""Seconds between two looks at what another process is renewing."""


async def open_session(account: Account) -> Session:
    """The account as an adapter needs it for one call. Raises ``ReconnectNeeded`` if it has no usable tokens.

    Tokens whose time has come are renewed first; if that cannot be done now they are tried all the same.

    The grant is read once for each copy of the account; :func:`refresh` and :func:`mark_reconnect` mean the tokens that this copy
    was used with, whatever became of the grant since.
    """
    session = await _open(account)
    grant = await _grant_of(account)
    if grant.refresh_at is None or grant.refresh_at > now():
        return session
    try:
        await refresh(account)
    except ReconnectNeeded:
        raise
    except PlatformError as error:
        log.warning("account %s: tokens were not renewed in time: %s", account.id, error)
        return session
    account._grant = None
    return await _open(account)


async def _open(account: Account) -> Session:
    """With the tokens as they are."""
    if account.state == AccountState.DISCONNECTED:
        raise TokenRevoked(account.platform, "disconnected", "This account is disconnected. Connect it again to publish.")
    grant = await _grant_of(account)
    if account.state == AccountState.RECONNECT_NEEDED or grant.state != GrantState.CONNECTED:
        raise _reconnect(account)
    return Session(
        server=server_of(account),
        remote_id=account.remote_id,
        handle=account.handle,
        tokens=_tokens(grant),
        limits=account.limits,
        http=runtime.current().http,
        app=operator_app(account.platform),
    )


def profile(account: Account) -> Profile:
    """Whose posts are meant, without any secret: it works for a disconnected account too."""
    return Profile(server=server_of(account), remote_id=account.remote_id, handle=account.handle, limits=account.limits)


async def _grant_of(account: Account) -> Grant:
    if account._grant is None:
        account._grant = await Grant.get(account.grant_id)
    if account._grant is None:
        raise _reconnect(account)
    return account._grant


def _tokens(grant: Grant) -> dict[str, str]:
    try:
        return runtime.current().sealer.open(grant.sealed)
    except SealBroken:
        raise TokenRevoked(
            grant.platform, "sealed_otherwise", "The installation's secret key changed. Connect the account again."
        ) from None


def _reconnect(account: Account) -> ReconnectNeeded:
    return TokenRevoked(account.platform, "reconnect", "This account needs to be connected again.")


def server_of(account: Account) -> str:
    """The server's address as it is reached from here. Raises ``Unavailable`` for the sandbox where none is running."""
    if not account.sandbox:
        return account.server
    url = runtime.current().settings.sandbox_url
    if url is None:
        raise Unavailable(account.platform, "no_sandbox", "The sandbox is not running.")
    return url.rstrip("/") + account.server


async def mark_reconnect(account: Account) -> None:
    """The network refused the tokens this account was used with: nothing more is sent with them until a person connects again.

    All accounts of the grant are marked. While somebody renews the tokens nothing is: the refused ones are just being replaced.
    A disconnected account was refused by ourselves, which says nothing about the tokens.
    """
    current = await Account.get(account.id)
    if current is None or current.state == AccountState.DISCONNECTED:
        return
    with suppress(ReconnectNeeded):  # without a grant there is nothing to mark
        await grants.refuse(await _grant_of(account), refreshing_until={"$lt": now()})


# --- tokens -----------------------------------------------------------------------------------------------------------


def lease_time() -> timedelta:
    """How long one process may be renewing a grant's tokens before another one asks.

    The step limit bounds the question; what is left, as long as a worker's lease, is for the save: while the database is away
    for less than that, nobody asks again with tokens that are used up.
    """
    times = runtime.current().settings
    return timedelta(seconds=times.step_limit) + times.lease_time


async def refresh(account: Account) -> Account:
    """Get new tokens for the account's grant, or wait for whoever is getting them. Raises ``ReconnectNeeded``, ``Transient``.

    Returns the account as it is now, to be opened with the new tokens. Of several processes and accounts that want it, one asks
    the network. After the step limit the caller is told to try later, and the renewal goes on without it.
    """
    session, used = await _open(account), await _grant_of(account)
    try:
        async with asyncio.timeout(runtime.current().settings.step_limit):
            await _renewed(session, used)
    except TimeoutError:
        raise Unavailable(account.platform, "refresh_busy", "The account's access is just being renewed.") from None
    return await Account.get(account.id) or account


async def _renewed(session: Session, used: Grant) -> None:
    """Ask for new tokens until somebody has them."""
    while await _in_force(used):
        if await asyncio.shield(_start(_renew(session, used))):
            return
        await asyncio.sleep(_LOOK_AGAIN)


async def _in_force(used: Grant) -> bool:
    """Whether the grant still has the tokens that were used."""
    current = await Grant.get(used.id)
    return current is not None and (current.version, current.state) == (used.version, GrantState.CONNECTED)


async def _renew(session: Session, used: Grant) -> bool:
    """Ask the network and save the answer; ``False`` if that is not ours to do. Whatever happens, give the lease back."""
    leased = await grants.lease(used, lease_time())
    if leased is None:
        return False
    try:
        tokens = await _ask(session, leased)
    except ReconnectNeeded:
        await grants.refuse(leased, refreshing_with=leased.refreshing_with)
        raise
    except BaseException:
        with suppress(PyMongoError):  # then it ends by itself
            await grants.give_back(leased)
        raise
    await grants.save(leased, seal(tokens))
    return True


def seal(tokens: Tokens) -> grants.Sealed:
    """As a grant keeps them."""
    return grants.Sealed(runtime.current().sealer.seal(tokens.values), tokens.expires_at, tokens.refresh_at)


def operator_app(platform: str) -> dict[str, str]:
    """What the operator has set of their own app at the network; empty where none is needed."""
    return settings.operator_app(platform, [field.name for field in REGISTRY[platform].connector.app_fields])


async def _ask(session: Session, grant: Grant) -> Tokens:
    try:
        async with asyncio.timeout(runtime.current().settings.step_limit):
            return await REGISTRY[grant.platform].refresh(session)
    except TimeoutError as error:
        raise Unavailable(grant.platform, "no_answer", "The server did not answer in time.") from error


_renewing: set[asyncio.Task[bool]] = set()
"""The renewals of this process, which may have outlived their callers: the event loop keeps only weak references to its tasks."""


def _start(renewal: Coroutine[Any, Any, bool]) -> asyncio.Task[bool]:
    task = asyncio.create_task(renewal, name="renewal")
    _renewing.add(task)
    task.add_done_callback(_ended)
    return task


def _ended(task: asyncio.Task[bool]) -> None:
    """Its callers may be gone, so it is said here what came of it."""
    _renewing.discard(task)
    if not task.cancelled() and (error := task.exception()) is not None:
        log.warning("tokens were not renewed: %s", error)


async def settle() -> None:
    """The process is about to stop and nobody calls any more: let running renewals be saved, for as long as a worker's lease."""
    if _renewing:
        await asyncio.wait(_renewing, timeout=runtime.current().settings.lease)
