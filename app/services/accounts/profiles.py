"""Connected profiles: which there are, and forgetting them."""

from urllib.parse import urljoin, urlsplit

from pymongo import ReturnDocument

from app import runtime
from app.engine import grants, outbox
from app.errors import NotFound
from app.ids import Id
from app.models import Account, AccountState, Workspace, reading
from app.queries import equal


async def listed(workspace: Workspace) -> list[Account]:
    """The workspace's accounts without the disconnected ones, oldest first."""
    query = {**equal(workspace_id=workspace.id), "state": {"$ne": AccountState.DISCONNECTED}}
    return sorted(await reading.find(Account, query), key=lambda account: account.created_at)


async def get(workspace: Workspace, account_id: Id) -> Account:
    """The account, if it belongs to ``workspace``. Raises ``NotFound``."""
    account = await reading.get(Account, account_id)
    if account is None or account.workspace_id != workspace.id:
        raise NotFound
    return account


def public_url(account: Account, url: str) -> str:
    """A receipt's address as people can open it: a sandbox post is found wherever the sandbox is seen from today."""
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
