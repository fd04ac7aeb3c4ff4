"""One try at publishing one delivery: turn, claim, fence, one visible mutation, receipt.

    take the account's turn ─ claim (attempt, lease) ─ adapter: uploads, checkpoint … fence ─ request ─ answer ─ receipt saved
                              └ crash: nothing sent, send again ──────────────────┘└ crash: unconfirmed, ask ─┘

Every write names the attempt that holds the lease. A worker that lost it (it was stopped for too long, another took over) is
refused at the next checkpoint, and above all at the fence, so it cannot send what somebody else is sending.
"""

import asyncio
import json
import logging
import random
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from types import MappingProxyType
from typing import Any

from app import runtime
from app.courier import PUBLISH
from app.faultpoints import ANSWERED, CLAIMED, FENCED, SAVED, UPLOADED, reach
from app.ids import Id
from app.models import EPOCH, Attempt, AttemptKind, Delivery, Receipt, State, now
from app.services import backoff, contents, deliveries, sessions
from app.services.backoff import Decision
from platforms import REGISTRY
from platforms.base import Outcome, Processing, Published
from platforms.errors import PlatformError, ReconnectNeeded, TimedOut, TokenExpired, Unavailable, UnexpectedReply

log = logging.getLogger(__name__)

EARLY = timedelta(seconds=2)
"""A message this much too early (another host's clock) waits; one that is earlier belongs to an old due time and does nothing."""


class LeaseLost(Exception):
    """Another worker has taken this delivery over; whatever we still had in mind is not ours to do."""


async def publish(delivery_id: Id) -> Decision | None:
    """Make one try, if the delivery is due and its account is free. Returns what was decided after a failure, else ``None``.

    Safe to call at any time and any number of times: a delivery that is edited, canceled, taken or done is left alone.
    """
    delivery = await Delivery.get(delivery_id)
    if delivery is None or delivery.state != State.QUEUED or delivery.due_at > now() + EARLY:
        return None
    await asyncio.sleep(max(0.0, (delivery.due_at - now()).total_seconds()))
    turn = await sessions.take_turn(delivery.account_id)
    if turn is None:
        return None  # whoever has the turn calls the next one when it ends
    try:
        if await _elder(delivery) is not None:
            return None
        return await _attempt(delivery, turn)
    finally:
        await asyncio.shield(_pass_on(turn))


async def _elder(delivery: Delivery) -> Delivery | None:
    """A delivery of the same account that was due before this one and still waits for its turn."""
    first = await _next_due(delivery.account_id)
    return first if first is not None and first.id != delivery.id else None


async def _next_due(account_id: Id) -> Delivery | None:
    query = {"account_id": account_id, "state": State.QUEUED, "due_at": {"$lte": now()}}
    found = await Delivery.find(query).sort("due_at", "_id").limit(1).to_list()
    return found[0] if found else None


async def _pass_on(turn: sessions.Turn) -> None:
    """End the turn, then call whoever came while it lasted. In this order: who comes later finds the account free."""
    await sessions.end_turn(turn)
    following = await _next_due(turn.account.id)
    if following is not None:
        await runtime.current().courier.send(PUBLISH, following.id, following.platform)


# --- the attempt ------------------------------------------------------------------------------------------------------


async def _attempt(delivery: Delivery, turn: sessions.Turn) -> Decision | None:
    claimed = await _claim(delivery)
    if claimed is None:
        return None
    attempt = await _record(claimed)
    checkpoint = _Checkpoint(claimed, attempt, turn)
    with _in_flight(checkpoint):
        return await _carry_out(checkpoint)


