"""One try at publishing one delivery: turn, claim, fence, one visible mutation, receipt.

    take the account's turn ─ claim (attempt, lease) ─ adapter: uploads, checkpoint … fence ─ request ─ answer ─ receipt saved
                              └ crash: nothing sent, send again ──────────────────┘└ crash: unconfirmed, ask ─┘

Every write names the attempt that holds the lease. A worker that lost it (it was stopped for too long, another took over) is
refused at the next checkpoint, and above all at the fence, so it cannot send what somebody else is sending.
"""

import asyncio
import logging
import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from app import runtime
from app.courier import PUBLISH
from app.engine import access, attempts, backoff, contents, deliveries, lateness, order, outbox, pacing, turns
from app.engine.backoff import Decision
from app.engine.checkpoints import SAVE_PATIENCE, DeliveryCheckpoint, LeaseLost, Unwanted
from app.engine.faultpoints import CLAIMED, SAVED
from app.engine.outbox import Will
from app.ids import Id
from app.models import EPOCH, AttemptKind, Delivery, State, now, reading
from platforms import REGISTRY
from platforms.base import Outcome
from platforms.errors import (
    PlatformError,
    QuotaExhausted,
    RateLimited,
    ReconnectNeeded,
    TokenExpired,
    Unavailable,
    UnexpectedReply,
)

log = logging.getLogger(__name__)

EARLY = timedelta(seconds=2)
"""A message this much too early (another host's clock) waits here; an earlier one is sent back with the rest of its delay."""


async def publish(delivery_id: Id) -> Decision | None:
    """Make one try, if the delivery is due and its account is free. Returns when to come again, if so, else ``None``.

    Safe to call at any time and any number of times: a delivery that is edited, canceled, taken or done is left alone.
    """
    delivery = await reading.get(Delivery, delivery_id)
    if delivery is None or delivery.state != State.QUEUED or delivery.held_until > now():
        return None
    if delivery.due_at > now() + EARLY:
        return _come_again(delivery.due_at)
    await asyncio.sleep(max(0.0, (delivery.due_at - now()).total_seconds()))
    turn = await turns.take_turn(delivery.account_id)
    if turn is None:
        return None  # whoever has the turn calls the next one when it ends
    attempted = False
    try:
        if await order.next_is_another(delivery) or await _too_late(delivery) or await _paced(delivery, turn):
            return None
        if (elder := await order.elder(delivery, turn.account)) is not None:
            return _come_again(min(elder.due_at + EARLY, elder.planned_at + order.IN_ORDER))
        attempted = True
        return await _attempt(delivery, turn)
    finally:
        await asyncio.shield(_pass_on(turn, delivery, sent=attempted))


def _come_again(at: datetime) -> Decision | None:
    """``None`` beyond the horizon: then the message belongs to an old plan, and the new one has its own."""
    soon = at <= now() + runtime.current().settings.horizon_time
    return Decision(State.QUEUED, at, strike=False, trouble=None) if soon else None


async def _too_late(delivery: Delivery) -> bool:
    """Whether it is later than its workspace wants; then it waits for a person, or is skipped.

    Later than ``due_at``, not ``planned_at``: who was told to wait for room under the network's limit has missed nothing.
    """
    target = await lateness.verdict(delivery, delivery.due_at)
    if target is None:
        return False
    error = Unavailable(delivery.platform, "late", "It could not be sent in time.")
    trouble = backoff.trouble(error, now()).model_dump()
    await deliveries.move(delivery.id, State.QUEUED, target, where={"move_id": delivery.move_id}, trouble=trouble)
    log.warning("delivery %s was due %s and is %s", delivery.id, delivery.planned_at, target)
    return True


async def _paced(delivery: Delivery, turn: turns.Turn) -> bool:
    """Whether the network's limit is used up for now; then it waits in the database until there is room."""
    pause = (await pacing.admit([turn.account]))[turn.account.id]
    if not pause:
        return False
    error = QuotaExhausted(delivery.platform, "paced", "The network's limit for this account is used up; it waits for its turn.")
    await deliveries.move(
        delivery.id,
        State.QUEUED,
        State.SCHEDULED,
        where={"move_id": delivery.move_id},
        due_at=now() + pause,
        trouble=backoff.trouble(error, now()).model_dump(),
    )
    return True


async def _pass_on(turn: turns.Turn, seen: Delivery, *, sent: bool) -> None:
    """End the turn, then call whoever came while it lasted. In this order: who comes later finds the account free.

    ``seen`` is not called if nothing changed it: something broke, its message is tried again, and more calls would be a storm.
    """
    await turns.end_turn(turn, sent=sent)
    following = await order.next_due(turn.account.id)
    if following is not None and following.move_id != seen.move_id:
        await runtime.current().courier.send(PUBLISH, following.id, following.lane)


# --- the attempt ------------------------------------------------------------------------------------------------------


async def _attempt(delivery: Delivery, turn: turns.Turn) -> Decision | None:
    claimed = await _claim(delivery)
    if claimed is None:
        return None
    attempt = await attempts.begin(claimed, AttemptKind.PUBLISH, number=claimed.attempts, step=CLAIMED)
    checkpoint = DeliveryCheckpoint(claimed, attempt, turn)
    with _in_flight(checkpoint):
        return await _carry_out(checkpoint)


