"""The visible request, and the quota it uses up."""

from litestar import get, post

from platforms.sandbox.context import Call, Given, Json, Sandbox, timestamp
from platforms.sandbox.foundry.containers import Container, Status, own_container, status_of, withdraw
from platforms.sandbox.foundry.posts import show_post
from platforms.sandbox.foundry.rules import DAILY, NAME, ZONE, ApiError, midnights
from platforms.sandbox.foundry.tokens import read_body, viewer
from platforms.sandbox.quirks import Quirk
from platforms.sandbox.values import Account, Post

_AGAIN = (9010, "already_published", "The container was published already.")
_REFUSED = {
    Status.IN_PROGRESS: (9007, "not_ready", "The media is not ready for publishing, please wait for a moment"),
    Status.ERROR: (9008, "container_failed", "The container could not be processed."),
    Status.EXPIRED: (9009, "container_expired", "The container has expired."),
    Status.PUBLISHING: _AGAIN,
    Status.PUBLISHED: _AGAIN,
}


@post("/v1/publish", status_code=200)
async def publish(request: Call, sandbox: Given) -> Json:
    """Publish a container: its post's id and address, or its status where the post is not out yet, or nothing by a quirk."""
    account, sent = viewer(request, sandbox), await read_body(request)
    container = own_container(sandbox, account, str(sent.get("container")))
    _check(sandbox, account, container)
    late = sandbox.quirks.seconds(NAME, Quirk.PUBLISHES_LATE, account.id)
    out_at = sandbox.store.clock() + (late or 0.0)
    if sandbox.quirks.has(NAME, Quirk.REFUSES_PUBLISHED, account.id):
        withdraw(sandbox, container, out_at)
        return {"status": Status.PUBLISHING}
    added = _add(sandbox, account, container, out_at)
    if sandbox.quirks.has(NAME, Quirk.NO_ID, account.id):
        return {}
    return {"status": Status.PUBLISHING} if late else show_post(request, sandbox, added)


def _check(sandbox: Sandbox, account: Account, container: Container) -> None:
    """Raises ``ApiError`` if the container may not be published now."""
    status, _ = status_of(sandbox, container)
    published = status in {Status.PUBLISHING, Status.PUBLISHED}
    again = published and sandbox.quirks.has(NAME, Quirk.REPEATS, account.id)
    if status is not Status.FINISHED and not again:
        raise ApiError(*_REFUSED[status])
    if _used(sandbox, account) >= _total(sandbox, account):
        raise ApiError(9, "daily_quota", "You have reached the number of posts that can be published today.")


def _add(sandbox: Sandbox, account: Account, container: Container, out_at: float) -> Post:
    return sandbox.store.add_post(
        account,
        sandbox.store.snowflake(),
        key=container.id,
        text=container.text,
        body={"cid": container.cid, "alt": container.alt, "out_at": out_at},
        created_at=timestamp(out_at),
        media=container.files,
    )


@get("/v1/quota")
async def quota(request: Call, sandbox: Given) -> Json:
    """How many posts were published today, how many may be, and when tomorrow begins."""
    account = viewer(request, sandbox)
    _, ends = midnights(sandbox.store.clock())
    used, total = _used(sandbox, account), _total(sandbox, account)
    return {"used": used, "total": total, "zone": ZONE.key, "resets_at": timestamp(ends)}


def _used(sandbox: Sandbox, account: Account) -> int:
    began, _ = midnights(sandbox.store.clock())
    return sandbox.store.count_posts(NAME, account.id, since=began)


def _total(sandbox: Sandbox, account: Account) -> int:
    ordered = sandbox.quirks.seconds(NAME, Quirk.QUOTA, account.id)
    return DAILY if ordered is None else int(ordered)
