"""What an attempt leaves behind as it goes: uploads, the fence, the network's answer. The adapter's view of the delivery."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from types import MappingProxyType
from typing import Any

from app import runtime
from app.engine import deliveries, outbox, turns
from app.engine.faultpoints import ANSWERED, CLAIMED, FENCED, UPLOADED, reach
from app.engine.outbox import Will
from app.models import EPOCH, Attempt, Delivery, Receipt, State, now
from platforms.base import Outcome, Processing, Published
from platforms.errors import PlatformError, TimedOut, Unavailable, UnexpectedReply

SAVE_PATIENCE = 600
"""Seconds to go on trying to save a receipt. After a crash meanwhile, ``reconcile`` finds the post by its key."""


class LeaseLost(Exception):
    """Another worker has taken this delivery over; whatever we still had in mind is not ours to do."""


class Unwanted(Exception):
    """Looked at behind the fence: a person does not want this any more, or not in these words. Nothing was sent."""

    def __init__(self, will: Will) -> None:
        super().__init__(will.becomes)
        self.will = will


def not_ours(platform: str) -> UnexpectedReply:
    """The network named a post that is the receipt of another delivery."""
    return UnexpectedReply(platform, "not_ours", "The network answered with a post that belongs to another one of yours.")


class DeliveryCheckpoint:
    """:class:`platforms.base.Checkpoint` over the delivery's document; keeps the lease, the turn and the step limit going."""

    def __init__(self, delivery: Delivery, attempt: Attempt, turn: turns.Turn) -> None:
        self.delivery = delivery
        self.attempt = attempt
        self.turn = turn
        self.step = CLAIMED
        self.sent_before = delivery.first_sent_at
        self.ending = False
        self._timeout: asyncio.Timeout | None = None

    @property
    def fenced(self) -> bool:
        """Whether the current part may have been sent."""
        return self.delivery.fenced_at > EPOCH

    @property
    def unsent(self) -> bool:
        """Whether it is still this attempt's to send, and certainly not sent."""
        return self.delivery.state == State.PUBLISHING and not self.fenced and not self.ending

    @property
    def saved(self) -> Mapping[str, Any]:
        """What earlier attempts at this part stored."""
        return MappingProxyType(json.loads(self.delivery.saved))

    async def save(self, **data: Any) -> None:
        """Store and go on. Raises ``LeaseLost``."""
        await self._write(saved=json.dumps({**self.saved, **data}))
        await self.reach(UPLOADED)

    async def fence(self) -> None:
        """The point of no return, and the last look at what people want. Raises ``LeaseLost``, ``Unwanted``."""
        at = now()
        await self._write(fenced_at=at, first_sent_at=self.sent_before if self.sent_before > EPOCH else at)
        if (will := await outbox.changed_will(self.delivery)) is not None:
            raise Unwanted(will)
        await self.reach(FENCED)

    async def reach(self, step: str) -> None:
        """Note how far it came, and let the chaos harness hold us there."""
        self.step = step
        await reach(step, self.delivery.account_id)

    def interrupted(self, *, again_in: timedelta | None = None) -> PlatformError:
        """We stopped waiting. Before the fence nothing was sent, and it may be tried ``again_in``; after it nobody knows."""
        platform = self.delivery.platform
        if self.fenced:
            return TimedOut(platform, "interrupted", "The sending was interrupted before the network answered.")
        return Unavailable(platform, "interrupted", "The sending was interrupted before anything was sent.", retry_after=again_in)

    async def answered(self, outcome: Outcome) -> None:
        """Save the network's answer, however long the database takes: only this process knows it.

        Raises ``UnexpectedReply`` if the answer names a post that is another delivery's receipt already.
        """
        await self.reach(ANSWERED)
        saving = asyncio.create_task(self._save(outcome), name="receipt")
        try:
            self._keep(await asyncio.shield(saving))
        except asyncio.CancelledError:  # a stop or a time limit: the answer is in our hands, and it is not let fall
            await asyncio.wait([saving])
            raise
        except deliveries.ReceiptTaken:
            raise not_ours(self.delivery.platform) from None

    async def _save(self, outcome: Outcome) -> Delivery | None:
        return await self._save_answer(outcome) or await self._answer_after_all(outcome)

    async def _save_answer(self, outcome: Outcome) -> Delivery | None:
        match outcome:
            case Published(remote_id, url):
                receipt = Receipt(remote_id=remote_id, url=url)
                return await deliveries.settle_part(
                    self.delivery, receipt, source=State.PUBLISHING, where=self._ours, patience=SAVE_PATIENCE
                )
            case Processing(remote_ref, check_in):
                return await deliveries.move(
                    self.delivery.id,
                    State.PUBLISHING,
                    State.PROCESSING,
                    where=self._ours,
                    patience=SAVE_PATIENCE,
                    due_at=now() + check_in,
                    processing_at=now(),
                    lease_until=EPOCH,
                    saved=json.dumps({**self.saved, "remote_ref": remote_ref}),
                )

    async def _answer_after_all(self, outcome: Outcome) -> Delivery | None:
        """The lease was lost, and others decided what became of the post: nobody knows better than the network's own answer."""
        if not isinstance(outcome, Published):
            return None
        return await deliveries.keep_receipt(self.delivery, Receipt(remote_id=outcome.remote_id, url=outcome.url))

    @asynccontextmanager
    async def step_limit(self) -> AsyncIterator[None]:
        """Cancel the adapter when it makes no progress for the step limit; each checkpoint starts it anew."""
        try:
            async with asyncio.timeout(runtime.current().settings.step_limit) as self._timeout:
                yield
        except TimeoutError as error:
            raise self.interrupted() from error
        finally:
            self._timeout = None

    async def _write(self, **changes: Any) -> None:
        settings = runtime.current().settings
        await turns.extend_turn(self.turn)
        began = asyncio.get_running_loop().time()
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
        if self._timeout is not None:  # from when the lease begins: a slow database must not let a request outlive it
            self._timeout.reschedule(began + settings.step_limit)

    @property
    def _ours(self) -> dict[str, Any]:
        return {"attempt_id": self.attempt.id}

    def _keep(self, moved: Delivery | None) -> None:
        if moved is None:
            raise LeaseLost
        self.delivery = moved
