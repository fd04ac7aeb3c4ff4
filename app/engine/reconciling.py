"""Ask the network what became of a delivery: after an ambiguous outcome, a crash behind the fence, or while it processes.

Only reads. Found: published. Certainly absent: sent again with the same key. Refused after all: failed, with the reason.
Undecidable: a person decides, with the evidence. Visible without a name: a person says where, and it is never sent again.
"""

import asyncio
import json
import logging
import random
from datetime import timedelta
from typing import Any

from app import runtime
from app.engine import access, attempts, backoff, contents, lateness, outbox, receipts
from app.engine.checkpoints import SHORTEST_CHECK, not_ours
from app.engine.faultpoints import TOLD, reach
from app.engine.moves import move
from app.ids import Id
from app.models import CONFIRM, EPOCH, Account, AttemptKind, Delivery, Receipt, State, Trouble, now, reading
from platforms import REGISTRY
from platforms.base import (
    Absent,
    Answer,
    Capabilities,
    Idempotency,
    Processing,
    Published,
    Refused,
    SentAttempt,
    Unnamed,
)
from platforms.errors import PlatformError, ReconnectNeeded, TokenExpired, Unavailable, Unconfirmed, UnexpectedReply

log = logging.getLogger(__name__)

OPEN = (State.UNCONFIRMED, State.PROCESSING)
"""The states whose truth lies with the network."""


async def reconcile(delivery_id: Id) -> None:
    """Look once, if the delivery still needs it and nobody else is looking."""
    claimed = await _claim(delivery_id)
    if claimed is None:
        return
    try:
        async with asyncio.timeout(runtime.current().settings.step_limit):
            answer = await _ask(claimed)
    except PlatformError as error:
        await _not_told(claimed, error)
    except TimeoutError:
        await _not_told(claimed, Unavailable(claimed.platform, "no_answer", "The network did not answer in time."))
    except Exception:
        log.exception("delivery %s: reconcile failed unexpectedly", claimed.id)
        await _not_told(claimed, Unavailable(claimed.platform, "internal", "Something went wrong here while asking."))
    else:
        await _told(claimed, answer)


async def _claim(delivery_id: Id) -> Delivery | None:
    delivery = await reading.get(Delivery, delivery_id)
    if delivery is None or delivery.state not in OPEN or delivery.undecidable:
        return None
    attempt_id = Id()
    await attempts.make_room([delivery])
    return await move(
        delivery_id,
        delivery.state,
        delivery.state,
        where={"move_id": delivery.move_id, "lease_until": {"$lt": now()}, "undecidable": False},
        increase={"checks": 1},
        attempt_id=attempt_id,
        tries=attempts.begun(delivery, AttemptKind.RECONCILE, attempt_id, number=delivery.checks + 1, step="asking"),
        lease_until=now() + runtime.current().settings.lease_time,
    )


async def _ask(delivery: Delivery) -> Answer:
    account = await reading.get(Account, delivery.account_id)
    if account is None:
        raise Unconfirmed(delivery.platform, "no_account", "The account was removed, so the network cannot be asked.")
    try:
        return await _with_fresh_tokens(delivery, account)
    except ReconnectNeeded:
        await access.mark_reconnect(account)
        raise


async def _with_fresh_tokens(delivery: Delivery, account: Account) -> Answer:
    try:
        return await _call_adapter(delivery, account)
    except TokenExpired:
        return await _call_adapter(delivery, await access.refresh(account))


async def _call_adapter(delivery: Delivery, account: Account) -> Answer:
    attempt = SentAttempt(
        key=delivery.parts[delivery.position].key,
        content=await contents.of_part(delivery, account, files=contents.Files.PAST),
        saved=json.loads(delivery.saved),
        sent_at=delivery.fenced_at if delivery.fenced_at > EPOCH else delivery.first_sent_at,
        first_sent_at=delivery.first_sent_at if delivery.first_sent_at > EPOCH else None,
    )
    return await REGISTRY[delivery.platform].reconcile(await access.open_session(account), attempt)


async def _told(delivery: Delivery, answer: Answer) -> None:
    """The network answered: write it down, if nobody decided meanwhile."""
    await reach(TOLD, delivery.account_id)
    match answer:
        case Published(remote_id, url, data):
            await _found(delivery, Receipt(remote_id=remote_id, url=url, data=dict(data)))
        case Processing():
            await _still_processing(delivery, answer)
        case Absent():
            await _absent(delivery)
        case Refused(error):
            await _refused(delivery, error)
        case Unnamed(evidence):
            await _unnamed(delivery, evidence)


async def _found(delivery: Delivery, receipt: Receipt) -> None:
    ours = {"attempt_id": delivery.attempt_id}
    try:
        await receipts.save(delivery, receipt, source=delivery.state, where=ours, tries=attempts.ended(delivery, outcome="found"))
    except receipts.ReceiptTaken:  # it looks like ours, but is another delivery's: a person has to look
        await _not_told(delivery, not_ours(delivery.platform))


