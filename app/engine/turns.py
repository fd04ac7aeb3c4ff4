"""Turns: one account publishes one thing at a time, in the order it was planned.

The turn is a field of the delivery that is being published, under a unique index. It is taken by the claim and ended by whatever
ends the attempt, so it costs no write of its own. Who finds it taken asks to be called: a mark on the holder, and one on the
account, so that whoever comes meanwhile looks at the line first. Where nobody waits, nobody asks who is next.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from app import runtime
from app.courier import PUBLISH
from app.engine import attempts, order
from app.engine.moves import move
from app.ids import Id
from app.models import EPOCH, Account, Delivery, State, now, reading
from app.queries import equal

LINE = timedelta(minutes=2)
"""So long after somebody waited for the account's turn, who comes looks whether somebody still does."""

_TRIES = 20
"""Looks at a turn that changes hands all the time, before the dispatcher's next message is left to try again."""


async def get_in_line(delivery: Delivery) -> bool:
    """``delivery`` found its account's turn taken: whoever ends it will call. ``True``: it is free by now, try again.

    Who is before the holder goes before it, if the holder has not been fenced yet, and is not an earlier one that is tried again.
    """
    await keep_line(delivery.account_id)
    for _ in range(_TRIES):
        holder = await _holder(delivery.account_id)
        if holder is None or holder.id == delivery.id:
            return holder is None
        before = order.place(delivery) < order.place(holder) and not order.goes_before(holder, delivery)
        if before and await revoke(holder, State.QUEUED) is not None:
            return True
        if await _ask(holder):
            return False
    return False


async def gives_way(delivery: Delivery) -> bool:
    """Whether another delivery of the account goes first; then that one is called, and calls when it has ended."""
    first = await order.first_before(delivery)
    if first is None:
        return False
    await keep_line(delivery.account_id)
    await _call(first)
    return True


async def _holder(account_id: Id) -> Delivery | None:
    found = await reading.find(Delivery, equal(turn=account_id), limit=1)
    return found[0] if found else None


async def _ask(holder: Delivery) -> bool:
    """Mark the holder as awaited; ``False`` if it has ended its turn."""
    asked = await Delivery.get_pymongo_collection().update_one(
        {"_id": holder.id, "turn": holder.account_id}, {"$set": {"awaited": True}}
    )
    return bool(asked.matched_count)


async def keep_line(account_id: Id) -> None:
    """From now on, and for a while, who wants the account's turn looks at the line."""
    until = now() + LINE
    await Account.get_pymongo_collection().update_one(
        {"_id": account_id, "line_until": {"$lt": until - LINE / 2}}, {"$set": {"line_until": until}}
    )


async def revoke(holder: Delivery, target: State) -> Delivery | None:
    """Take back an attempt that has certainly sent nothing; ``None`` if that cannot be (any more).

    Its worker learns of it at its next checkpoint, the fence at the latest. The caller sees to it that somebody is called.
    """
    if not holder.preparing:
        return None
    known, tries = {"move_id": holder.move_id}, attempts.ended(holder, outcome="taken back")
    return await move(holder.id, State.PUBLISHING, target, where=known, lease_until=EPOCH, tries=tries)


async def pass_on(ended: Delivery) -> None:
    """The turn that ``ended`` had is free: call who waits for it, if anybody does."""
    if ended.awaited:
        await _call_first(ended.account_id, but=ended.id)


async def call_next(accounts: Iterable[Account]) -> None:
    """Who was called does not go: it was canceled, edited or put off. Where there is a line, its next one is called instead."""
    for account in accounts:
        if account.line_until > now():
            await _call_first(account.id)


async def _call_first(account_id: Id, *, but: Id | None = None) -> None:
    """The first in line; and the first that may pass it, if it has been waiting in another lane for too long."""
    line = [one for one in await order.line(account_id) if one.id != but]
    if len(line) > 1:
        await keep_line(account_id)
    passing = [one for one in line if order.may_be_passed(line[0], one)]
    for some in (line, passing):
        if some:
            await _call(*some)


async def _call(first: Delivery, *behind: Delivery) -> None:
    """Its message may have come and gone, even if its time has not come yet: then it is called for its time.

    With it those ``behind`` it whose time has come, so that one worker works off the line.
    """
    delay = max(order.begins_at(first) - now(), timedelta())
    company = [one.id for one in behind if one.lane == first.lane and order.begins_at(one) <= now()]
    await runtime.current().courier.send(PUBLISH, [first.id, *company], first.lane, delay=delay)


async def keep_behind(account_id: Id, until: datetime) -> None:
    """An earlier post of the account is tried again: later ones look whether they have to wait, ``until`` then."""
    await Account.get_pymongo_collection().update_one(
        {"_id": account_id, "retrying_until": {"$lt": until}}, {"$set": {"retrying_until": until}}
    )
