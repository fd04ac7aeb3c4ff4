"""What a person may do about one delivery: send it again, drop it, and say what became of it."""

from typing import Any

from app.engine import access, backoff, deliveries, lateness, outbox, receipts
from app.engine.moves import move
from app.errors import Invalid, NotFound, TooLate, Unsure
from app.ids import Id
from app.models import EDITABLE, EPOCH, IN_FLIGHT, Account, Delivery, Post, Receipt, State, Workspace, now, reading
from app.queries import equal
from app.services.accounts import profiles
from app.services.media import pins
from platforms import REGISTRY
from platforms.errors import Unavailable

_SENDABLE = (State.FAILED, State.DEAD, State.MISSED, State.CANCELED)
_OUT = "The network says that it is there, so it is not sent again. Look for it, and paste its address."
_TOO_LATE = "It is no longer waiting for you: somebody else, or the network, was faster."


async def get(workspace: Workspace, delivery_id: Id) -> Delivery:
    """The delivery, if it belongs to ``workspace``. Raises ``NotFound``."""
    delivery = await reading.get(Delivery, delivery_id)
    if delivery is None or delivery.workspace_id != workspace.id:
        raise NotFound
    return delivery


async def send_again(workspace: Workspace, delivery_id: Id, *, sure: bool = False) -> Delivery:
    """Send what failed, was given up, missed or canceled, now.

    Raises ``TooLate`` when it is none of these any more, ``Unsure`` for what somebody canceled, unless they are ``sure``, and
    ``Invalid`` if one of its files is gone.
    """
    post = await outbox.finish((await get(workspace, delivery_id)).post_id)
    delivery = await get(workspace, delivery_id)
    if delivery.state not in _SENDABLE:
        raise TooLate(_TOO_LATE)
    if delivery.unnamed:
        raise TooLate(_OUT)
    if post is not None and post.leaves_out(delivery.account_id):
        raise TooLate("The post is not meant for this account any more. Edit it, and choose the account again.")
    canceled = post is not None and post.canceled
    if (canceled or delivery.state == State.CANCELED) and not sure:
        raise Unsure("It was canceled. Do you want to send it now after all?")
    async with pins.held(workspace, list({each.media_id for each in delivery.attachments})):
        moved = await (_again_of_canceled(post, delivery) if post and canceled else _again(delivery))
    return _or_too_late(moved, _TOO_LATE)


async def _again_of_canceled(post: Post, delivery: Delivery) -> Delivery | None:
    """Only this one goes out after all: what the cancellation has not reached yet must be stopped first."""
    if any(one.revision != post.revision and one.state in IN_FLIGHT for one in await outbox.of(post.id)):
        raise TooLate("Another of its accounts is just being stopped, or asked about. Try again when that is done.")
    this_one = {"_id": post.id, "revision": post.revision}
    await Post.get_pymongo_collection().update_one(this_one, {"$set": {"canceled": False}})
    moved = await _again(delivery)
    if moved is None:
        await Post.get_pymongo_collection().update_one(this_one, {"$set": {"canceled": True}})
    return moved


async def send_all_again(workspace: Workspace, platform: str) -> int:
    """Send every dead letter of one platform again, now; how many can go."""
    letters = [letter for letter in await _dead_letters(workspace) if letter.platform == platform]
    moved = [await _again(letter) for letter in letters]
    return sum(one is not None for one in moved)


async def dead_platforms(workspace: Workspace) -> dict[str, int]:
    """The platforms with dead letters that can go, and how many each has."""
    found: dict[str, int] = {}
    for letter in await _dead_letters(workspace):
        found[letter.platform] = found.get(letter.platform, 0) + 1
    return dict(sorted(found.items()))


async def _dead_letters(workspace: Workspace) -> list[Delivery]:
    """Those that can go: the account is connected, and nobody canceled the post. One question per state, as the index answers."""
    found = [
        letter
        for state in (State.FAILED, State.DEAD)
        for letter in await reading.find(Delivery, equal(workspace_id=workspace.id, state=state))
    ]
    usable = {account.id for account in await profiles.listed(workspace) if account.state == "connected"} if found else set()
    letters = [letter for letter in found if letter.account_id in usable]
    posts = await reading.find(Post, {"_id": {"$in": [letter.post_id for letter in letters]}}) if letters else []
    stopped = {post.id for post in posts if post.canceled}
    return [letter for letter in letters if letter.post_id not in stopped]