async def _carry_out(checkpoint: "_Checkpoint") -> Decision | None:
    """Publish, and write down how it ended, whatever happens."""
    delivery, attempt = checkpoint.delivery, checkpoint.attempt
    try:
        await reach(CLAIMED, delivery.account_id)
        await _publish_parts(checkpoint)
    except LeaseLost:
        log.warning("delivery %s: attempt %s lost its lease", delivery.id, attempt.id)
        return None
    except PlatformError as error:
        return await _settle(checkpoint, error)
    except asyncio.CancelledError:  # Dramatiq's Shutdown or TimeLimitExceeded, or our step limit
        await asyncio.shield(_settle(checkpoint, _interrupted(checkpoint)))
        raise
    except Exception:
        log.exception("delivery %s: attempt %s failed unexpectedly", delivery.id, attempt.id)
        return await _settle(checkpoint, _unexpected(checkpoint))
    await _finish(attempt, outcome="published" if checkpoint.delivery.state == State.PUBLISHED else "processing")
    await reach(SAVED, delivery.account_id)
    return None


_running: dict[asyncio.Task[Any], "_Checkpoint"] = {}
"""The attempts this process is making."""


@contextmanager
def _in_flight(checkpoint: "_Checkpoint") -> Iterator[None]:
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
        if not checkpoint.fenced:
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


async def _record(delivery: Delivery) -> Attempt:
    attempt = Attempt(
        id=delivery.attempt_id,
        delivery_id=delivery.id,
        workspace_id=delivery.workspace_id,
        kind=AttemptKind.PUBLISH,
        number=delivery.attempts,
        worker=runtime.current().name,
    )
    return await attempt.insert()


async def _publish_parts(checkpoint: "_Checkpoint") -> None:
    """Send every part that has no receipt yet, in order."""
    while checkpoint.delivery.state == State.PUBLISHING:
        outcome = await _publish_part(checkpoint)
        await reach(ANSWERED, checkpoint.delivery.account_id)
        await checkpoint.answered(outcome)


async def _publish_part(checkpoint: "_Checkpoint") -> Outcome:
    """One part, with one renewal of the account's tokens in between if the network asks for it."""
    try:
        return await _call_adapter(checkpoint)
    except TokenExpired:
        checkpoint.turn = await _with_fresh_tokens(checkpoint.turn)
        return await _call_adapter(checkpoint)


async def _with_fresh_tokens(turn: sessions.Turn) -> sessions.Turn:
    return sessions.Turn(await sessions.refresh(turn.account), turn.token)


async def _call_adapter(checkpoint: "_Checkpoint") -> Outcome:
    delivery, account = checkpoint.delivery, checkpoint.turn.account
    content = await contents.of_part(delivery, account)
    async with checkpoint.step_limit():
        return await REGISTRY[delivery.platform].publish(
            sessions.open_session(account), content, key=delivery.parts[delivery.position].key, checkpoint=checkpoint
        )


