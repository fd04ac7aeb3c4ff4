"""An account's access to its network: a session for one call, and fresh tokens."""

import asyncio
from datetime import timedelta
from typing import Any

from pymongo import ReturnDocument
from pymongo.errors import ConnectionFailure

from app import runtime
from app.models import EPOCH, Account, AccountState, now
from app.sealing import SealBroken
from platforms import REGISTRY
from platforms.base import Profile, Session
from platforms.errors import ReconnectNeeded, TokenRevoked, Unavailable

REFRESH_TIME = timedelta(seconds=60)
"""Lease on the tokens during a refresh; longer than the step limit."""

STORE_PATIENCE = 60.0
"""Seconds to go on trying to save new tokens."""


def open_session(account: Account) -> Session:
    """The account as an adapter needs it for one call. Raises ``ReconnectNeeded`` if it has no usable tokens."""
    parts = runtime.current()
    if account.state == AccountState.DISCONNECTED:
        raise TokenRevoked(account.platform, "disconnected", "This account is disconnected. Connect it again to publish.")
    if account.state == AccountState.RECONNECT_NEEDED:
        raise TokenRevoked(account.platform, "reconnect", "This account needs to be connected again.")
    try:
        tokens = parts.sealer.open(account.sealed)
    except SealBroken:
        raise TokenRevoked(
            account.platform, "sealed_otherwise", "The installation's secret key changed. Connect the account again."
        ) from None
    return Session(
        server=_server(account),
        remote_id=account.remote_id,
        handle=account.handle,
        tokens=tokens,
        limits=account.limits,
        http=parts.http,
    )


def profile(account: Account) -> Profile:
    """Whose posts are meant, without any secret: it works for a disconnected account too."""
    return Profile(server=_server(account), remote_id=account.remote_id, handle=account.handle, limits=account.limits)


def _server(account: Account) -> str:
    if not account.sandbox:
        return account.server
    url = runtime.current().settings.sandbox_url
    if url is None:
        raise Unavailable(account.platform, "no_sandbox", "The sandbox is not running.")
    return url.rstrip("/") + account.server


# --- tokens -----------------------------------------------------------------------------------------------------------


async def refresh(account: Account) -> Account:
    """Get new tokens, or wait for the process that is getting them. Raises ``ReconnectNeeded``, ``Transient``.

    Networks rotate refresh tokens, so of several processes one asks (a lease in the document) and the others wait for its result.
    New tokens are stored before anybody uses them.
    """
    deadline = now() + REFRESH_TIME
    while now() < deadline:
        leased = await _lease_tokens(account)
        if leased is not None:
            return await _refresh(leased)
        fresh = await Account.get(account.id)
        if fresh is not None and fresh.session_version != account.session_version:
            return fresh
        await asyncio.sleep(0.2)
    raise Unavailable(account.platform, "refresh_busy", "The account's access is just being renewed.")


async def _lease_tokens(account: Account) -> Account | None:
    found = await Account.get_pymongo_collection().find_one_and_update(
        {"_id": account.id, "session_version": account.session_version, "refreshing_until": {"$lt": now()}},
        {"$set": {"refreshing_until": now() + REFRESH_TIME}},
        return_document=ReturnDocument.AFTER,
    )
    return Account.model_validate(found) if found else None


async def _refresh(account: Account) -> Account:
    """Ask the network; whatever happens, give the lease back."""
    changes: dict[str, Any] = {}
    try:
        async with asyncio.timeout(runtime.current().settings.step_limit):
            tokens = await REGISTRY[account.platform].refresh(open_session(account))
        changes = {"sealed": runtime.current().sealer.seal(tokens)}
    except TimeoutError as error:
        raise Unavailable(account.platform, "no_answer", "The server did not answer in time.") from error
    except ReconnectNeeded:
        changes = {"state": AccountState.RECONNECT_NEEDED}
        raise
    finally:
        fresh = await _store(account, changes)
    if fresh is None:
        raise Unavailable(account.platform, "changed", "The account was connected again at the same moment.")
    return fresh


async def _store(account: Account, changes: dict[str, Any]) -> Account | None:
    """Save new tokens, however long the database takes: the old ones are used up. ``None`` if the account changed meanwhile."""
    version = account.session_version + (1 if changes else 0)
    deadline = asyncio.get_running_loop().time() + STORE_PATIENCE
    while True:
        try:
            await Account.get_pymongo_collection().update_one(
                {"_id": account.id, "session_version": account.session_version},
                {"$set": {"refreshing_until": EPOCH, "session_version": version, **changes}},
            )
            stored = await Account.get(account.id)
        except ConnectionFailure:
            if asyncio.get_running_loop().time() > deadline:
                raise
            await asyncio.sleep(0.5)
        else:  # after a broken connection only the content tells whose write was applied
            written = (version, changes.get("sealed", account.sealed))
            mine = stored is not None and (stored.session_version, stored.sealed) == written
            return stored if mine else None


async def mark_reconnect(account: Account) -> None:
    """The network refused this account's tokens: nothing more is sent until a person connects it again."""
    await Account.get_pymongo_collection().update_one(
        {"_id": account.id, "session_version": account.session_version, "state": AccountState.CONNECTED},
        {"$set": {"state": AccountState.RECONNECT_NEEDED}},
    )
