"""Keeping under published quotas, without a counter that has to be written: the deliveries themselves are the record.

What the fence writes (:func:`stamp`) says when a part was last sent, in whose name and to whom. From that each process keeps a
table of what was sent in the hours that a quota looks back on. An hour that has passed does not change any more and is read once;
the present one is read again once a minute, by one question that the index ``sent`` answers. Between two readings the process
adds what it sends itself (:func:`note`), and what it has just admitted counts as sent until then.

So the table may lack what other processes sent within a minute. Where that could matter, because an allowance is half used, it is
asked anew before anything is admitted: one account's hour, or the present hour of everybody who shares the allowance.

A workspace gets at most half of an allowance that several share, so that one workspace's thousand posts leave room for everybody
else's one.
"""

import asyncio
from bisect import bisect_right, insort
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from app.ids import Id
from app.models import Account, Delivery, Workspace, as_instant, now, reading
from app.queries import equal
from platforms import REGISTRY
from platforms.base import Midnight, Quota, Scope

HOUR = timedelta(hours=1)

STALE = timedelta(minutes=1)
"""After so long the present hour is read again."""

NEAR_STALE = timedelta(seconds=2)
"""The same where a shared allowance is half used."""

SETTLED = timedelta(minutes=5)
"""So long after its end an hour may still get what a slow worker wrote into it."""

CLAIMED = timedelta(minutes=1)
"""So long something that was admitted counts as sent if it is not heard of again."""

Key = tuple[str, ...]
"""For whom sends are counted together: an account, a server, an app, or one workspace's part of the latter two."""

# --- what the fence writes --------------------------------------------------------------------------------------------


def stamp(account: Account, at: datetime, *, parts: int) -> dict[str, Any]:
    """What the fence writes into the delivery: its first ``parts`` parts are sent by ``at``, in the name of ``account``."""
    return {"sent_at": at, "sent_hour": hour_of(at), "sent_to": pool(account), "sent_parts": parts}


def hour_of(at: datetime) -> str:
    """The hour of ``at``, counted since 1970, as text that both engines find by equality and that sorts: ``"h498936"``.

    The embedded engine would take ``2026-12-01T12`` for a date, store it otherwise, and find it no more.
    """
    return f"h{int(at.timestamp()) // 3600:06}"


def pool(account: Account) -> str:
    """The server that counts the account's requests."""
    return f"{account.platform} {account.server}"


def note(account: Account, delivery_id: Id, at: datetime, *, parts: int) -> None:
    """This process has sent that. Call it once the fence is written, with the same values."""
    _table.settle_claim(account.id)
    _table.hour(hour_of(at)).add(delivery_id, at, parts, _keys(pool(account), account.workspace_id, account.id))


# --- whether there is room --------------------------------------------------------------------------------------------


async def admit(accounts: Iterable[Account]) -> dict[Id, timedelta]:
    """How long a post of each account has to wait; zero admits it, and what was admitted before counts.

    A batch costs at most one reading a minute, and one more question for each account whose own allowance is half used.
    """
    await _table.refresh(STALE)
    return {account.id: await _wait(account) for account in accounts}


async def _wait(account: Account) -> timedelta:
    at = now()
    waits = [account.blocked_until - at]
    for quota in REGISTRY[account.platform].capabilities_for(account.limits).quotas:
        if quota.scope is Scope.ACCOUNT or not account.sandbox:  # the sandbox has no limits to share
            waits += [await _room(key, limit, quota, account, at) for key, limit in _allowances(quota, account)]
    longest = max(timedelta(), *waits)
    if not longest:
        _table.claim(account.id, at, _keys(pool(account), account.workspace_id, account.id))
    return longest


