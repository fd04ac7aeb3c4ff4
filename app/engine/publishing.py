"""Publishing deliveries that are due together: each is one try by itself, and what can be done for all of them is done once.

    claim (attempt, lease, turn) ─ adapter: uploads, checkpoint … fence ─ the due instant ─ request ─ answer ─ receipt saved
                                   └ crash: nothing sent, send again ──┘└─── crash: unconfirmed, ask ─────┘

Every write names the attempt that holds the lease. A worker that lost it (it was stopped for too long, another took over) is
refused at the next checkpoint, and above all at the fence, so it cannot send what somebody else is sending.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

from app import runtime
from app.courier import BURY, PUBLISH
from app.engine import access, attempts, backoff, claiming, contents, order, outbox, pacing, receipts, turns
from app.engine.backoff import Decision
from app.engine.checkpoints import DeliveryCheckpoint, LeaseLost, Unwanted
from app.engine.claiming import Claimed
from app.engine.faultpoints import CLAIMED, SAVED
from app.engine.moves import move
from app.engine.outbox import Will
from app.ids import Id
from app.models import EPOCH, Delivery, State, now, reading
from platforms import REGISTRY
from platforms.base import Outcome, Waiting
from platforms.errors import (
    MediaRejected,
    PlatformError,
    QuotaExhausted,
    RateLimited,
    ReconnectNeeded,
    TokenExpired,
    Unavailable,
    UnexpectedReply,
)

log = logging.getLogger(__name__)


Decided = Sequence[tuple[Delivery, Decision]]
Then = Callable[[Decided], Awaitable[None]]
"""What is done about it."""


async def publish(delivery_ids: Collection[Id]) -> Decided:
    """Make one try at each delivery that is due and whose account is free. Returns for which something is still to be done.

    Safe to call at any time and any number of times: a delivery that is edited, canceled, taken or done is left alone. A
    cancellation hands back what was not sent, leaves the rest to be asked about, and is raised when all that is written down.
    """
    decided: list[tuple[Delivery, Decision]] = []

    async def collect(some: Decided) -> None:
        decided.extend(some)

    await _publish(delivery_ids, collect)
    return decided


async def publish_all(delivery_ids: Collection[Id]) -> None:
    """:func:`publish` for a batch: what is still to be done about one goes on at once, however long the others take."""
    await _publish(delivery_ids, send_on)


async def _publish(delivery_ids: Collection[Id], then: Then) -> None:
    claims = await claiming.claim(delivery_ids)
    tries = [asyncio.create_task(_attempt(one, then), name="attempt") for one in claims.claimed]
    try:
        await then(claims.again)
        outcomes = await asyncio.gather(*tries, return_exceptions=True)
    except asyncio.CancelledError:  # Dramatiq's TimeLimitExceeded, or its worker stops
        for one in tries:
            one.cancel()
        await _all_ended(tries)
        raise
    failures = [one for one in outcomes if isinstance(one, BaseException)]
    if failures:  # the message is tried again; what is written down by then is left alone
        raise failures[0]


async def send_on(decided: Decided) -> None:
    """What is still to be done about some of a batch goes on as messages of their own; the others have none any more."""
    courier = runtime.current().courier
    for delivery, decision in decided:
        if decision.state == State.QUEUED:
            delay = max(decision.due_at - now(), timedelta())
            await courier.send(PUBLISH, [delivery.id], delivery.lane, delay=delay)
        elif decision.state in (State.FAILED, State.DEAD):
            await courier.send(BURY, [delivery.id], delivery.lane)


async def _all_ended(tries: Collection[asyncio.Task[None]]) -> None:
    """They were canceled with whoever waited for them; each writes down how far it came."""
    while running := [one for one in tries if not one.done()]:
        await asyncio.wait(running)


async def _attempt(claimed: Claimed, then: Then) -> None:
    checkpoint = DeliveryCheckpoint(claimed.delivery, claimed.account)
    with _in_flight(checkpoint):
        try:
            decision = await _carry_out(checkpoint)
        finally:
            await asyncio.shield(turns.pass_on(checkpoint.delivery))
    if decision is not None:
        await then([(claimed.delivery, decision)])


async def _carry_out(checkpoint: DeliveryCheckpoint) -> Decision | None:
    """Publish, and write down how it ended, whatever happens."""
    delivery = checkpoint.delivery
    try:
        await checkpoint.reach(CLAIMED)
        await _publish_parts(checkpoint)
    except LeaseLost:
        log.warning("delivery %s: attempt %s lost its lease", delivery.id, delivery.attempt_id)
        await _nothing_was_sent(checkpoint)
        return None
    except Unwanted as unwanted:
        await _withdraw(checkpoint, unwanted.will)
        return None
    except PlatformError as error:
        if isinstance(error, ReconnectNeeded) and not checkpoint.released and (will := await outbox.changed_will(delivery)):
            await _withdraw(checkpoint, will)  # no access, because nobody wants it any more
            return None
        return await _write_down(checkpoint, error)
    except asyncio.CancelledError:  # Dramatiq's TimeLimitExceeded, or handed over at a stop; its message is tried again
        checkpoint.ending = True
        await asyncio.shield(_write_down(checkpoint, checkpoint.interrupted(again_in=timedelta())))
        raise
    except Exception:
        log.exception("delivery %s: attempt %s failed unexpectedly", delivery.id, delivery.attempt_id)
        return await _write_down(checkpoint, _unexpected(checkpoint))
    await checkpoint.reach(SAVED)
    return None


_running: dict[asyncio.Task[Any], DeliveryCheckpoint] = {}
"""The attempts this process is making."""


@contextmanager
def _in_flight(checkpoint: DeliveryCheckpoint) -> Iterator[None]:
    task = asyncio.current_task()
    if task is None:
        raise RuntimeError("an attempt runs in a task")
    _running[task] = checkpoint
    try:
        yield
    finally:
        del _running[task]
        receipts.sending.discard(checkpoint.delivery.id)


async def hand_over() -> None:
    """The process is to stop: give back every attempt that has sent nothing. Those that may have sent are left to finish.

    Asked again and again: the database driver swallows a cancellation that meets it in the middle of a command.
    """
    for _ in range(_ASKED_TO_STOP):
        unsent = [task for task, checkpoint in _running.items() if checkpoint.unsent]
        if not unsent:
            return
        for task in unsent:
            task.cancel()
        await asyncio.wait(unsent, timeout=_PAUSE)


_ASKED_TO_STOP = 20
_PAUSE = 0.25


async def _publish_parts(checkpoint: DeliveryCheckpoint) -> None:
    """Send every part that has no receipt yet, in order."""
    while checkpoint.delivery.state == State.PUBLISHING:
        outcome = await _publish_part(checkpoint)
        if isinstance(outcome, Waiting):
            await _wait(checkpoint)
        await checkpoint.answered(outcome)


async def _wait(checkpoint: DeliveryCheckpoint) -> None:
    """The network prepares what was uploaded. Raises when that is no answer any more; later posts of the account stay behind."""
    delivery, account = checkpoint.delivery, checkpoint.account
    if checkpoint.released:
        raise UnexpectedReply(
            delivery.platform, "waits_too_late", "The post was handed over, and its network is not ready for it."
        )
    limit = REGISTRY[delivery.platform].capabilities_for(account.limits).processing_limit
    if delivery.processing_at > EPOCH and now() - delivery.processing_at > limit:
        message = "The network has been preparing its files for so long that something must be wrong."
        raise MediaRejected(delivery.platform, "endless_waiting", message)
    await turns.keep_behind(account.id, delivery.planned_at + order.IN_ORDER)


async def _publish_part(checkpoint: DeliveryCheckpoint) -> Outcome:
    """One part, with one renewal of the account's tokens in between if the network asks for it."""
    try:
        return await _call_adapter(checkpoint)
    except TokenExpired:
        checkpoint.released = False  # it was refused
        checkpoint.account = await access.refresh(checkpoint.account)
        return await _call_adapter(checkpoint)


