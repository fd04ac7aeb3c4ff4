"""Ask the network what became of a delivery: after an ambiguous outcome, a crash behind the fence, or while it processes.

Only reads. Found: published. Certainly absent: sent again with the same key. Undecidable: a person decides, with the evidence.
"""

import asyncio
import json
import logging
import random
from datetime import timedelta
from typing import Any

from app import runtime
from app.engine import access, attempts, backoff, contents, deliveries
from app.engine.checkpoints import not_ours
from app.engine.faultpoints import TOLD, reach
from app.ids import Id
from app.models import EPOCH, Account, Attempt, AttemptKind, Delivery, Receipt, State, now
from platforms import REGISTRY
from platforms.base import Absent, Processing, Published, SentAttempt
from platforms.errors import PlatformError, ReconnectNeeded, TokenExpired, Unavailable, Unconfirmed

log = logging.getLogger(__name__)

SETTLED = timedelta(seconds=60)
"""How long after sending a network may still be storing a request that we gave up: well past every time-out in between.

Before that, "not there" is no answer: the delivery could be edited or canceled, and appear all the same.
"""

OPEN = (State.UNCONFIRMED, State.PROCESSING)
"""The states whose truth lies with the network."""

Answer = Published | Processing | Absent


async def reconcile(delivery_id: Id) -> None:
    """Look once, if the delivery still needs it and nobody else is looking."""
    claimed = await _claim(delivery_id)
    if claimed is None:
        return
    attempt = await attempts.begin(claimed, AttemptKind.RECONCILE, number=claimed.checks, step="asking")
    try:
        async with asyncio.timeout(runtime.current().settings.step_limit):
            answer = await _ask(claimed)
    except PlatformError as error:
        await _not_told(claimed, attempt, error)
    except TimeoutError:
        await _not_told(claimed, attempt, Unavailable(claimed.platform, "no_answer", "The network did not answer in time."))
    except Exception:
        log.exception("delivery %s: reconcile failed unexpectedly", claimed.id)
        await _not_told(claimed, attempt, Unavailable(claimed.platform, "internal", "Something went wrong here while asking."))
    else:
        await _told(claimed, attempt, answer)


async def _claim(delivery_id: Id) -> Delivery | None:
    delivery = await Delivery.get(delivery_id)
    if delivery is None or delivery.state not in OPEN or delivery.undecidable:
        return None
    return await deliveries.move(
        delivery_id,
        delivery.state,
        delivery.state,
        where={"lease_until": {"$lt": now()}, "undecidable": False},
        increase={"checks": 1},
        attempt_id=Id(),
        lease_until=now() + runtime.current().settings.lease_time,
    )


async def _ask(delivery: Delivery) -> Answer:
    account = await Account.get(delivery.account_id)
    if account is None:
        raise Unconfirmed(delivery.platform, "no_account", "The account was removed, so the network cannot be asked.")
    try:
        return await _call_adapter(delivery, account)
    except TokenExpired:
        return await _call_adapter(delivery, await access.refresh(account))


async def _call_adapter(delivery: Delivery, account: Account) -> Answer:
    attempt = SentAttempt(
        key=delivery.parts[delivery.position].key,
        content=await contents.of_part(delivery, account),
        saved=json.loads(delivery.saved),
        sent_at=delivery.fenced_at,
    )
    return await REGISTRY[delivery.platform].reconcile(access.open_session(account), attempt)


async def _told(delivery: Delivery, attempt: Attempt, answer: Answer) -> None:
    """The network answered: write it down, if nobody decided meanwhile."""
    await reach(TOLD, delivery.account_id)
    ours = {"attempt_id": delivery.attempt_id}
    match answer:
        case Published(remote_id, url):
            await _found(delivery, attempt, Receipt(remote_id=remote_id, url=url))
        case Processing(_, check_in):
            due_at = now() + check_in
            await deliveries.move(
                delivery.id,
                delivery.state,
                State.PROCESSING,
                where=ours,
                due_at=due_at,
                lease_until=EPOCH,
                checks=0,  # it did tell: only silence uses up our patience
            )
            await attempts.end(attempt.id, outcome="processing", next_at=due_at)
        case Absent():
            await _absent(delivery, attempt)


async def _found(delivery: Delivery, attempt: Attempt, receipt: Receipt) -> None:
    ours = {"attempt_id": delivery.attempt_id}
    try:
        await deliveries.settle_part(delivery, receipt, source=delivery.state, where=ours)
    except deliveries.ReceiptTaken:  # it looks like ours, but is another delivery's: a person has to look
        await _not_told(delivery, attempt, not_ours(delivery.platform))
    else:
        await attempts.end(attempt.id, outcome="found")


async def _absent(delivery: Delivery, attempt: Attempt) -> None:
    """Certainly not there: send again after the usual pause, or give up when enough was tried."""
    if (unsettled := delivery.fenced_at + SETTLED - now()) > timedelta():
        early = Unavailable(
            delivery.platform, "too_early", "It is not there yet; the network may still be storing it.", retry_after=unsettled
        )
        await _not_told(delivery, attempt, early)
        return
    error = Unavailable(delivery.platform, "absent", "The network does not have it; it was not sent.")
    strikes = max(0, delivery.strikes - 1)  # the ambiguous outcome has been counted already
    wait = backoff.delay(error, strikes=strikes, jitter=random.random())  # noqa: S311
    due_at = now() + wait if wait is not None else now()
    await deliveries.move(
        delivery.id,
        delivery.state,
        State.SCHEDULED if wait is not None else State.DEAD,
        where={"attempt_id": delivery.attempt_id},
        due_at=due_at,
        lease_until=EPOCH,
        fenced_at=EPOCH,
        checks=0,
    )
    await attempts.end(attempt.id, outcome="absent", next_at=due_at if wait is not None else None)


async def _not_told(delivery: Delivery, attempt: Attempt, error: PlatformError) -> None:
    """The network could not be asked now, or has no way to know. In the end a person decides."""
    if isinstance(error, ReconnectNeeded):
        await _mark_reconnect(delivery)
    hopeless = isinstance(error, Unconfirmed | ReconnectNeeded)
    wait = None if hopeless else backoff.next_check(delivery.checks - 1, retry_after=error.retry_after)
    changes: dict[str, Any] = {"undecidable": wait is None, "lease_until": EPOCH}
    changes["trouble"] = backoff.trouble(error, now()).model_dump()
    if wait is not None:
        changes["due_at"] = now() + wait
    await deliveries.move(delivery.id, delivery.state, State.UNCONFIRMED, where={"attempt_id": delivery.attempt_id}, **changes)
    await attempts.end(attempt.id, outcome="not told", error=error, next_at=changes.get("due_at"))


async def _mark_reconnect(delivery: Delivery) -> None:
    account = await Account.get(delivery.account_id)
    if account is not None:
        await access.mark_reconnect(account)
