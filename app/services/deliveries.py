"""A delivery's changes of state: one helper, one compare-and-set each, and what people may do to a delivery.

Nothing else writes to the ``deliveries`` collection's state. ``move`` checks the transition table, so a wrong step is an error of
the program, and guards the change by the state it starts from, so of two who try only one succeeds.
"""

import asyncio
import logging
from collections.abc import Collection, Mapping
from typing import Any

from pymongo import ReturnDocument
from pymongo.errors import ConnectionFailure, DuplicateKeyError

from app.errors import Invalid, NotFound, TooLate
from app.ids import Id
from app.models import EDITABLE, EPOCH, TRANSITIONS, Delivery, Receipt, State, Workspace, now
from app.queries import equal

log = logging.getLogger(__name__)


class ReceiptTaken(Exception):
    """The post on the network is the receipt of another delivery already."""


_PAUSE = 0.5
"""Seconds between two tries at a write whose connection broke."""


async def move(
    delivery_id: Id,
    source: State | Collection[State],
    target: State,
    *,
    where: Mapping[str, Any] | None = None,
    increase: Mapping[str, int] | None = None,
    patience: float = 10,
    **changes: Any,
) -> Delivery | None:
    """Change state from ``source`` to ``target`` and set ``changes``; ``None`` if somebody else was first.

    A broken connection leaves open whether the write was applied. Every write therefore carries a fresh ``move_id``: it is
    repeated for up to ``patience`` seconds, changes nothing where that token stands already, and then the driver's error is
    raised.
    """
    sources = [source] if isinstance(source, State) else list(source)
    for state in sources:
        if target not in TRANSITIONS[state]:
            raise ValueError(f"{state} cannot become {target}")
    token = Id()
    state_is = {"$in": sources} if len(sources) > 1 else sources[0]
    query = {"_id": delivery_id, "state": state_is, "move_id": {"$ne": token}, **(where or {})}
    update: dict[str, Any] = {"$set": {"state": target, "updated_at": now(), "move_id": token, **changes}}
    if increase:
        update["$inc"] = dict(increase)
    deadline = asyncio.get_running_loop().time() + patience
    while True:
        try:
            return await _apply(delivery_id, query, update, token)
        except ConnectionFailure:
            if asyncio.get_running_loop().time() > deadline:
                raise
            log.warning("database connection broke while moving delivery %s to %s; trying again", delivery_id, target)
            await asyncio.sleep(_PAUSE)


async def _apply(delivery_id: Id, query: dict[str, Any], update: dict[str, Any], token: Id) -> Delivery | None:
    collection = Delivery.get_pymongo_collection()
    found = await collection.find_one_and_update(query, update, return_document=ReturnDocument.AFTER)
    if found is None:  # it may be our own write, applied before its answer was lost
        found = await collection.find_one({"_id": delivery_id, "move_id": token})
    return Delivery.model_validate(found) if found else None


async def get(workspace: Workspace, delivery_id: Id) -> Delivery:
    """The delivery, if it belongs to ``workspace``. Raises ``NotFound``."""
    delivery = await Delivery.get(delivery_id)
    if delivery is None or delivery.workspace_id != workspace.id:
        raise NotFound
    return delivery


async def send_again(workspace: Workspace, delivery_id: Id) -> Delivery:
    """Send what failed, was given up, missed or canceled, now. Raises ``TooLate`` when it is none of these any more."""
    delivery = await get(workspace, delivery_id)
    return _or_too_late(await _again(delivery.id), "It is no longer waiting for you: somebody else, or the network, was faster.")


async def send_all_again(workspace: Workspace, platform: str) -> int:
    """Send every dead letter of one platform again, now; how many there were."""
    moved = [await _again(letter.id) for letter in await _dead_letters(workspace) if letter.platform == platform]
    return sum(one is not None for one in moved)


async def dead_platforms(workspace: Workspace) -> list[str]:
    """The platforms with dead letters."""
    return sorted({letter.platform for letter in await _dead_letters(workspace)})


async def _dead_letters(workspace: Workspace) -> list[Delivery]:
    """One question per state: each is answered by the index ``by_state``."""
    found = [await Delivery.find(equal(workspace_id=workspace.id, state=state)).to_list() for state in (State.FAILED, State.DEAD)]
    return [letter for some in found for letter in some]


