"""What an attempt leaves behind as it goes: uploads, the fence, the network's answer. The adapter's view of the delivery."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from app import runtime
from app.engine import attempts, fences, receipts
from app.engine.faultpoints import ANSWERED, CLAIMED, FENCED, UPLOADED, reach
from app.engine.moments import until
from app.engine.moves import move
from app.engine.outbox import Will
from app.models import EPOCH, Account, Delivery, Receipt, State, now
from platforms import REGISTRY
from platforms.base import Outcome, Processing, Published, Waiting
from platforms.errors import PlatformError, TimedOut, Unavailable, UnexpectedReply

SHORTEST_CHECK = timedelta(seconds=1)
"""Between two looks at what a network is preparing, whatever it asks for."""


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
    """:class:`platforms.base.Checkpoint` over the delivery's document; keeps the lease and the step limit going.

    ``sent_before`` and ``not_before`` are what earlier attempts left. ``released``: the fence has let the adapter through, so the
    request may be out. Before, nothing was sent, fenced or not.
    """

    def __init__(self, delivery: Delivery, account: Account) -> None:
        self.delivery = delivery
        self.account = account
        self.step = CLAIMED
        self.sent_before = delivery.first_sent_at
        self.not_before = delivery.not_before
        self.released = False
        self.ending = False
        self._timeout: asyncio.Timeout | None = None
        self._lease_ends = self._leased(asyncio.get_running_loop().time())

    @property
    def unsent(self) -> bool:
        """Whether it is still this attempt's to send, and certainly not sent."""
        return self.delivery.state == State.PUBLISHING and not self.released and not self.ending

    @property
    def saved(self) -> Mapping[str, Any]:
        """What earlier attempts at this part stored."""
        return MappingProxyType(json.loads(self.delivery.saved))

    @property
    def first_sent_at(self) -> datetime | None:
        """When an earlier attempt may have sent this part first."""
        return self.sent_before if self.sent_before > EPOCH else None

    async def save(self, **data: Any) -> None:
        """Store and go on. Raises ``LeaseLost``."""
        await self._store(data)
        await self.reach(UPLOADED)

    async def progress(self, **data: Any) -> None:
        """Store and go on, alive: earlier failures and the time it took so far are forgotten. Raises ``LeaseLost``."""
        await self._store(data, strikes=0, limited=0, begun_at=now())

    async def _store(self, data: Mapping[str, Any], **more: Any) -> None:
        began = asyncio.get_running_loop().time()
        moved = await move(
            self.delivery.id,
            State.PUBLISHING,
            State.PUBLISHING,
            where={**self._ours, "lease_until": {"$gt": now()}},
            lease_until=now() + runtime.current().settings.lease_time,
            saved=json.dumps({**self.saved, **data}),
            **more,
        )
        self._keep(moved, began)

    async def fence(self) -> None:
        """The point of no return. Returns when it is time to send. Raises ``LeaseLost``, ``Unwanted``."""
        self._rest()
        capabilities = REGISTRY[self.delivery.platform].capabilities_for(self.account.limits)
        await fences.wait_for_time(self.delivery, capabilities.idempotency)
        began = asyncio.get_running_loop().time()
        fenced = await fences.write(self.delivery, self.account, sent_before=self.sent_before)
        self._keep(fenced.delivery if fenced else None, began)
        if fenced and fenced.will:
            raise Unwanted(fenced.will)
        await self.reach(FENCED)
        await until(self.delivery.due_at)
        await fences.wait_for_start()
        self._release()

    def look_at_lease(self) -> None:
        """By the clock that others go by and by the one nobody sets. Raises ``LeaseLost``: who was asleep does nothing more."""
        if asyncio.get_running_loop().time() > self._lease_ends or self.delivery.lease_until <= now():
            raise LeaseLost

    def _release(self) -> None:
        """The last look at the lease: who was asleep must not send."""
        self.look_at_lease()
        self.released = True
        receipts.sending.add(self.delivery.id)

    async def reach(self, step: str) -> None:
        """Note how far it came, and let the chaos harness hold us there."""
        self.step = step
        await reach(step, self.delivery.account_id)

    def interrupted(self, *, again_in: timedelta | None = None) -> PlatformError:
        """We stopped waiting. If nothing was sent, it may be tried ``again_in``; else nobody knows."""
        platform = self.delivery.platform
        if self.released:
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
            self._learn_from(saving)
            raise
        except receipts.ReceiptTaken:
            raise not_ours(self.delivery.platform) from None
        self._begin_part()

    def _begin_part(self) -> None:
        """A next part has a fence of its own, and nothing of it was sent."""
        self.released, self.sent_before, self.not_before = False, self.delivery.first_sent_at, self.delivery.not_before

    def _learn_from(self, saving: "asyncio.Task[Delivery | None]") -> None:
        """What is saved is certain: what is left has not been sent."""
        if not saving.cancelled() and saving.exception() is None and (moved := saving.result()) is not None:
            self.delivery = moved
            self._begin_part()

    async def _save(self, outcome: Outcome) -> Delivery | None:
        match outcome:
            case Published(remote_id, url, data):
                receipt = Receipt(remote_id=remote_id, url=url, data=dict(data))
                return await receipts.save_own(self.delivery, receipt) or await receipts.keep(self.delivery, receipt)
            case Processing(remote_ref, check_in):
                saved = json.dumps({**self.saved, "remote_ref": remote_ref})
                return await self._come_back(State.PROCESSING, check_in, processing_at=now(), saved=saved)
            case Waiting(check_in):
                since = self.delivery.processing_at if self.delivery.processing_at > EPOCH else now()
                return await self._come_back(State.SCHEDULED, check_in, processing_at=since)

    async def _come_back(self, state: State, check_in: timedelta, **changes: Any) -> Delivery | None:
        """The network needs time; until then turn and worker are free. What was made ready ahead is not due before."""
        due_at = max(now() + max(check_in, SHORTEST_CHECK), self.delivery.due_at)
        return await move(
            self.delivery.id,
            State.PUBLISHING,
            state,
            where=self._ours,
            patience=receipts.SAVE_PATIENCE,
            due_at=due_at,
            lease_until=EPOCH,
            tries=attempts.ended(self.delivery, outcome="waiting" if state == State.SCHEDULED else state, next_at=due_at),
            **changes,
        )

    # --- time ---------------------------------------------------------------------------------------------------------

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

    def _rest(self) -> None:
        """Until the fence is written the adapter has nothing to do, so its time stands still."""
        if self._timeout is not None:
            self._timeout.reschedule(None)

    def _keep(self, moved: Delivery | None, began: float | None = None) -> None:
        """``began``: from when the lease counts. A slow database must not let a request outlive it."""
        if moved is None:
            raise LeaseLost
        self.delivery = moved
        if began is not None:
            self._lease_ends = self._leased(began)
            if self._timeout is not None:
                self._timeout.reschedule(began + runtime.current().settings.step_limit)

    @staticmethod
    def _leased(since: float) -> float:
        return since + float(runtime.current().settings.lease)

    @property
    def _ours(self) -> dict[str, Any]:
        return {"attempt_id": self.delivery.attempt_id}
