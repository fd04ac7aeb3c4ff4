"""An account and a status as a browser shows them."""

from litestar import Response, get
from litestar.params import FromPath

from platforms.sandbox.context import Call, Given
from platforms.sandbox.mastodon.server import server
from platforms.sandbox.pages import account_page, post_page


@get(["/", "/{name:str}"])
async def profile(request: Call, sandbox: Given, name: FromPath[str] = "@you") -> Response[str]:
    """One account's statuses."""
    return account_page(sandbox, sandbox.store.account(server(request).name, name.removeprefix("@")))


@get("/{name:str}/{status_id:str}")
async def one_status(request: Call, sandbox: Given, name: FromPath[str], status_id: FromPath[str]) -> Response[str]:
    """One status."""
    found = sandbox.store.post(server(request).name, status_id)
    return post_page(sandbox, found if found and f"@{sandbox.author(found).handle}" == name else None)


handlers = [profile, one_status]