async def _call_adapter(checkpoint: DeliveryCheckpoint) -> Outcome:
    delivery, account = checkpoint.delivery, checkpoint.account
    content = await contents.of_part(delivery, account)
    async with checkpoint.step_limit():
        return await REGISTRY[delivery.platform].publish(
            await access.open_session(account), content, key=delivery.parts[delivery.position].key, checkpoint=checkpoint
        )


# --- after a failure --------------------------------------------------------------------------------------------------


def _unexpected(checkpoint: DeliveryCheckpoint) -> PlatformError:
    platform = checkpoint.delivery.platform
    if checkpoint.released:
        return UnexpectedReply(platform, "internal", "Something went wrong here after the post was handed over.")
    return Unavailable(platform, "internal", "Something went wrong here before anything was sent.")


async def _withdraw(checkpoint: DeliveryCheckpoint, will: Will) -> None:
    """Nobody wants it any more, or not like this, and nothing was sent."""
    delivery = checkpoint.delivery
    moved = await move(
        delivery.id,
        State.PUBLISHING,
        will.becomes,
        where={"attempt_id": delivery.attempt_id},
        due_at=delivery.due_at,
        lease_until=EPOCH,
        trouble=will.trouble,
        tries=attempts.ended(delivery, outcome="not wanted any more", step=checkpoint.step),
        **_unfenced(checkpoint),
    )
    if moved is not None:
        checkpoint.delivery = moved
        if will.becomes == State.SCHEDULED:
            await outbox.catch_up(moved)


