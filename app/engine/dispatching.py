"""The dispatcher: moves what is due to the broker, and repairs what got lost on the way. Runs inside every worker process.

Each pass asks a few questions, each answered by the index ``due`` (state, due_at), so its cost depends on what is due and not on
history. Every change is a compare-and-set, so any number of dispatchers may run at once.

    scheduled,  due within the horizon      -> queued; one message for those of a lane and second, with the remaining delay
    queued,     long overdue                -> message again (RabbitMQ lost it, or was wiped), ever more seldom; finally missed
    publishing, lease expired               -> scheduled (nothing was sent; finally dead) or unconfirmed (behind the fence)
    unconfirmed and processing, due         -> message to ask the network
    posts whose last save was cut off       -> their deliveries follow them
    posts whose files are due for a look    -> message to make them fit
"""

import asyncio
import logging
from collections.abc import Awaitable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from pymongo.errors import PyMongoError

from app import runtime
from app.courier import PUBLISH, RECONCILE
from app.engine import attempts, backoff, fitting, order, outbox, turns
from app.engine.faultpoints import CLAIMED, FENCED
from app.engine.moves import Move, Refused, move, move_all
from app.ids import Id
from app.models import EPOCH, Delivery, Grant, State, in_millis, now, reading
from app.queries import equal
from platforms.errors import PlatformError, TimedOut, Unavailable

log = logging.getLogger(__name__)

BATCH = 500
"""Documents per question and pass; what is left over comes in the next pass, a moment later."""

LONGEST_GRACE = timedelta(minutes=30)
"""Between two messages of a delivery that no worker takes up."""

LONGEST_QUEUE = timedelta(days=1)
"""So long after its time a delivery that no worker took up is missed, and a person decides."""

CHECK_AGAIN = timedelta(minutes=2)
"""A look at the network that was ordered and not done within this time, and a lease's, is ordered again."""


async def run() -> None:
    """Make passes until canceled. A database that is away is waited for."""
    interval = runtime.current().settings.dispatch_interval
    while True:
        try:
            await run_pass(now())
        except asyncio.CancelledError:
            raise
        except Exception:
            log.exception("dispatcher pass failed; the next one tries again")
        await asyncio.sleep(interval)


async def run_pass(at: datetime) -> None:
    """One pass as of the instant ``at``."""
    settings = runtime.current().settings
    grace = at - timedelta(seconds=settings.sweep_after)
    await _answer(emit(await _due(State.SCHEDULED, at + settings.horizon_time)))
    await _answer(outbox.complete(at))
    await _answer(fitting.send_due(at))
    await _answer(_emit_again(await _due(State.QUEUED, grace, sweep_at={"$lt": at}), at))
    await _answer(_take_over(await _read({**equal(state=State.PUBLISHING), "lease_until": {"$lt": at}}, "lease_until")))
    for state in (State.UNCONFIRMED, State.PROCESSING):
        await _answer(_check(await _due(state, at, undecidable=False, lease_until={"$lt": at}), at))


async def _answer(question: Awaitable[None]) -> None:
    """One question that fails must not leave the others unanswered."""
    try:
        await question
    except PyMongoError:
        raise
    except Exception:
        log.exception("dispatcher could not finish one of its questions; the others go on")


async def _due(state: State, until: datetime, **more: Any) -> list[Delivery]:
    return await _read({**equal(state=state), "due_ms": {"$lte": in_millis(until)}, **more}, "due_ms")


async def _read(query: dict[str, Any], order: str) -> list[Delivery]:
    return await reading.find(Delivery, query, sort=order, limit=BATCH)


async def emit(due: Iterable[Delivery]) -> None:
    """Bring scheduled deliveries to the broker. Those it does not take stay scheduled, for the next pass."""
    free = [delivery for delivery in due if delivery.held_until <= now()]
    await _queue([Move(one, State.QUEUED, _emitted(1, max(now(), one.due_at))) for one in free])


def _emitted(emitted: int, since: datetime) -> dict[str, Any]:
    return {"sweep_at": since + _grace(emitted), "emitted": emitted}


async def _queue(moves: Sequence[Move]) -> None:
    """Make the moves, and send messages for those that were made, until the broker takes no more."""
    queued = [result for result in await move_all(moves) if not isinstance(result, Refused)]
    waiting = batches(queued)
    while waiting and await _send(waiting[0]):
        waiting = waiting[1:]
    await move_all([Move(one, State.SCHEDULED, {}) for batch in waiting for one in batch])


BATCH_WEIGHT = 25
WITH_MEDIA = 5
"""What one message holds: so many deliveries of words alone, of which one with media weighs as much as five, because its worker
has all their files in memory. Heavy ones go one by one."""


