"""Connected profiles: which there are, and forgetting them."""

from datetime import datetime, timedelta
from urllib.parse import urljoin, urlsplit

from pymongo import ReturnDocument

from app import runtime
from app.engine import grants, outbox
from app.errors import NotFound
from app.ids import Id
from app.models import Account, AccountState, Grant, GrantState, Workspace, reading
from app.queries import equal


async def listed(workspace: Workspace) -> list[Account]:
    """The workspace's accounts without the disconnected ones, oldest first."""
    query = {**equal(workspace_id=workspace.id), "state": {"$ne": AccountState.DISCONNECTED}}
    return sorted(await reading.find(Account, query), key=lambda account: account.created_at)


ENDING = timedelta(days=10)
"""So long before its access ends a person is told, where nothing renews it by itself."""


async def ending(workspace: Workspace, at: datetime) -> dict[Id, datetime]:
    """The accounts that only their person can keep connected, and until when they should have done so."""
    soon = {
        grant.id: grant.expires_at
        for grant in await reading.find(Grant, equal(workspace_id=workspace.id, state=GrantState.CONNECTED))
        if grant.expires_at is not None and grant.refresh_at is None and grant.expires_at < at + ENDING
    }
    accounts = await listed(workspace) if soon else []
    return {account.id: soon[account.grant_id] for account in accounts if account.grant_id in soon}


async def get(workspace: Workspace, account_id: Id) -> Account:
    """The account, if it belongs to ``workspace``. Raises ``NotFound``."""
    account = await reading.get(Account, account_id)
    if account is None or account.workspace_id != workspace.id:
        raise NotFound
    return account


def public_url(account: Account, url: str) -> str:
    """An address on the account's server as people can open it: the sandbox is wherever it is seen from today."""
    if not account.sandbox:
        return url
    settings = runtime.current().settings
    return urljoin(settings.sandbox_public_url or settings.sandbox_url or "/", urlsplit(url).path)


def server_url(account: Account, url: str) -> str:
    """The other way round: the address that a person sees, as the account's server writes it."""
    sandbox = runtime.current().settings.sandbox_url
    return urljoin(sandbox, urlsplit(url.strip()).path) if account.sandbox and sandbox else url


async def disconnect(workspace: Workspace, account_id: Id) -> int:
    """Forget the account's tokens, unless another one shares them, and take back what waits for it; how many posts that were.

    First the account, then its deliveries: a worker that has one of them looks at the account again at the fence.
    """
    account = await get(workspace, account_id)
    left = await Account.get_pymongo_collection().find_one_and_update(
        {"_id": account.id}, {"$set": {"state": AccountState.DISCONNECTED}}, return_document=ReturnDocument.AFTER
    )
    await grants.release(Id(left["grant_id"]) if left else account.grant_id)  # it may have come with a new consent just now
    return await outbox.cancel_account(account.id)