def _unfenced(checkpoint: DeliveryCheckpoint) -> dict[str, Any]:
    """Of a fence that let nothing through no trace is left."""
    return {"fenced_at": EPOCH, "first_sent_at": checkpoint.sent_before, "not_before": checkpoint.not_before}


async def _nothing_was_sent(checkpoint: DeliveryCheckpoint) -> None:
    """It was fenced, and its lease ended before it was sent: only this process knows that there is nothing to ask about."""
    fenced = checkpoint.delivery
    if checkpoint.released or fenced.fenced_at <= EPOCH:
        return
    known = await reading.get(Delivery, fenced.id)
    if known is None or known.fenced_at != fenced.fenced_at or known.state not in (State.PUBLISHING, State.UNCONFIRMED):
        return
    moved = await move(
        known.id,
        known.state,
        State.SCHEDULED,
        where={"move_id": known.move_id},
        due_at=max(fenced.due_at, now()),
        lease_until=EPOCH,
        undecidable=False,
        checks=0,
        tries=attempts.ended(known, outcome="not sent", step=checkpoint.step, attempt_id=fenced.attempt_id),
        **_unfenced(checkpoint),
    )
    if moved is not None:
        checkpoint.delivery = moved
        await outbox.catch_up(moved)


def _left_of_fence(checkpoint: DeliveryCheckpoint, becomes: State) -> dict[str, Any]:
    """If the request may be out, that is kept; and until when it may still appear, unless it was certainly not accepted."""
    if not checkpoint.released:
        return _unfenced(checkpoint)
    return {} if becomes == State.UNCONFIRMED else {"not_before": checkpoint.not_before}


async def _write_down(checkpoint: DeliveryCheckpoint, error: PlatformError) -> Decision | None:
    """Write down what follows from ``error``. ``None`` if the delivery was taken over meanwhile."""
    delivery, settings = checkpoint.delivery, runtime.current().settings
    decision = backoff.decide(
        error,
        strikes=delivery.strikes,
        limited=delivery.limited,
        begun_at=delivery.begun_at,
        now=now(),
        horizon=settings.horizon_time,
        jitter=random.random(),  # noqa: S311
    )
    await _tell_account(checkpoint, error, decision)
    decision = replace(decision, due_at=max(decision.due_at, delivery.due_at))  # what was made ready ahead is not due before
    if decision.state in (State.FAILED, State.DEAD) and not delivery.parts[delivery.position].required:
        await _go_on_without(checkpoint, error)
        return None
    moved = await move(
        delivery.id,
        State.PUBLISHING,
        decision.state,
        where={"attempt_id": delivery.attempt_id},
        patience=receipts.SAVE_PATIENCE,
        increase={"strikes": int(decision.strike), "limited": int(not decision.strike)},
        due_at=decision.due_at,
        sweep_at=decision.due_at + timedelta(seconds=settings.sweep_after),
        emitted=1,
        lease_until=EPOCH,
        trouble=decision.trouble,
        tries=attempts.ended(delivery, outcome=decision.state, step=checkpoint.step, error=error, next_at=decision.due_at),
        **_left_of_fence(checkpoint, decision.state),
    )
    if moved is None:  # who took it over has written down what became of this attempt
        return None
    checkpoint.delivery = moved
    await outbox.catch_up(moved)
    return decision


async def _go_on_without(checkpoint: DeliveryCheckpoint, error: PlatformError) -> None:
    """A part that need not be there has failed for good: what is published is published."""
    delivery = checkpoint.delivery
    target, changes = receipts.without(delivery, backoff.trouble(error, now()))
    tries = attempts.ended(delivery, outcome="went on without it", step=checkpoint.step, error=error)
    ours = {"attempt_id": delivery.attempt_id}
    moved = await move(delivery.id, State.PUBLISHING, target, where=ours, patience=receipts.SAVE_PATIENCE, tries=tries, **changes)
    if moved is not None:
        checkpoint.delivery = moved
        await outbox.catch_up(moved)


async def _tell_account(checkpoint: DeliveryCheckpoint, error: PlatformError, decision: Decision) -> None:
    """What one delivery has learned holds for the account's others: no access, nothing for now, an earlier one still comes."""
    account = checkpoint.account
    if isinstance(error, ReconnectNeeded):
        await access.mark_reconnect(account)
    if isinstance(error, RateLimited | QuotaExhausted) and decision.due_at > now():
        await pacing.block(account, decision.due_at)
    if decision.state in (State.QUEUED, State.SCHEDULED):
        await turns.keep_behind(account.id, checkpoint.delivery.planned_at + order.IN_ORDER)
