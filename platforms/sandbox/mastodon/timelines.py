"""Where the emulated Mastodon lists statuses: an account's own page, and its home timeline.

Nobody here follows anybody, so at home are only one's own statuses. What servers hide and how late they are is a matter of
:mod:`platforms.sandbox.quirks`.
"""

from collections.abc import Iterable

from litestar import get
from litestar.params import FromPath

from platforms.sandbox.context import Call, Given, Json, Sandbox
from platforms.sandbox.mastodon.oauth import viewer
from platforms.sandbox.mastodon.rules import OPEN, VISIBILITIES
from platforms.sandbox.mastodon.views import show
from platforms.sandbox.quirks import Quirk

_NEWEST = 2**63 - 1


@get("/api/v1/accounts/{account_id:str}/statuses")
async def account_statuses(request: Call, sandbox: Given, account_id: FromPath[str]) -> list[Json]:
    """The account's statuses, the newest first; to others only those that everybody may see."""
    account, _ = viewer(request, sandbox, "read:statuses")
    hides = account.id != account_id or sandbox.quirks.has(account.platform, Quirk.HIDES_PRIVATE, account.id)
    return _page(request, sandbox, account.platform, account_id, OPEN if hides else VISIBILITIES)


@get("/api/v1/timelines/home")
async def home(request: Call, sandbox: Given) -> list[Json]:
    """What the account sees when it opens Mastodon."""
    account, _ = viewer(request, sandbox, "read:statuses")
    hides = sandbox.quirks.has(account.platform, Quirk.HIDES_PRIVATE_AT_HOME, account.id)
    return _page(request, sandbox, account.platform, account.id, OPEN if hides else VISIBILITIES)


def _page(request: Call, sandbox: Sandbox, platform: str, account_id: str, visibilities: Iterable[str]) -> list[Json]:
    """At most 40, and only those before ``max_id`` if it is given."""
    limit = min(int(request.query_params.get("limit", "20")), 40)
    paged = not sandbox.quirks.has(platform, Quirk.IGNORES_MAX_ID, account_id)
    before = int(request.query_params.get("max_id", _NEWEST)) if paged else _NEWEST
    lag = sandbox.quirks.seconds(platform, Quirk.LAGS, account_id) or 0.0
    found = sandbox.store.timeline_before(
        platform, account_id, before, limit=limit, visibilities=visibilities, until=sandbox.store.clock() - lag
    )
    return [show(request, sandbox, status) for status in found]
