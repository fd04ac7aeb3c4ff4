"""What is out: an account's own posts. They do not tell which container they were made of."""

from litestar import delete, get
from litestar.params import FromPath

from platforms.sandbox.context import Call, Given, Json, Sandbox
from platforms.sandbox.foundry.containers import is_out
from platforms.sandbox.foundry.rules import NAME, ApiError
from platforms.sandbox.foundry.tokens import viewer
from platforms.sandbox.quirks import Quirk
from platforms.sandbox.values import Account, Post

MOST = 100


@get("/v1/posts")
async def own_posts(request: Call, sandbox: Given) -> Json:
    """The newest first, at most ``limit`` of them."""
    account = viewer(request, sandbox)
    asked = request.query_params.get("limit", "25")
    limit = min(int(asked), MOST) if asked.isdecimal() else MOST
    late = sandbox.quirks.seconds(NAME, Quirk.LAGS, account.id) or 0.0
    now = sandbox.store.clock()
    found = sandbox.store.timeline(NAME, account.id, limit=MOST)
    listed = [each for each in found if each.body["out_at"] + late <= now]
    return {"posts": [show_post(request, sandbox, each) for each in listed[:limit]]}


@get("/v1/posts/{post_id:str}")
async def one_post(request: Call, sandbox: Given, post_id: FromPath[str]) -> Json:
    """One of the account's own posts."""
    return show_post(request, sandbox, _own(sandbox, viewer(request, sandbox), post_id))


@delete("/v1/posts/{post_id:str}", status_code=200)
async def delete_post(request: Call, sandbox: Given, post_id: FromPath[str]) -> Json:
    """Take it back."""
    sandbox.store.delete_post(_own(sandbox, viewer(request, sandbox), post_id))
    return {"deleted": post_id}


def _own(sandbox: Sandbox, account: Account, post_id: str) -> Post:
    found = sandbox.store.post(NAME, post_id)
    if found is None or found.account != account.id or not is_out(sandbox, found):
        raise ApiError(24, "no_such_post", "The requested resource does not exist")
    return found


def show_post(request: Call, sandbox: Sandbox, found: Post) -> Json:
    """The post as the API shows it. Views are all that is counted here, and nobody comes to look."""
    url = sandbox.origin(request) + sandbox.location(found)
    facts = {"text": found.text, "files": found.media, "made_at": found.created_at}
    return {"id": found.id, "url": url, **facts, "views": 0}