async def _still_processing(delivery: Delivery, answer: Processing) -> None:
    """It did tell, so only silence uses up our patience; but a processing that does not end is looked at by a person."""
    since = delivery.processing_at if delivery.processing_at > EPOCH else now()
    if now() - since > (await _capabilities(delivery)).processing_limit:
        message = "The network has been preparing it for so long that something must be wrong."
        await _not_told(delivery, UnexpectedReply(delivery.platform, "endless_processing", message))
        return
    due_at = now() + max(answer.check_in, SHORTEST_CHECK)
    await move(
        delivery.id,
        delivery.state,
        State.PROCESSING,
        where={"attempt_id": delivery.attempt_id},
        due_at=due_at,
        processing_at=since,
        lease_until=EPOCH,
        checks=0,
        saved=json.dumps({**json.loads(delivery.saved), "remote_ref": answer.remote_ref}),
        tries=attempts.ended(delivery, outcome="processing", next_at=due_at),
    )


async def _absent(delivery: Delivery) -> None:
    """Certainly not there: send again after the usual pause, if that is safe and in time and not tried enough."""
    if (unsettled := delivery.not_before - now()) > timedelta():
        message = "It is not there yet; the network may still be storing it."
        await _not_told(delivery, Unavailable(delivery.platform, "too_early", message, retry_after=unsettled))
        return
    if (await _capabilities(delivery)).idempotency is Idempotency.NONE:
        message = "The network does not show it, but it would not notice if it got the post twice."
        await _not_told(delivery, UnexpectedReply(delivery.platform, "no_key", message))
        return
    error = Unavailable(delivery.platform, "absent", "The network does not have it; it was not sent.")
    strikes = max(0, delivery.strikes - 1)  # the ambiguous outcome has been counted already
    wait = backoff.delay(error, strikes=strikes, jitter=random.random())  # noqa: S311
    due_at = now() + wait if wait is not None else now()
    again = await lateness.verdict(delivery, delivery.fenced_at) or State.SCHEDULED
    moved = await move(
        delivery.id,
        delivery.state,
        again if wait is not None else State.DEAD,
        where={"attempt_id": delivery.attempt_id},
        due_at=due_at,
        lease_until=EPOCH,
        fenced_at=EPOCH,
        checks=0,
        tries=attempts.ended(delivery, outcome="absent", next_at=due_at if wait is not None else None),
    )
    if moved is not None:
        await outbox.catch_up(moved)


async def _refused(delivery: Delivery, error: PlatformError) -> None:
    """Nothing is visible, and nothing will be. What was uploaded for it is spent: another try begins anew."""
    if not delivery.parts[delivery.position].required:
        target, changes = receipts.without(delivery, backoff.trouble(error, now()))
        tries = attempts.ended(delivery, outcome="refused", error=error)
        await move(delivery.id, delivery.state, target, where={"attempt_id": delivery.attempt_id}, tries=tries, **changes)
        return
    moved = await move(
        delivery.id,
        delivery.state,
        State.FAILED,
        where={"attempt_id": delivery.attempt_id},
        due_at=now(),
        lease_until=EPOCH,
        fenced_at=EPOCH,
        processing_at=EPOCH,
        checks=0,
        saved="{}",
        trouble=backoff.trouble(error, now()),
        not_before=EPOCH,
        tries=attempts.ended(delivery, outcome="refused", error=error),
    )
    if moved is not None:
        await outbox.catch_up(moved)


async def _unnamed(delivery: Delivery, evidence: str) -> None:
    """It is out, so that the only question left is where: that a person answers, and nobody asks the network again."""
    trouble = Trouble(remedy=CONFIRM, code="unnamed", message=evidence)
    await move(
        delivery.id,
        delivery.state,
        State.UNCONFIRMED,
        where={"attempt_id": delivery.attempt_id},
        undecidable=True,
        lease_until=EPOCH,
        trouble=trouble,
        tries=attempts.ended(delivery, outcome="there, without a name"),
    )


async def _capabilities(delivery: Delivery) -> Capabilities:
    account = await reading.get(Account, delivery.account_id)
    return REGISTRY[delivery.platform].capabilities_for(account.limits if account else {})


async def _not_told(delivery: Delivery, error: PlatformError) -> None:
    """The network could not be asked now, or has no way to know. In the end a person decides."""
    hopeless = isinstance(error, Unconfirmed | ReconnectNeeded)
    wait = None if hopeless else backoff.next_check(delivery.checks - 1, retry_after=error.retry_after)
    changes: dict[str, Any] = {"undecidable": wait is None, "lease_until": EPOCH}
    changes["trouble"] = backoff.trouble(error, now()).model_dump()
    if wait is not None:
        changes["due_at"] = now() + wait
    changes["tries"] = attempts.ended(delivery, outcome="not told", error=error, next_at=changes.get("due_at"))
    await move(delivery.id, delivery.state, State.UNCONFIRMED, where={"attempt_id": delivery.attempt_id}, **changes)
