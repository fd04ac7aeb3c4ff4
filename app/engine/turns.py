"""Turns: one account publishes one thing at a time."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pymongo import ReturnDocument

from app import runtime
from app.engine import pacing
from app.ids import Id
from app.models import EPOCH, Account, now, reading


@dataclass(frozen=True, slots=True)
class Turn:
    """An account's lease: while it holds, nobody else publishes to the account."""

    account: Account
    token: Id


async def take_turn(account_id: Id) -> Turn | None:
    """Lease the account for one delivery; ``None`` while another holds it, or if the account does not exist."""
    token = Id()
    found = await Account.get_pymongo_collection().find_one_and_update(
        {"_id": account_id, "busy_until": {"$lt": now()}},
        {"$set": {"busy_until": now() + runtime.current().settings.lease_time, "busy_with": token}},
        return_document=ReturnDocument.AFTER,
    )
    account = reading.readable(Account, found) if found else None
    return Turn(account, token) if account else None


async def extend_turn(turn: Turn) -> None:
    """Keep the turn for another lease; losing it only loosens the order, so that is not an error."""
    await Account.get_pymongo_collection().update_one(
        {"_id": turn.account.id, "busy_with": turn.token},
        {"$set": {"busy_until": now() + runtime.current().settings.lease_time}},
    )


async def end_turn(turn: Turn, *, sent: bool) -> None:
    """Give the account free; ``sent``: something was handed to the network, which its quotas count."""
    changes: dict[str, Any] = {"busy_until": EPOCH}
    if sent:
        pacing.note(turn.account, turn.token, now(), parts=1)
    await Account.get_pymongo_collection().update_one({"_id": turn.account.id, "busy_with": turn.token}, {"$set": changes})


async def keep_behind(account: Account, until: datetime) -> None:
    """An earlier post of the account is tried again: later ones look whether they have to wait, ``until`` then."""
    await Account.get_pymongo_collection().update_one(
        {"_id": account.id, "retrying_until": {"$lt": until}}, {"$set": {"retrying_until": until}}
    )
