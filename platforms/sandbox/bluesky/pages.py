"""An account and a post as a browser shows them."""

from litestar import Response, get
from litestar.params import FromPath

from platforms.sandbox.bluesky.rules import COLLECTION, NAME
from platforms.sandbox.context import Given
from platforms.sandbox.pages import account_page, post_page
from platforms.sandbox.values import DOMAIN


@get(["/", "/profile/{actor:str}"])
async def profile(sandbox: Given, actor: FromPath[str] = "you" + DOMAIN) -> Response[str]:
    """One account's posts."""
    return account_page(sandbox, sandbox.store.account(NAME, actor))


@get("/profile/{actor:str}/post/{rkey:str}")
async def one_post(sandbox: Given, actor: FromPath[str], rkey: FromPath[str]) -> Response[str]:
    """One post."""
    account = sandbox.store.account(NAME, actor)
    return post_page(sandbox, sandbox.store.post(NAME, f"at://{account.id}/{COLLECTION}/{rkey}") if account else None)


handlers = [profile, one_post]
