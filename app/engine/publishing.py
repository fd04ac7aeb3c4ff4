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
from datetime import timedelta
from typing import Any

from app import runtime
from app.courier import PUBLISH
from app.engine import access, attempts, backoff, contents, deliveries, pacing, turns
from app.engine.backoff import Decision
from app.engine.checkpoints import SAVE_PATIENCE, DeliveryCheckpoint, LeaseLost
from app.engine.faultpoints import CLAIMED, SAVED
from app.ids import Id
from app.models import EPOCH, AttemptKind, Delivery, LatePolicy, State, Workspace, now
from app.queries import equal
from platforms import REGISTRY
from platforms.base import Outcome
from platforms.errors import PlatformError, QuotaExhausted, ReconnectNeeded, TokenExpired, Unavailable, UnexpectedReply

log = logging.getLogger(__name__)

EARLY = timedelta(seconds=2)
"""A message this much too early (another host's clock) waits; one that is earlier belongs to an old due time and does nothing."""


ALWAYS_SENT = timedelta(minutes=1)
"""Lateness below which nobody is asked, so that the workspace's policy is not even looked up."""


async def publish(delivery_id: Id) -> Decision | None:
    """Make one try, if the delivery is due and its account is free. Returns what was decided after a failure, else ``None``.

    Safe to call at any time and any number of times: a delivery that is edited, canceled, taken or done is left alone.
    """
    delivery = await Delivery.get(delivery_id)
    if delivery is None or delivery.state != State.QUEUED or delivery.due_at > now() + EARLY:
        return None
    await asyncio.sleep(max(0.0, (delivery.due_at - now()).total_seconds()))
    turn = await turns.take_turn(delivery.account_id)
    if turn is None:
        return None  # whoever has the turn calls the next one when it ends
    attempted = False
    try:
        if await _elder(delivery) is not None or await _too_late(delivery) or await _paced(delivery, turn):
            return None
        attempted = True
        return await _attempt(delivery, turn)
    finally:
        await asyncio.shield(_pass_on(turn, delivery, sent=attempted))


async def _elder(delivery: Delivery) -> Delivery | None:
    """A delivery of the same account that was due before this one and still waits for its turn."""
    first = await _next_due(delivery.account_id)
    return first if first is not None and first.id != delivery.id else None


async def _too_late(delivery: Delivery) -> bool:
    """Whether it is later than its workspace wants; then it waits for a person, or is skipped.

    Later than ``due_at``, not ``planned_at``: who was told to wait for room under the network's limit has missed nothing.
    """
    if delivery.attempts or now() - delivery.due_at < ALWAYS_SENT:
        return False
    workspace = await Workspace.get(delivery.workspace_id)
    if workspace is None or workspace.late_policy == LatePolicy.SEND:
        return False
    if now() - delivery.due_at < timedelta(minutes=workspace.late_after):
        return False
    target = State.MISSED if workspace.late_policy == LatePolicy.ASK else State.CANCELED
    await deliveries.move(delivery.id, State.QUEUED, target, where={"move_id": delivery.move_id})
    log.warning("delivery %s was due %s and is %s", delivery.id, delivery.planned_at, target)
    return True


async def _paced(delivery: Delivery, turn: turns.Turn) -> bool:
    """Whether the network's published limit is used up for now; then it waits in the database until there is room."""
    pause = await pacing.admit(turn.account)
    if not pause:
        return False
    error = QuotaExhausted(delivery.platform, "paced", "The network's limit for an hour is used up; it waits for its turn.")
    await deliveries.move(
        delivery.id,
        State.QUEUED,
        State.SCHEDULED,
        where={"move_id": delivery.move_id},
        due_at=now() + pause,
        trouble=backoff.trouble(error, now()).model_dump(),
    )
    return True


async def _next_due(account_id: Id) -> Delivery | None:
    """The first in line, if it is due. Only the line is asked for, not the time: that the index answers by itself."""
    query = equal(account_id=account_id, state=State.QUEUED)
    found = await Delivery.find(query).sort("due_at", "_id").limit(1).to_list()
    return found[0] if found and found[0].due_at <= now() else None


async def _pass_on(turn: turns.Turn, seen: Delivery, *, sent: bool) -> None:
    """End the turn, then call whoever came while it lasted. In this order: who comes later finds the account free.

    ``seen`` is not called if nothing changed it: something broke, its message is tried again, and more calls would be a storm.
    """
    await turns.end_turn(turn, sent=sent)
    following = await _next_due(turn.account.id)
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
    except PlatformError as error:
        return await _settle(checkpoint, error)
    except asyncio.CancelledError:  # Dramatiq's TimeLimitExceeded, or handed over at a stop; its message is tried again
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


def hand_over() -> None:
    """The process is to stop: give back every attempt that has sent nothing. Those behind the fence are left to finish."""
    for task, checkpoint in _running.items():
        if checkpoint.delivery.state == State.PUBLISHING and not checkpoint.fenced:
            task.cancel()


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
            access.open_session(account), content, key=delivery.parts[delivery.position].key, checkpoint=checkpoint
        )


# --- after a failure --------------------------------------------------------------------------------------------------


def _unexpected(checkpoint: DeliveryCheckpoint) -> PlatformError:
    platform = checkpoint.delivery.platform
    if checkpoint.fenced:
        return UnexpectedReply(platform, "internal", "Something went wrong here after the post was handed over.")
    return Unavailable(platform, "internal", "Something went wrong here before anything was sent.")


async def _settle(checkpoint: DeliveryCheckpoint, error: PlatformError) -> Decision | None:
    """Write down what follows from ``error``. ``None`` if the delivery was taken over meanwhile."""
    delivery, settings = checkpoint.delivery, runtime.current().settings
    decision = backoff.decide(
        error,
        strikes=delivery.strikes,
        now=now(),
        horizon=settings.horizon_time,
        jitter=random.random(),  # noqa: S311
    )
    if isinstance(error, ReconnectNeeded):
        await access.mark_reconnect(checkpoint.turn.account)
    moved = await deliveries.move(
        delivery.id,
        State.PUBLISHING,
        decision.state,
        where={"attempt_id": delivery.attempt_id},
        patience=SAVE_PATIENCE,
        increase={"strikes": int(decision.strike)},
        due_at=decision.due_at,
        queued_at=now(),
        lease_until=EPOCH,
        trouble=decision.trouble.model_dump(),
    )
    if moved is None:  # who took it over has written down what became of this attempt
        return None
    await attempts.end(checkpoint.attempt.id, outcome=decision.state, step=checkpoint.step, error=error, next_at=decision.due_at)
    return decision
