"""An account and a post as a browser shows them."""

from litestar import Response, get
from litestar.params import FromPath

from platforms.sandbox.context import Given
from platforms.sandbox.foundry.containers import is_out
from platforms.sandbox.foundry.rules import NAME
from platforms.sandbox.pages import account_page, post_page


@get("/{name:str}")
async def profile(sandbox: Given, name: FromPath[str]) -> Response[str]:
    """One account's posts."""
    return account_page(sandbox, sandbox.store.account(NAME, name))


@get("/{name:str}/{post_id:str}")
async def one_post(sandbox: Given, name: FromPath[str], post_id: FromPath[str]) -> Response[str]:
    """One post, once it is out."""
    found = sandbox.store.post(NAME, post_id)
    shown = found and is_out(sandbox, found) and sandbox.author(found).handle == name
    return post_page(sandbox, found if shown else None)


handlers = [profile, one_post]
