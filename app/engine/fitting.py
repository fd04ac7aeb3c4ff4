"""Files are made to fit before their hour: when a post is planned, and looked at once more ten minutes before it goes out.

Like everything that waits, this is found in the documents: ``Post.fit_ms`` says when somebody has to look. Whoever sends the
message moves it on by a lease, so that one which is lost comes again. What is not ready in time is made when it is sent.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from app import runtime
from app.courier import FIT
from app.engine import backoff, contents, outbox
from app.engine.sources import StillMade
from app.ids import Id
from app.models import UPLOADS, Account, AccountState, Delivery, Post, State, Variant, in_millis, now, reading
from platforms.errors import PlatformError, Remedy

AHEAD = timedelta(minutes=10)
"""Before the planned time it is looked at again: a rule may have changed, or a storage lost what was made."""

LEASE = timedelta(minutes=10)
"""So long nobody else is called to the same post. A message waits behind long uploads."""

STILL_MADE, LATER, DONE = timedelta(seconds=5), timedelta(minutes=1), timedelta.max
"""Until the next look at what is being made, at what could not be made now, and at what is ready."""

STAYS = timedelta(seconds=3)
"""So long the first look at a post waits: pictures are ready then. Later ones do not: whoever has a large file to send waits for
the same lane, and a film may be made for minutes."""

LONGEST = timedelta(hours=6)
"""After the planned time nobody looks any more: whoever sends it does."""

BATCH = 100

_WAITS = [State.SCHEDULED.value, State.QUEUED.value]


def first_look(post: Post) -> int:
    """``Post.fit_ms`` of a post that is saved now."""
    return in_millis(now()) if post.shows_files and not post.draft and not post.canceled else 0


async def send_due(at: datetime) -> None:
    """Call a worker to each post whose files are due for a look. Any number may do so at once."""
    query = {"fit_ms": {"$gt": 0, "$lte": in_millis(at)}}
    for due in await reading.rows(Post, query, ["fit_ms"], sort="fit_ms", limit=BATCH):
        if await _move(Id(due["_id"]), due["fit_ms"], in_millis(now() + LEASE)):
            await runtime.current().courier.send(FIT, [Id(due["_id"])], UPLOADS)


async def fit(post_id: Id) -> None:
    """Have the post's files made fit for every account, and say when to look again. What takes long goes on without us."""
    post = await reading.get(Post, post_id)
    if post is None or not post.fit_ms:
        return
    begun = any(delivery.making is not None for delivery in await outbox.of(post.id))
    again = await _fit_all(post, now() if begun else now() + STAYS)
    await _move(post.id, post.fit_ms, _next(post, again))


async def _fit_all(post: Post, until: datetime) -> timedelta:
    """After how long to look again; ``DONE``: it is ready, or nothing makes it so."""
    if not first_look(post):
        return DONE
    return min([await _fit_one(post, variant, until) for variant in post.variants], default=DONE)


async def _fit_one(post: Post, variant: Variant, until: datetime) -> timedelta:
    account = await reading.get(Account, variant.account_id)
    if account is None or account.state == AccountState.DISCONNECTED:
        return DONE
    patience = max(until - now(), timedelta())
    some = [contents.make(account, attachment, patience=patience) for attachment in post.files_of(variant)]
    ends = await asyncio.gather(*some, return_exceptions=True)
    return await _told(post, account, ends)


async def _told(post: Post, account: Account, ends: Sequence[BaseException | None]) -> timedelta:
    """Show what became of the files: ``None`` is ready."""
    for end in ends:
        if isinstance(end, PlatformError) and end.remedy is not Remedy.RETRY:
            trouble = backoff.trouble(end, now()).model_dump()
            await _tell(post, account, {"trouble": None}, making=None, trouble=trouble)
            return DONE
        if end is not None and not isinstance(end, StillMade | PlatformError):
            raise end
    shares = [end.share for end in ends if isinstance(end, StillMade)]
    making = round((ends.count(None) + sum(shares)) / len(ends), 2) if shares else None
    await _tell(post, account, {"making": {"$ne": making}}, making=making)
    if any(isinstance(end, PlatformError) for end in ends):
        return LATER
    return STILL_MADE if shares else DONE


def _next(post: Post, again: timedelta) -> int:
    """Soon if something is not made yet; else before it goes out; else never."""
    if not first_look(post):
        return 0
    planned = post.planned_at or now()
    if again != DONE:
        return in_millis(now() + again) if now() < planned + LONGEST else 0
    return in_millis(planned - AHEAD) if now() < planned - AHEAD else 0


async def _tell(post: Post, account: Account, where: dict[str, Any], **changes: Any) -> None:
    """Show it beside the account, while its delivery waits and follows the post as it was read."""
    waits = {"post_id": post.id, "account_id": account.id, "revision": post.revision, "state": {"$in": _WAITS}}
    await Delivery.get_pymongo_collection().update_one(waits | where, {"$set": {**changes, "updated_at": now()}})


async def _move(post_id: Id, since: int, then: int) -> bool:
    """Compare-and-set: a save has made it due anew."""
    moved = await Post.get_pymongo_collection().update_one({"_id": post_id, "fit_ms": since}, {"$set": {"fit_ms": then}})
    return moved.matched_count > 0