async def drop(workspace: Workspace, delivery_id: Id) -> Delivery:
    """Do not send it, now or when the post is planned anew. Raises ``TooLate`` when it is on its way or published.

    A question that the network does not answer may be dropped too: then nobody claims to know what became of it.
    """
    post = await outbox.finish((await get(workspace, delivery_id)).post_id)
    delivery = await get(workspace, delivery_id)
    moved = await deliveries.move_if_free(delivery, EDITABLE, State.CANCELED, dropped=True)
    if moved is None:
        moved = await move(
            delivery.id, State.UNCONFIRMED, State.CANCELED, where=_ASKED, dropped=True, undecidable=False, lease_until=EPOCH
        )
        if moved is not None and post is not None and post.canceled:
            await outbox.catch_up(moved)
    return _or_too_late(moved, TooLate().message)


async def _again(delivery: Delivery) -> Delivery | None:
    """It is the same post: its key stays, and once it may have been sent, so does the instant it was written at."""
    at = now()
    written: dict[str, Any] = {} if delivery.first_sent_at > EPOCH else {"content_at": at}
    soonest = _soonest(delivery)
    return await deliveries.move_if_free(
        delivery,
        _SENDABLE,
        State.SCHEDULED,
        planned_at=soonest["due_at"],
        strikes=0,
        limited=0,
        checks=0,
        begun_at=EPOCH,
        processing_at=EPOCH,
        fenced_at=EPOCH,
        undecidable=False,
        dropped=False,
        **soonest,
        **written,
    )


def _soonest(delivery: Delivery) -> dict[str, Any]:
    """Now, or when the network can no longer be storing what it was sent: a second request beside a late one is a second post."""
    if delivery.not_before <= now():
        return {"due_at": now(), "trouble": None}
    error = Unavailable(delivery.platform, "settling", "What was sent before may still appear; it goes out when that is past.")
    return {"due_at": delivery.not_before, "trouble": backoff.trouble(error, now())}


async def confirm(workspace: Workspace, delivery_id: Id, *, url: str) -> Delivery:
    """A person, asked, found the post on the network. ``url`` must be the address of a post of that account there.

    Raises ``Invalid``; ``TooLate`` if the question is answered already.
    """
    delivery = await get(workspace, delivery_id)
    account = await reading.get(Account, delivery.account_id)
    if account is None:
        raise NotFound
    address = profiles.server_url(account, url)
    remote_id = REGISTRY[delivery.platform].remote_id(address, access.profile(account))
    if remote_id is None:
        raise Invalid(
            {"url": f"Paste the full address of the post, as {REGISTRY[delivery.platform].label} shows it for this account."}
        )
    receipt = Receipt(remote_id=remote_id, url=address.strip())
    try:
        moved = await receipts.save(delivery, receipt, source=State.UNCONFIRMED, where=_ASKED | {"move_id": delivery.move_id})
    except receipts.ReceiptTaken:
        raise Invalid({"url": "This is the address of another post of yours."}) from None
    return _or_too_late(moved, "Meanwhile its fate was found out.")


async def deny(workspace: Workspace, delivery_id: Id) -> Delivery:
    """A person, asked, says that the post is not on the network: send it again, with the same key.

    If its time has passed as the workspace sees it, the person is asked about that too. Raises ``TooLate``, also for what the
    network says is there.
    """
    delivery = await get(workspace, delivery_id)
    if delivery.unnamed:
        raise TooLate(_OUT)
    moved = await move(
        delivery.id,
        State.UNCONFIRMED,
        State.MISSED if await lateness.verdict(delivery, delivery.fenced_at) else State.SCHEDULED,
        where=_ASKED,
        fenced_at=EPOCH,
        begun_at=EPOCH,
        checks=0,
        undecidable=False,
        **_soonest(delivery),
    )
    if moved is not None:
        await outbox.catch_up(moved)
    return _or_too_late(moved, "Meanwhile its fate was found out.")


_ASKED = {"undecidable": True}
"""Only an open question can be answered: while we look ourselves, a second press of the button must not send anything."""


def _or_too_late(moved: Delivery | None, message: str) -> Delivery:
    if moved is None:
        raise TooLate(message)
    return moved
