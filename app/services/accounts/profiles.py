"""Connected profiles: which there are, and forgetting them."""

from urllib.parse import urljoin, urlsplit

from app import runtime
from app.errors import NotFound
from app.ids import Id
from app.models import Account, AccountState, Workspace
from app.queries import equal


async def listed(workspace: Workspace) -> list[Account]:
    """The workspace's accounts without the disconnected ones, oldest first."""
    query = {**equal(workspace_id=workspace.id), "state": {"$ne": AccountState.DISCONNECTED}}
    return sorted(await Account.find(query).to_list(), key=lambda account: account.created_at)


async def get(workspace: Workspace, account_id: Id) -> Account:
    """The account, if it belongs to ``workspace``. Raises ``NotFound``."""
    account = await Account.get(account_id)
    if account is None or account.workspace_id != workspace.id:
        raise NotFound
    return account


def public_url(account: Account, url: str) -> str:
    """A receipt's address as people can open it: a sandbox post is found wherever the sandbox is seen from today."""
    if not account.sandbox:
        return url
    settings = runtime.current().settings
    return urljoin(settings.sandbox_public_url or settings.sandbox_url or "/", urlsplit(url).path)


async def disconnect(workspace: Workspace, account_id: Id) -> None:
    """Forget the account's tokens. What is scheduled for it fails with that reason unless it is connected again."""
    account = await get(workspace, account_id)
    await Account.get_pymongo_collection().update_one(
        {"_id": account.id},
        {"$set": {"state": AccountState.DISCONNECTED, "sealed": ""}, "$inc": {"session_version": 1}},
    )
