"""What is written down about an attempt that did not end with the network's answer, and what follows from it."""

import random
from dataclasses import replace
from datetime import timedelta
from typing import Any

from app import runtime
from app.engine import access, attempts, backoff, order, outbox, pacing, receipts, turns
from app.engine.backoff import Decision
from app.engine.checkpoints import DeliveryCheckpoint
from app.engine.moves import move
from app.engine.outbox import Will
from app.models import EPOCH, Delivery, State, now, reading
from platforms.errors import PlatformError, QuotaExhausted, RateLimited, ReconnectNeeded, Unavailable, UnexpectedReply


def unexpected(checkpoint: DeliveryCheckpoint) -> PlatformError:
    """What an error that nobody thought of means for the post."""
    platform = checkpoint.delivery.platform
    if checkpoint.released:
        return UnexpectedReply(platform, "internal", "Something went wrong here after the post was handed over.")
    return Unavailable(platform, "internal", "Something went wrong here before anything was sent.")


async def withdraw(checkpoint: DeliveryCheckpoint, will: Will) -> None:
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


async def nothing_was_sent(checkpoint: DeliveryCheckpoint) -> None:
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
    await _holds(checkpoint, moved)


def _left_of_fence(checkpoint: DeliveryCheckpoint, becomes: State) -> dict[str, Any]:
    """If the request may be out, that is kept; and until when it may still appear, unless it was certainly not accepted."""
    if not checkpoint.released:
        return _unfenced(checkpoint)
    return {} if becomes == State.UNCONFIRMED else {"not_before": checkpoint.not_before}


async def write_down(checkpoint: DeliveryCheckpoint, error: PlatformError) -> Decision | None:
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
    return decision if await _holds(checkpoint, moved) else None


async def _holds(checkpoint: DeliveryCheckpoint, moved: Delivery | None) -> bool:
    """Whether it is written down; else who took it over has told what became of this attempt. Then it follows its post."""
    if moved is None:
        return False
    checkpoint.delivery = moved
    await outbox.catch_up(moved)
    return True


async def _go_on_without(checkpoint: DeliveryCheckpoint, error: PlatformError) -> None:
    """A part that need not be there has failed for good: what is published is published."""
    delivery = checkpoint.delivery
    target, changes = receipts.without(delivery, backoff.trouble(error, now()))
    tries = attempts.ended(delivery, outcome="went on without it", step=checkpoint.step, error=error)
    ours = {"attempt_id": delivery.attempt_id}
    moved = await move(delivery.id, State.PUBLISHING, target, where=ours, patience=receipts.SAVE_PATIENCE, tries=tries, **changes)
    await _holds(checkpoint, moved)


async def _tell_account(checkpoint: DeliveryCheckpoint, error: PlatformError, decision: Decision) -> None:
    """What one delivery has learned holds for the account's others: no access, nothing for now, an earlier one still comes."""
    account = checkpoint.account
    if isinstance(error, ReconnectNeeded):
        await access.mark_reconnect(account)
    if isinstance(error, RateLimited | QuotaExhausted) and decision.due_at > now():
        await pacing.block(account, decision.due_at)
    if decision.state in (State.QUEUED, State.SCHEDULED):
        await turns.keep_behind(account.id, checkpoint.delivery.planned_at + order.IN_ORDER)
