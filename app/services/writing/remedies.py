"""What a person may do about one delivery: send it again, drop it, and say what became of it."""

from app.engine import deliveries
from app.errors import Invalid, NotFound, TooLate
from app.ids import Id
from app.models import EDITABLE, EPOCH, Delivery, Receipt, State, Workspace, now
from app.queries import equal


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
    return _or_too_late(await deliveries.move(delivery.id, tuple(EDITABLE), State.CANCELED), TooLate().message)


async def _again(delivery_id: Id) -> Delivery | None:
    at = now()
    return await deliveries.move(
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
        moved = await deliveries.settle_part(
            delivery, receipt, source=State.UNCONFIRMED, where=_ASKED | {"move_id": delivery.move_id}
        )
    except deliveries.ReceiptTaken:
        raise Invalid({"url": "This is the address of another post of yours."}) from None
    return _or_too_late(moved, "Meanwhile its fate was found out.")


async def deny(workspace: Workspace, delivery_id: Id) -> Delivery:
    """A person, asked, says that the post is not on the network: send it again, with the same key. Raises ``TooLate``."""
    delivery = await get(workspace, delivery_id)
    moved = await deliveries.move(
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


def _or_too_late(moved: Delivery | None, message: str) -> Delivery:
    if moved is None:
        raise TooLate(message)
    return moved