def _allowances(quota: Quota, account: Account) -> list[tuple[Key, int]]:
    """Whose sends are counted, and how many there may be."""
    if quota.scope is Scope.ACCOUNT:
        return [(("account", account.id), quota.posts)]
    shared = _shared(quota.scope, pool(account))
    whole = [(shared, quota.posts)]
    return whole if _table.alone else [*whole, ((*shared, account.workspace_id), max(1, quota.posts // 2))]


async def _room(key: Key, limit: int, quota: Quota, account: Account, at: datetime) -> timedelta:
    """How long until one more is allowed."""
    since = begin(quota, at)
    if _table.count(key, since, account.id) * 2 < limit:
        return timedelta()
    await (_table.refresh_account(account.id, since, at) if quota.scope is Scope.ACCOUNT else _table.refresh(NEAR_STALE))
    return wait(_table.sends(key, since, account.id), limit, quota, at)


def begin(quota: Quota, at: datetime) -> datetime:
    """From when on sends count at ``at``."""
    if isinstance(quota.per, Midnight):
        local = at.astimezone(ZoneInfo(quota.per.zone))
        return local.replace(hour=0, minute=0, second=0, microsecond=0).astimezone(UTC)
    return at - quota.per


def wait(sent: list[datetime], limit: int, quota: Quota, at: datetime) -> timedelta:
    """How long until one more may follow those ``sent`` since :func:`begin`, in order, of which ``limit`` are allowed."""
    if len(sent) < limit:
        return timedelta()
    if isinstance(quota.per, Midnight):
        local = at.astimezone(ZoneInfo(quota.per.zone))
        midnight = (local + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
        return midnight.astimezone(UTC) - at
    return max(timedelta(), sent[-limit] + quota.per - at)


async def block(account: Account, until: datetime) -> None:
    """The network refused one post of the account until then: the others wait without being refused one by one."""
    await Account.get_pymongo_collection().update_one(
        {"_id": account.id, "blocked_until": {"$lt": until}}, {"$set": {"blocked_until": until}}
    )


# --- the table --------------------------------------------------------------------------------------------------------


def _shared(scope: Scope, sent_to: str) -> Key:
    return (scope, sent_to if scope is Scope.SERVER else sent_to.partition(" ")[0])


def _keys(sent_to: str, workspace_id: Id, account_id: Id) -> tuple[Key, ...]:
    shared = [_shared(scope, sent_to) for scope in (Scope.SERVER, Scope.APP)]
    return ("account", account_id), *shared, *((*key, workspace_id) for key in shared)


@dataclass
class _Hour:
    """What was sent in one hour. ``parts`` counts those of each delivery, so that what is read twice counts once."""

    read_at: datetime | None = None
    final: bool = False
    parts: dict[Id, int] = field(default_factory=dict)
    sent: dict[Key, list[datetime]] = field(default_factory=dict)

    def add(self, delivery_id: Id, at: datetime, parts: int, keys: Iterable[Key]) -> None:
        more = parts - self.parts.get(delivery_id, 0)
        if more <= 0:
            return
        self.parts[delivery_id] = parts
        for key in keys:
            for _ in range(more):
                insort(self.sent.setdefault(key, []), at)


class _Table:
    """The hours that a quota of any network looks back on. ``alone``: there is one workspace, so nobody has to be spared."""

    def __init__(self) -> None:
        self.alone = False
        self._hours: dict[str, _Hour] = {}
        self._claims: dict[Id, tuple[datetime, tuple[Key, ...]]] = {}
        self._claimed: dict[Key, dict[Id, datetime]] = {}
        self._reading = asyncio.Lock()

    def hour(self, name: str) -> _Hour:
        return self._hours.setdefault(name, _Hour())

    def count(self, key: Key, since: datetime, account_id: Id) -> int:
        """How many were sent since then; what others were admitted for counts too."""
        sent = sum(len(times) - bisect_right(times, since) for times in self._times(key, since))
        claimed = self._claimed.get(key, {})
        return sent + len(claimed) - (account_id in claimed)

    def sends(self, key: Key, since: datetime, account_id: Id) -> list[datetime]:
        """The instants of what :meth:`count` counts, in order."""
        sent = [at for times in self._times(key, since) for at in times[bisect_right(times, since) :]]
        return sorted(sent + [at for other, at in self._claimed.get(key, {}).items() if other != account_id])

    def _times(self, key: Key, since: datetime) -> list[list[datetime]]:
        earliest = hour_of(since)
        return [hour.sent[key] for name, hour in self._hours.items() if name >= earliest and key in hour.sent]

    def claim(self, account_id: Id, at: datetime, keys: tuple[Key, ...]) -> None:
        """Something of the account was admitted, and is not heard of yet. It has one thing under way at a time."""
        self.settle_claim(account_id)
        self._claims[account_id] = at, keys
        for key in keys:
            self._claimed.setdefault(key, {})[account_id] = at

    def settle_claim(self, account_id: Id) -> None:
        _, keys = self._claims.pop(account_id, (None, ()))
        for key in keys:
            self._claimed[key].pop(account_id, None)

    async def refresh(self, older_than: timedelta) -> None:
        """Read what is missing, and the present hour if its last reading is ``older_than`` that."""
        async with self._reading:
            at = now()
            for account_id in [one for one, (claimed_at, _) in self._claims.items() if at - claimed_at > CLAIMED]:
                self.settle_claim(account_id)
            read_at = self.hour(hour_of(at)).read_at
            if read_at is None or at - read_at >= older_than:
                await self._read_all(at)

    async def _read_all(self, at: datetime) -> None:
        workspaces = await reading.rows(Workspace, {}, ["_id"], limit=2)
        self.alone = len(workspaces) == 1
        wanted = _hours_back(at)
        for name in wanted:
            if not self.hour(name).final:
                await self._read(name, at)
        self._hours = {name: hour for name, hour in self._hours.items() if name in wanted}

    async def refresh_account(self, account_id: Id, since: datetime, at: datetime) -> None:
        """Read the account's own sends in the hours that may still change."""
        for name in _hours_back(at):
            if name >= hour_of(since) and not self.hour(name).final:
                await self._take(name, equal(sent_hour=name, account_id=account_id))

    async def _read(self, name: str, at: datetime) -> None:
        await self._take(name, equal(sent_hour=name))
        self.hour(name).read_at = at
        self.hour(name).final = name < hour_of(at - SETTLED)

    async def _take(self, name: str, query: dict[str, Any]) -> None:
        hour = self.hour(name)
        for found in await reading.rows(Delivery, query, _FIELDS):
            account_id, sent_at = Id(found["account_id"]), as_instant(found["sent_at"])
            hour.add(
                Id(found["_id"]), sent_at, found["sent_parts"], _keys(found["sent_to"], Id(found["workspace_id"]), account_id)
            )


_FIELDS = ("account_id", "workspace_id", "sent_at", "sent_to", "sent_parts")


def _hours_back(at: datetime) -> list[str]:
    """The names of the hours that some quota still counts, the present one last."""
    quotas = [quota for adapter in REGISTRY.values() for quota in adapter.capabilities.quotas]
    earliest = min([begin(quota, at) for quota in quotas], default=at)
    hours = int((at - earliest) / HOUR) + 1
    return sorted({hour_of(at - HOUR * back) for back in range(hours)} | {hour_of(earliest)})


_table = _Table()


def forget() -> None:
    """Start with an empty table, as a process does."""
    global _table  # noqa: PLW0603
    _table = _Table()