class _Checkpoint:
    """:class:`platforms.base.Checkpoint` over the delivery's document; keeps the lease, the turn and the step limit going."""

    def __init__(self, delivery: Delivery, attempt: Attempt, turn: sessions.Turn) -> None:
        self.delivery = delivery
        self.attempt = attempt
        self.turn = turn
        self._timeout: asyncio.Timeout | None = None

    @property
    def fenced(self) -> bool:
        """Whether the current part may have been sent."""
        return self.delivery.fenced_at > EPOCH

    @property
    def saved(self) -> Mapping[str, Any]:
        """What earlier attempts at this part stored."""
        return MappingProxyType(json.loads(self.delivery.saved))

    async def save(self, **data: Any) -> None:
        """Store and go on. Raises ``LeaseLost``."""
        await self._write(saved=json.dumps({**self.saved, **data}))
        await reach(UPLOADED, self.delivery.account_id)

    async def fence(self) -> None:
        """The point of no return. Raises ``LeaseLost``."""
        await self._write(fenced_at=now())
        await reach(FENCED, self.delivery.account_id)

    async def answered(self, outcome: Outcome) -> None:
        """Save the network's answer, however long the database takes: only this process knows it."""
        match outcome:
            case Published(remote_id, url):
                receipt = Receipt(remote_id=remote_id, url=url)
                moved = await deliveries.settle_part(
                    self.delivery, receipt, source=State.PUBLISHING, where=self._ours, patience=_SAVE_PATIENCE
                )
            case Processing(remote_ref, check_in):
                moved = await deliveries.move(
                    self.delivery.id,
                    State.PUBLISHING,
                    State.PROCESSING,
                    where=self._ours,
                    patience=_SAVE_PATIENCE,
                    due_at=now() + check_in,
                    lease_until=EPOCH,
                    saved=json.dumps({**self.saved, "remote_ref": remote_ref}),
                )
        self._keep(moved)

    @asynccontextmanager
    async def step_limit(self) -> AsyncIterator[None]:
        """Cancel the adapter when it makes no progress for the step limit; each checkpoint starts it anew."""
        try:
            async with asyncio.timeout(runtime.current().settings.step_limit) as self._timeout:
                yield
        except TimeoutError as error:
            raise _interrupted(self) from error
        finally:
            self._timeout = None

    async def _write(self, **changes: Any) -> None:
        settings = runtime.current().settings
        await sessions.extend_turn(self.turn)
        self._keep(
            await deliveries.move(
                self.delivery.id,
                State.PUBLISHING,
                State.PUBLISHING,
                where={**self._ours, "lease_until": {"$gt": now()}},
                lease_until=now() + settings.lease_time,
                **changes,
            )
        )
        if self._timeout is not None:
            self._timeout.reschedule(asyncio.get_running_loop().time() + settings.step_limit)

    @property
    def _ours(self) -> dict[str, Any]:
        return {"attempt_id": self.attempt.id}

    def _keep(self, moved: Delivery | None) -> None:
        if moved is None:
            raise LeaseLost
        self.delivery = moved


_SAVE_PATIENCE = 600
"""Seconds to go on trying to save a receipt. After a crash meanwhile, ``reconcile`` finds the post by its key."""


# --- after a failure --------------------------------------------------------------------------------------------------


def _interrupted(checkpoint: _Checkpoint) -> PlatformError:
    """We stopped waiting. Before the fence nothing was sent; after it nobody knows."""
    platform = checkpoint.delivery.platform
    if checkpoint.fenced:
        return TimedOut(platform, "interrupted", "The sending was interrupted before the network answered.")
    return Unavailable(platform, "interrupted", "The sending was interrupted before anything was sent.")


def _unexpected(checkpoint: _Checkpoint) -> PlatformError:
    platform = checkpoint.delivery.platform
    if checkpoint.fenced:
        return UnexpectedReply(platform, "internal", "Something went wrong here after the post was handed over.")
    return Unavailable(platform, "internal", "Something went wrong here before anything was sent.")


async def _settle(checkpoint: _Checkpoint, error: PlatformError) -> Decision | None:
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
        await sessions.mark_reconnect(checkpoint.turn.account)
    moved = await deliveries.move(
        delivery.id,
        State.PUBLISHING,
        decision.state,
        where={"attempt_id": delivery.attempt_id},
        patience=_SAVE_PATIENCE,
        increase={"strikes": int(decision.strike)},
        due_at=decision.due_at,
        queued_at=now(),
        lease_until=EPOCH,
        trouble=decision.trouble.model_dump(),
    )
    await _finish(checkpoint.attempt, outcome=decision.state.value, error=error, decision=decision)
    return decision if moved is not None else None


async def _finish(
    attempt: Attempt, *, outcome: str, error: PlatformError | None = None, decision: Decision | None = None
) -> None:
    facts: dict[str, Any] = {"outcome": outcome, "finished_at": now()}
    if error is not None:
        facts |= {"code": error.code, "message": error.message, "status": error.status, "remedy": error.remedy}
    if decision is not None:
        facts["next_at"] = decision.due_at
    await Attempt.get_pymongo_collection().update_one({"_id": attempt.id}, {"$set": facts})