def batches(queued: Iterable[Delivery]) -> list[list[Delivery]]:
    """Cut into messages: of one lane and due second each, an account's deliveries together and in their order."""
    whole: dict[tuple[str, int], dict[Id, list[Delivery]]] = {}
    for one in sorted(queued, key=order.place):
        whole.setdefault((one.lane, one.due_ms // 1000), {}).setdefault(one.account_id, []).append(one)
    return [batch for lines in whole.values() for batch in _cut(lines.values())]


def _cut(lines: Iterable[Sequence[Delivery]]) -> Iterator[list[Delivery]]:
    """Only the first of a line weighs: the others follow when it has ended."""
    batch: list[Delivery] = []
    weight = 0
    for line in lines:
        more = _weight(line[0])
        if batch and weight + more > BATCH_WEIGHT:
            yield batch
            batch, weight = [], 0
        batch, weight = [*batch, *line], weight + more
    if batch:
        yield batch


def _weight(delivery: Delivery) -> int:
    return BATCH_WEIGHT if delivery.heavy else WITH_MEDIA if delivery.attachments else 1


def _grace(emitted: int) -> timedelta:
    """How long after its ``emitted``-th message nothing is done: ever longer, or a lane that stalls would fill up."""
    first: timedelta = timedelta(seconds=runtime.current().settings.sweep_after)
    return min(first * int(2 ** min(emitted - 1, 20)), max(first, LONGEST_GRACE))


async def _emit_again(lost: Sequence[Delivery], at: datetime) -> None:
    for delivery in lost:
        if at - delivery.due_at > LONGEST_QUEUE:
            await _never_taken(delivery)
    again = [one for one in lost if at - one.due_at <= LONGEST_QUEUE]
    if again:
        log.info("%d deliveries are overdue in the queue, the first is %s; sending their messages again", len(again), again[0].id)
    await _queue([Move(one, State.QUEUED, _emitted(one.emitted + 1, now())) for one in again])


async def _never_taken(delivery: Delivery) -> None:
    error = Unavailable(delivery.platform, "never_taken", "For a day no worker could take it up.")
    await move(
        delivery.id,
        State.QUEUED,
        State.MISSED,
        where={"move_id": delivery.move_id},
        trouble=backoff.trouble(error, now()),
    )
    log.error("delivery %s was taken up by no worker for a day; it is missed", delivery.id)


async def _take_over(expired: Iterable[Delivery]) -> None:
    """A worker is gone. Whether it may have sent is told by the fence. What stops every worker is given up in the end."""
    for delivery in expired:
        fenced = delivery.fenced_at > EPOCH
        error = _worker_lost(delivery.platform, fenced=fenced)
        enough = backoff.delay(error, strikes=delivery.strikes, jitter=0) is None  # else at once: the lease was pause enough
        becomes = State.UNCONFIRMED if fenced else State.DEAD if enough else State.SCHEDULED
        if becomes == State.SCHEDULED:  # written before the turn is free
            await turns.keep_behind(delivery.account_id, delivery.planned_at + order.IN_ORDER)
        moved = await move(
            delivery.id,
            State.PUBLISHING,
            becomes,
            where={"attempt_id": delivery.attempt_id, "lease_until": delivery.lease_until},
            increase={"strikes": 1},
            due_at=now() if fenced else delivery.due_at,  # what was not sent is as late as it is
            lease_until=EPOCH,
            trouble=backoff.trouble(error, now()),
            tries=attempts.ended(delivery, outcome="worker lost", step=FENCED if fenced else CLAIMED, error=error),
        )
        if moved is not None:
            log.warning("delivery %s: worker lost in attempt %s, now %s", moved.id, delivery.attempt_id, moved.state)
            await outbox.catch_up(moved)
            await turns.pass_on(moved)


def _worker_lost(platform: str, *, fenced: bool) -> PlatformError:
    if fenced:
        return TimedOut(platform, "worker_lost", "The worker stopped after the post was handed over.")
    return Unavailable(platform, "worker_lost", "The worker stopped before anything was sent.")


async def take_all_over() -> None:
    """For the start of a process that is the only one: nobody else works, and a broker in memory starts empty.

    What was queued is scheduled again, and every lease has expired.
    """
    for delivery in await reading.find(Delivery, equal(state=State.QUEUED)):
        await move(delivery.id, State.QUEUED, State.SCHEDULED)
    await _take_over(await reading.find(Delivery, equal(state=State.PUBLISHING)))
    for grant in await reading.find(Grant, {}):
        await Grant.get_pymongo_collection().update_one({"_id": grant.id}, {"$set": {"refreshing_until": EPOCH}})
    for state in (State.UNCONFIRMED, State.PROCESSING):
        for delivery in await reading.find(Delivery, equal(state=state)):
            await move(delivery.id, state, state, lease_until=EPOCH)


async def _check(open_ones: Iterable[Delivery], at: datetime) -> None:
    again = max(CHECK_AGAIN, 2 * runtime.current().settings.lease_time)
    for result in await move_all([Move(one, one.state, {"due_at": at + again}) for one in open_ones]):
        if not isinstance(result, Refused):
            await runtime.current().courier.send(RECONCILE, [result.id], result.lane)


async def _send(batch: Sequence[Delivery]) -> bool:
    """Delayed until it is time to make them ready."""
    first = min(batch, key=order.begins_at)
    delay = max(order.begins_at(first) - now(), timedelta())
    return await runtime.current().courier.send(PUBLISH, [one.id for one in batch], first.lane, delay=delay)


_hurrying: set[asyncio.Task[None]] = set()
"""Strong references: the event loop keeps only weak ones to its tasks."""


def hurry(waiting: Iterable[Delivery]) -> None:
    """Bring what is due soon to the broker right away, in the background: a form never waits for, or fails with, the broker."""
    until = now() + runtime.current().settings.horizon_time
    soon = [delivery for delivery in waiting if delivery.due_at <= until]
    if soon:
        task = asyncio.create_task(emit(soon), name="hurry")
        _hurrying.add(task)
        task.add_done_callback(_hurrying.discard)
