"""Who is to be published now: read together, looked at one by one, claimed together.

    read deliveries, accounts, grants ─ early? late? limited? not first in line? ─ claim: attempt, lease and turn in one write

Nothing here sends. A claim that is not fenced yet can be taken back by whoever edits or cancels the post.
"""

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar

from beanie import Document
from pymongo.errors import PyMongoError

from app import runtime
from app.engine import attempts, backoff, lateness, order, pacing, turns
from app.engine.backoff import Decision
from app.engine.faultpoints import CLAIMED
from app.engine.moves import Move, Refused, move, move_all
from app.ids import Id
from app.models import EPOCH, Account, AttemptKind, Delivery, Grant, State, now, reading
from platforms.errors import QuotaExhausted, Unavailable

log = logging.getLogger(__name__)

_ROUNDS = 5
"""Tries at a turn that others end and take at the same time."""

D = TypeVar("D", bound=Document)


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery that is ours to publish, and its account, whose grant is known already.

    ``behind``: those of the account that were asked for too and follow it, the next one first.
    """

    delivery: Delivery
    account: Account
    behind: Sequence[Id] = ()


@dataclass(slots=True)
class Claims:
    """At most one delivery of each account is ``claimed``. ``again``: for which of the others to come again, and when."""

    claimed: list[Claimed] = field(default_factory=list)
    again: list[tuple[Delivery, Decision]] = field(default_factory=list)

    def of(self, delivery_id: Id) -> "Claims":
        """What became of this one."""
        claimed = [one for one in self.claimed if one.delivery.id == delivery_id]
        return Claims(claimed, [(one, decision) for one, decision in self.again if one.id == delivery_id])


async def claim(delivery_ids: Collection[Id]) -> Claims:
    """Claim what is due and whose account is free. Everything else is left alone, or put off."""
    claims = Claims()
    found = await _read(Delivery, delivery_ids)
    waiting = [one for one in found if one.state == State.QUEUED and one.held_until <= now()]
    ready = [one for one in waiting if not _too_early(one, claims.again)]
    accounts = await _accounts({one.account_id for one in ready})
    waits = await pacing.admit(accounts.values())
    late = await _left_behind(accounts.values())
    leaders, company, dealt_with = [], set(), {one.account_id for one in found if one.state == State.PUBLISHING}
    for account_id, line in _lines(ready).items():
        if (account := accounts.get(account_id)) is None:
            continue
        crowded = account.line_until > now() or late is None or account_id in late
        if crowded and await turns.gives_way(line[0]):
            dealt_with.add(account_id)
            continue
        leader = await _first_that_may_go(line, account, waits[account_id], claims.again)
        leaders += [leader] if leader else []
        company |= {account_id} if len(line) > 1 else set()
    for account_id in company:
        await turns.keep_line(account_id)
    taken, gone = await _take(leaders, accounts, company)
    taken = await _let_elders_pass(taken, claims.again)
    claims.claimed = [Claimed(one, accounts[one.account_id], _behind(one, ready)) for one in taken]
    dealt_with |= {one.account_id for one in leaders} - gone | {one.account_id for one, _ in claims.again}
    await _call_others({one.account_id for one in found} - dealt_with)
    return claims


# --- reading ----------------------------------------------------------------------------------------------------------


async def _read(model: type[D], ids: Collection[Id]) -> list[D]:
    return await reading.find(model, {"_id": {"$in": list(ids)}}) if ids else []


async def _accounts(account_ids: Collection[Id]) -> dict[Id, Account]:
    """The accounts, each with its grant, so that opening a session asks for nothing more."""
    accounts = await _read(Account, account_ids)
    grants = {grant.id: grant for grant in await _read(Grant, {account.grant_id for account in accounts})}
    for account in accounts:
        account._grant = grants.get(account.grant_id)
    return {account.id: account for account in accounts}


def _lines(ready: Iterable[Delivery]) -> Mapping[Id, Sequence[Delivery]]:
    """By account, first in line first."""
    lines: dict[Id, list[Delivery]] = {}
    for one in sorted(ready, key=order.place):
        lines.setdefault(one.account_id, []).append(one)
    return lines


def _behind(leader: Delivery, ready: Iterable[Delivery]) -> list[Id]:
    line = [one for one in ready if one.account_id == leader.account_id and order.place(one) > order.place(leader)]
    return [one.id for one in sorted(line, key=order.place)]


# --- looking ----------------------------------------------------------------------------------------------------------


async def _left_behind(accounts: Iterable[Account]) -> frozenset[Id] | None:
    """Asked only if it matters: where there is a line, it is looked at in any case."""
    free = any(account.line_until <= now() for account in accounts)
    return await order.left_behind() if free else frozenset()


def _too_early(delivery: Delivery, again: list[tuple[Delivery, Decision]]) -> bool:
    begins = order.begins_at(delivery)
    if begins <= now() + order.EARLY:
        return False
    _come_again(delivery, begins, again)
    return True


def _come_again(delivery: Delivery, at: datetime, again: list[tuple[Delivery, Decision]]) -> None:
    """Beyond the horizon nothing: then the message belongs to an old plan, and the new one has its own."""
    if at <= now() + runtime.current().settings.horizon_time:
        again.append((delivery, Decision(State.QUEUED, at, strike=False, trouble=None)))


async def _first_that_may_go(
    line: Sequence[Delivery], account: Account, wait: timedelta, again: list[tuple[Delivery, Decision]]
) -> Delivery | None:
    """Those before it are put off, each by itself; those behind it are called when it has ended its turn."""
    for delivery in line:
        if await _too_late(delivery) or await _paced(delivery, wait):
            continue
        if account.retrying_until < now() or not await _waits_for_elder(delivery, again):
            return delivery
    return None


async def _waits_for_elder(delivery: Delivery, again: list[tuple[Delivery, Decision]]) -> bool:
    """Whether an earlier post is tried again; then this one comes again behind it."""
    elder = await order.elder(delivery)
    if elder is not None:
        _come_again(delivery, _behind_elder(elder), again)
    return elder is not None


def _behind_elder(elder: Delivery) -> datetime:
    return min(max(elder.due_at, now()) + order.EARLY, elder.planned_at + order.IN_ORDER)


async def _too_late(delivery: Delivery) -> bool:
    """Whether it is later than its workspace wants; then it waits for a person, or is skipped.

    Later than ``due_at``, not ``planned_at``: who was told to wait for room under the network's limit has missed nothing.
    """
    target = await lateness.verdict(delivery, delivery.due_at)
    if target is None:
        return False
    error = Unavailable(delivery.platform, "late", "It could not be sent in time.")
    trouble = backoff.trouble(error, now())
    await move(delivery.id, State.QUEUED, target, where={"move_id": delivery.move_id}, trouble=trouble)
    log.warning("delivery %s was due %s and is %s", delivery.id, delivery.planned_at, target)
    return True


async def _paced(delivery: Delivery, wait: timedelta) -> bool:
    """Whether the network's limit is used up at its time; then it waits in the database until there is room."""
    if wait <= max(delivery.due_at - now(), timedelta()):
        return False
    error = QuotaExhausted(delivery.platform, "paced", "The network's limit for this account is used up; it waits for its turn.")
    known, trouble = {"move_id": delivery.move_id}, backoff.trouble(error, now())
    await move(delivery.id, State.QUEUED, State.SCHEDULED, where=known, due_at=now() + wait, trouble=trouble)
    return True