async def _carry_out(checkpoint: DeliveryCheckpoint) -> Decision | None:
    """Publish, and write down how it ended, whatever happens."""
    delivery, attempt = checkpoint.delivery, checkpoint.attempt
    try:
        await checkpoint.reach(CLAIMED)
        await _publish_parts(checkpoint)
    except LeaseLost:
        log.warning("delivery %s: attempt %s lost its lease", delivery.id, attempt.id)
        return None
    except Unwanted as unwanted:
        await _withdraw(checkpoint, unwanted.will)
        return None
    except PlatformError as error:
        if isinstance(error, ReconnectNeeded) and not checkpoint.fenced and (will := await outbox.changed_will(delivery)):
            await _withdraw(checkpoint, will)  # no access, because nobody wants it any more
            return None
        return await _settle(checkpoint, error)
    except asyncio.CancelledError:  # Dramatiq's TimeLimitExceeded, or handed over at a stop; its message is tried again
        checkpoint.ending = True
        await asyncio.shield(_settle(checkpoint, checkpoint.interrupted(again_in=timedelta())))
        raise
    except Exception:
        log.exception("delivery %s: attempt %s failed unexpectedly", delivery.id, attempt.id)
        return await _settle(checkpoint, _unexpected(checkpoint))
    await attempts.end(attempt.id, outcome=checkpoint.delivery.state, step=SAVED)
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


async def hand_over() -> None:
    """The process is to stop: give back every attempt that has sent nothing. Those behind the fence are left to finish.

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


async def _claim(delivery: Delivery) -> Delivery | None:
    """Take the delivery: attempt and lease are on record before anything is sent. ``None`` if it is no longer as it was read."""
    return await deliveries.move(
        delivery.id,
        State.QUEUED,
        State.PUBLISHING,
        where={"move_id": delivery.move_id},
        increase={"attempts": 1},
        attempt_id=Id(),
        lease_until=now() + runtime.current().settings.lease_time,
        fenced_at=EPOCH,
        begun_at=delivery.begun_at if delivery.begun_at > EPOCH else now(),
    )


async def _publish_parts(checkpoint: DeliveryCheckpoint) -> None:
    """Send every part that has no receipt yet, in order."""
    while checkpoint.delivery.state == State.PUBLISHING:
        await checkpoint.answered(await _publish_part(checkpoint))


async def _publish_part(checkpoint: DeliveryCheckpoint) -> Outcome:
    """One part, with one renewal of the account's tokens in between if the network asks for it."""
    try:
        return await _call_adapter(checkpoint)
    except TokenExpired:
        checkpoint.turn = await _with_fresh_tokens(checkpoint.turn)
        return await _call_adapter(checkpoint)


async def _with_fresh_tokens(turn: turns.Turn) -> turns.Turn:
    return turns.Turn(await access.refresh(turn.account), turn.token)


async def _call_adapter(checkpoint: DeliveryCheckpoint) -> Outcome:
    delivery, account = checkpoint.delivery, checkpoint.turn.account
    content = await contents.of_part(delivery, account)
    async with checkpoint.step_limit():
        return await REGISTRY[delivery.platform].publish(
            await access.open_session(account), content, key=delivery.parts[delivery.position].key, checkpoint=checkpoint
        )


# --- after a failure --------------------------------------------------------------------------------------------------


def _unexpected(checkpoint: DeliveryCheckpoint) -> PlatformError:
    platform = checkpoint.delivery.platform
    if checkpoint.fenced:
        return UnexpectedReply(platform, "internal", "Something went wrong here after the post was handed over.")
    return Unavailable(platform, "internal", "Something went wrong here before anything was sent.")


async def _withdraw(checkpoint: DeliveryCheckpoint, will: Will) -> None:
    """Nobody wants it any more, or not like this, and nothing was sent."""
    delivery = checkpoint.delivery
    moved = await deliveries.move(
        delivery.id,
        State.PUBLISHING,
        will.becomes,
        where={"attempt_id": delivery.attempt_id},
        due_at=delivery.due_at,
        fenced_at=EPOCH,
        lease_until=EPOCH,
        first_sent_at=checkpoint.sent_before,
        trouble=will.trouble,
    )
    await attempts.end(checkpoint.attempt.id, outcome="not wanted any more", step=checkpoint.step)
    if moved is not None and will.becomes == State.SCHEDULED:
        await outbox.catch_up(moved)


async def _settle(checkpoint: DeliveryCheckpoint, error: PlatformError) -> Decision | None:
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
    moved = await deliveries.move(
        delivery.id,
        State.PUBLISHING,
        decision.state,
        where={"attempt_id": delivery.attempt_id},
        patience=SAVE_PATIENCE,
        increase={"strikes": int(decision.strike), "limited": int(not decision.strike)},
        due_at=decision.due_at,
        sweep_at=decision.due_at + timedelta(seconds=settings.sweep_after),
        emitted=1,
        lease_until=EPOCH,
        trouble=decision.trouble.model_dump() if decision.trouble else None,
    )
    if moved is None:  # who took it over has written down what became of this attempt
        return None
    await attempts.end(checkpoint.attempt.id, outcome=decision.state, step=checkpoint.step, error=error, next_at=decision.due_at)
    await outbox.catch_up(moved)
    return decision


async def _tell_account(checkpoint: DeliveryCheckpoint, error: PlatformError, decision: Decision) -> None:
    """What one delivery has learned holds for the account's others: no access, nothing for now, an earlier one still comes."""
    account = checkpoint.turn.account
    if isinstance(error, ReconnectNeeded):
        await access.mark_reconnect(account)
    if isinstance(error, RateLimited | QuotaExhausted) and decision.due_at > now():
        await pacing.block(account, decision.due_at)
    if decision.state in (State.QUEUED, State.SCHEDULED):
        await turns.keep_behind(account, checkpoint.delivery.planned_at + order.IN_ORDER)