async def drop(workspace: Workspace, delivery_id: Id) -> Delivery:
    """Do not send it. Raises ``TooLate`` when it is on its way or published."""
    delivery = await get(workspace, delivery_id)
    return _or_too_late(await move(delivery.id, tuple(EDITABLE), State.CANCELED), TooLate().message)


async def _again(delivery_id: Id) -> Delivery | None:
    at = now()
    return await move(
        delivery_id,
        (State.FAILED, State.DEAD, State.MISSED, State.CANCELED),
        State.SCHEDULED,
        due_at=at,
        planned_at=at,
        content_at=at,
        strikes=0,
        checks=0,
        undecidable=False,
        trouble=None,
    )


async def confirm(workspace: Workspace, delivery_id: Id, *, url: str) -> Delivery:
    """A person, asked, found the post on the network. ``url`` becomes the receipt's address and id.

    Raises ``Invalid``; ``TooLate`` if the question is answered already.
    """
    delivery = await get(workspace, delivery_id)
    url = url.strip()
    if not url.startswith(("https://", "http://")) or any(character.isspace() for character in url):
        raise Invalid({"url": "Paste the full address of the post, beginning with https://."})
    receipt = Receipt(remote_id=url.rstrip("/").rsplit("/", 1)[-1], url=url)
    try:
        moved = await settle_part(delivery, receipt, source=State.UNCONFIRMED, where=_ASKED | {"move_id": delivery.move_id})
    except ReceiptTaken:
        raise Invalid({"url": "This is the address of another post of yours."}) from None
    return _or_too_late(moved, "Meanwhile its fate was found out.")


async def deny(workspace: Workspace, delivery_id: Id) -> Delivery:
    """A person, asked, says that the post is not on the network: send it again, with the same key. Raises ``TooLate``."""
    delivery = await get(workspace, delivery_id)
    moved = await move(
        delivery.id,
        State.UNCONFIRMED,
        State.SCHEDULED,
        where=_ASKED,
        due_at=now(),
        fenced_at=EPOCH,
        checks=0,
        undecidable=False,
        trouble=None,
    )
    return _or_too_late(moved, "Meanwhile its fate was found out.")


_ASKED = {"undecidable": True}
"""Only an open question can be answered: while we look ourselves, a second press of the button must not send anything."""


async def settle_part(
    delivery: Delivery, receipt: Receipt, *, source: State, where: Mapping[str, Any] | None = None, patience: float = 10
) -> Delivery | None:
    """Save the current part's receipt: ``published`` after the last part, else on to the next one.

    ``None`` if the delivery moved on meanwhile. The whole list of parts is written: only the holder of the lease changes it.
    Raises ``ReceiptTaken`` if the post on the network is another delivery's receipt.
    """
    parts = [part.model_dump() for part in delivery.parts]
    parts[delivery.position]["receipt"] = receipt.model_dump()
    done = delivery.position + 1 == len(parts)
    first = receipt.remote_id if delivery.position == 0 else delivery.remote_id
    onward = State.PUBLISHED if done else (State.PUBLISHING if source == State.PUBLISHING else State.SCHEDULED)
    extra: dict[str, Any] = {"published_at": now(), "trouble": None} if done else {}
    if onward != State.PUBLISHING:
        extra["lease_until"] = EPOCH
    try:
        moved = await move(
            delivery.id,
            source,
            onward,
            where=where or {"move_id": delivery.move_id},
            patience=patience,
            parts=parts,
            remote_id=first,
            saved="{}",
            fenced_at=EPOCH,
            undecidable=False,
            **extra,
        )
    except DuplicateKeyError:
        raise ReceiptTaken from None
    if moved is None and await _taken(delivery, first):
        raise ReceiptTaken
    return moved


async def _taken(delivery: Delivery, remote_id: str | None) -> bool:
    """The embedded engine does not say when its unique index refuses a ``findAndModify``; it only changes nothing."""
    query = {**equal(account_id=delivery.account_id, remote_id=remote_id), "_id": {"$ne": delivery.id}}
    return await Delivery.find_one(query) is not None


def _or_too_late(moved: Delivery | None, message: str) -> Delivery:
    if moved is None:
        raise TooLate(message)
    return moved
