"""Keeping under published rate limits: token buckets as one instant each (the generic cell rate algorithm).

A bucket's ``full_at`` says when it would be full again. Each post moves it on by one interval; a bucket whose ``full_at`` lies
further ahead than ``BURST`` is empty. With half the allowance at once and the other half spread over the hour, no hour ever sees
more than ``per_hour`` posts.

Three buckets: the account's own (kept with its turn, so it costs no query), the server's for this whole installation, and each
workspace's half of the latter, so that one workspace's thousand posts leave room for everybody else's one.
"""

from datetime import datetime, timedelta

from pymongo.errors import DuplicateKeyError

from app.models import Account, Bucket, now
from platforms import REGISTRY

BURST = timedelta(hours=1)
"""How far ahead ``full_at`` may lie: half an hour's allowance at two hours' pace."""

_TRIES = 20
"""Compare-and-sets before a crowded bucket is left for a moment later."""

_CROWDED = timedelta(seconds=1)


def wait(full_at: datetime, at: datetime) -> timedelta:
    """How long until a bucket has a token again; zero if it has one now."""
    return max(timedelta(), full_at - at - BURST)


def after_one(full_at: datetime, at: datetime, per_hour: int) -> datetime:
    """The bucket's ``full_at`` with one token taken."""
    return max(full_at, at) + timedelta(hours=2) / per_hour


async def admit(account: Account) -> timedelta:
    """How long a post of ``account`` has to wait; zero admits it and takes its tokens.

    Called with the account's turn held. The account's own token is taken when the turn ends.
    """
    capabilities = REGISTRY[account.platform].capabilities
    at = now()
    own = max(wait(account.paced_until, at) if capabilities.per_hour else timedelta(), account.blocked_until - at, timedelta())
    limit = capabilities.installation_per_hour
    if own or limit is None or account.sandbox:
        return own
    server = f"{account.platform} {account.server}"
    shares = {server: limit, f"{server} {account.workspace_id}": max(1, limit // 2)}
    full = [wait((await _bucket(name)).full_at, now()) for name in shares]
    if any(full):
        return max(full)  # nothing is taken from one bucket when the other is empty
    return max([await _take(name, per_hour) for name, per_hour in shares.items()])


async def block(account: Account, until: datetime) -> None:
    """The network refused one post of the account until then: the others wait without being refused one by one."""
    await Account.get_pymongo_collection().update_one(
        {"_id": account.id, "blocked_until": {"$lt": until}}, {"$set": {"blocked_until": until}}
    )


async def _take(name: str, per_hour: int) -> timedelta:
    """Take a token from a shared bucket, or say how long there is none."""
    for _ in range(_TRIES):
        at = now()
        bucket = await _bucket(name)
        if pause := wait(bucket.full_at, at):
            return pause
        taken = await Bucket.get_pymongo_collection().update_one(
            {"_id": name, "version": bucket.version},
            {"$set": {"full_at": after_one(bucket.full_at, at, per_hour)}, "$inc": {"version": 1}},
        )
        if taken.modified_count:
            return timedelta()
    return _CROWDED


async def _bucket(name: str) -> Bucket:
    known = await Bucket.get(name)
    if known is not None:
        return known
    bucket = Bucket(id=name)
    try:
        return await bucket.insert()
    except DuplicateKeyError:
        return await Bucket.get(name) or bucket
