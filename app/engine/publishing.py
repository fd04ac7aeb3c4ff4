"""Publishing deliveries that are due together: each is one try by itself, and what can be done for all of them is done once.

    claim (attempt, lease, turn) ─ adapter: uploads, checkpoint … fence ─ the due instant ─ request ─ answer ─ receipt saved
                                   └ crash: nothing sent, send again ──┘└─── crash: unconfirmed, ask ─────┘

Behind one account's delivery the next of its line follows at once, if they came in one message (:func:`_work_off`).

Every write names the attempt that holds the lease. A worker that lost it (it was stopped for too long, another took over) is
refused at the next checkpoint, and above all at the fence, so it cannot send what somebody else is sending.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Coroutine, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from app import runtime
from app.courier import BURY, PUBLISH
from app.engine import access, claiming, contents, failing, order, outbox, receipts, turns
from app.engine.backoff import Decision
from app.engine.checkpoints import DeliveryCheckpoint, LeaseLost, Unwanted
from app.engine.claiming import Claimed, Claims
from app.engine.faultpoints import CLAIMED, SAVED
from app.engine.groups import MOST, Group
from app.engine.sources import StillMade
from app.ids import Id
from app.models import EPOCH, Delivery, State, now
from platforms import REGISTRY
from platforms.base import Outcome, Waiting
from platforms.errors import (
    MediaRejected,
    PlatformError,
    ReconnectNeeded,
    TokenExpired,
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
    claims = await _or_give_back(claiming.claim(delivery_ids))
    tries = [asyncio.create_task(_work_off(one, then), name="attempt") for one in claims.claimed]
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


async def _or_give_back(claims: Coroutine[Any, Any, Claims]) -> Claims:
    """What is claimed while we are canceled nobody would work on: it is given back, and the message is tried again."""
    work = asyncio.create_task(claims, name="claim")
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        await asyncio.shield(asyncio.create_task(_give_back(work), name="giving back"))
        raise


async def _give_back(work: asyncio.Task[Claims]) -> None:
    await _all_ended([work])
    if not work.cancelled() and work.exception() is None:
        for one in work.result().claimed:
            await turns.revoke(one.delivery, State.QUEUED)


async def send_on(decided: Decided) -> None:
    """What is still to be done about some of a batch goes on as messages of their own; the others have none any more."""
    courier = runtime.current().courier
    for delivery, decision in decided:
        if decision.state == State.QUEUED:
            delay = max(decision.due_at - now(), timedelta())
            await courier.send(PUBLISH, [delivery.id], delivery.lane, delay=delay)
        elif decision.state in (State.FAILED, State.DEAD):
            await courier.send(BURY, [delivery.id], delivery.lane)


async def _all_ended(tries: Collection[asyncio.Task[Any]]) -> None:
    """They were canceled with whoever waited for them; each writes down how far it came."""
    while running := [one for one in tries if not one.done()]:
        await asyncio.wait(running)


# --- one line ---------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Line:
    """What one account still has to send of a message. ``behind``: who follows, the next one first. ``until``, by the loop's
    clock: when the message has had enough time. ``at``: the attempt that is being made, ``None`` between two.
    """

    behind: list[Id]
    until: float
    at: DeliveryCheckpoint | None = None

    @property
    def goes_on(self) -> bool:
        return bool(self.behind) and asyncio.get_running_loop().time() < self.until

    @property
    def unsent(self) -> bool:
        """Whether nothing would be left open if it were interrupted."""
        return self.at is None or self.at.unsent


_running: dict[asyncio.Task[Any], _Line] = {}
"""What this process is working off."""


async def _work_off(first: Claimed, then: Then) -> None:
    """Publish ``first``, and one after the other those of its account that came in the same message behind it.

    So a line needs no messages: who ends claims the next, together with what other lines are ready to claim. After a while, and
    after a failure, the next one is called by a message all the same: others want the thread.
    """
    line = _Line(list(first.behind), asyncio.get_running_loop().time() + runtime.current().settings.lease / 4)
    task, claimed = asyncio.current_task(), first
    if task is None:
        raise RuntimeError("a line is worked off in a task")
    _running[task] = line
    try:
        while following := await _attempt(claimed, line, then):
            claimed = following
    finally:
        del _running[task]


async def _attempt(claimed: Claimed, line: _Line, then: Then) -> Claimed | None:
    """Make one try; the next one of the line, if it is ours."""
    line.at = checkpoint = DeliveryCheckpoint(claimed.delivery, claimed.account)
    goes_on = False
    try:
        decision = await _carry_out(checkpoint)
        goes_on = checkpoint.delivery.state == State.PUBLISHED and line.goes_on
    finally:
        line.at = None
        receipts.sending.discard(claimed.delivery.id)
        if not goes_on:
            await asyncio.shield(turns.pass_on(checkpoint.delivery))
    if decision is not None:
        await then([(claimed.delivery, decision)])
    return await _next(line, then) if goes_on else None


async def _next(line: _Line, then: Then) -> Claimed | None:
    """``None``: it is not there any more or not first, and whoever is has been called."""
    claims = await _or_give_back(_heads.add(line.behind.pop(0)))
    await then(claims.again)
    return claims.claimed[0] if claims.claimed else None


async def _claim_heads(heads: Sequence[Id]) -> list[Claims]:
    claims = await claiming.claim(heads)
    return [claims.of(head) for head in heads]


_heads: Group[Id, Claims] = Group(_claim_heads, most=MOST, gather=lambda: receipts.GATHER if len(_running) > 1 else 0)


async def _carry_out(checkpoint: DeliveryCheckpoint) -> Decision | None:
    """Publish, and write down how it ended, whatever happens."""
    delivery = checkpoint.delivery
    try:
        await checkpoint.reach(CLAIMED)
        await _publish_parts(checkpoint)
    except LeaseLost:
        log.warning("delivery %s: attempt %s lost its lease", delivery.id, delivery.attempt_id)
        await failing.nothing_was_sent(checkpoint)
        return None
    except Unwanted as unwanted:
        await failing.withdraw(checkpoint, unwanted.will)
        return None
    except PlatformError as error:
        if isinstance(error, ReconnectNeeded) and not checkpoint.released and (will := await outbox.changed_will(delivery)):
            await failing.withdraw(checkpoint, will)  # no access, because nobody wants it any more
            return None
        return await failing.write_down(checkpoint, error)
    except asyncio.CancelledError:  # Dramatiq's TimeLimitExceeded, or handed over at a stop; its message is tried again
        checkpoint.ending = True
        await asyncio.shield(failing.write_down(checkpoint, checkpoint.interrupted(again_in=timedelta())))
        raise
    except Exception:
        log.exception("delivery %s: attempt %s failed unexpectedly", delivery.id, delivery.attempt_id)
        return await failing.write_down(checkpoint, failing.unexpected(checkpoint))
    await checkpoint.reach(SAVED)
    return None


async def hand_over() -> None:
    """The process is to stop: give back every attempt that has sent nothing. Those that may have sent are left to finish, alone.

    Asked again and again: the database driver swallows a cancellation that meets it in the middle of a command.
    """
    for line in _running.values():
        line.behind.clear()
    for _ in range(_ASKED_TO_STOP):
        unsent = [task for task, line in _running.items() if line.unsent]
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


_MADE_SOON = timedelta(seconds=5)
"""Between two looks at a file that is made to fit: long ones are made ahead (:mod:`app.engine.fitting`), if there was time."""


async def _call_adapter(checkpoint: DeliveryCheckpoint) -> Outcome:
    delivery, account = checkpoint.delivery, checkpoint.account
    checkpoint.look_at_lease()  # a large file would be uploaded for nothing
    async with checkpoint.step_limit():
        try:
            content = await contents.of_part(delivery, account, files=contents.Files.MADE)
        except StillMade:
            return Waiting(_MADE_SOON)
        return await REGISTRY[delivery.platform].publish(
            await access.open_session(account), content, key=delivery.parts[delivery.position].key, checkpoint=checkpoint
        )