# --- taking -----------------------------------------------------------------------------------------------------------


async def _take(
    leaders: Sequence[Delivery], accounts: Mapping[Id, Account], company: Collection[Id]
) -> tuple[list[Delivery], set[Id]]:
    """Claim them together. Who finds the turn taken gets in line, or tries once more if it is free by then.

    Returns what is claimed, and the accounts whose delivery is not there to be claimed any more.
    """
    claimed: list[Delivery] = []
    gone: set[Id] = set()
    await attempts.make_room(leaders)
    awaited = {one.id for one in leaders if one.account_id in company or accounts[one.account_id].line_until > now()}
    for _ in range(_ROUNDS):
        try:
            results = await move_all([_claim_of(one, awaited=one.id in awaited) for one in leaders])
            claimed += [result for result in results if not isinstance(result, Refused)]
            gone |= {one.account_id for one, result in zip(leaders, results, strict=True) if result is Refused.CHANGED}
            refused = [one for one, result in zip(leaders, results, strict=True) if result is Refused.TAKEN]
            leaders = [one for one in refused if await turns.get_in_line(one)]
        except PyMongoError:
            if not claimed:
                raise
            log.exception("some could not get in line; what is claimed goes on, the others are called by the dispatcher")
            break
        awaited |= {one.id for one in leaders}  # whoever had the turn may still want it
        if not leaders:
            break
    return claimed, gone


async def _let_elders_pass(taken: Sequence[Delivery], again: list[tuple[Delivery, Decision]]) -> list[Delivery]:
    """Looked at once more with the turn in hand: who fails says that it comes again before it ends its turn, and it may have
    ended it since the accounts were read.
    """
    retrying = await order.retrying([one.account_id for one in taken])
    kept = []
    for one in taken:
        elder = await order.elder(one) if one.account_id in retrying else None
        if elder is not None and (back := await turns.revoke(one, State.QUEUED)) is not None:
            _come_again(back, _behind_elder(elder), again)
        else:
            kept.append(one)
    return kept


async def _call_others(account_ids: Collection[Id]) -> None:
    """Nobody goes for these accounts. What is claimed goes on, whatever comes of it."""
    try:
        await turns.call_next(await _read(Account, account_ids))
    except PyMongoError:
        log.exception("the next in line were not called; the dispatcher does it")


def _claim_of(delivery: Delivery, *, awaited: bool) -> Move:
    """Attempt, lease and turn are on record before anything is sent."""
    attempt_id, number = Id(), delivery.attempts + 1
    changes = {
        "attempts": number,
        "attempt_id": attempt_id,
        "tries": attempts.begun(delivery, AttemptKind.PUBLISH, attempt_id, number=number, step=CLAIMED),
        "turn": delivery.account_id,
        "awaited": awaited,
        "lease_until": now() + runtime.current().settings.lease_time,
        "fenced_at": EPOCH,
        "begun_at": delivery.begun_at if delivery.begun_at > EPOCH else now(),
    }
    return Move(delivery, State.PUBLISHING, changes)
