"""What documents of an older Carillon need when a process starts: each step is idempotent, and several processes may be at it.

Processes of the older version that still run cannot read what was changed here. They fail before they send anything, and what
they leave is taken up when they are gone.
"""

import logging
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from beanie import Document
from pydantic import ValidationError
from pymongo.errors import DuplicateKeyError

from app.ids import Id
from app.models import (
    EPOCH,
    FIRST,
    Account,
    AccountState,
    Delivery,
    Grant,
    GrantState,
    MediaFile,
    MediaState,
    Post,
    Workspace,
    in_millis,
    now,
    reading,
)

log = logging.getLogger(__name__)

LONGEST_SETTLING = timedelta(minutes=3)
"""More than any network needed to store what it got, before each delivery said itself how long (``not_before``)."""

_GRANT_STATES = {
    AccountState.CONNECTED: GrantState.CONNECTED,
    AccountState.RECONNECT_NEEDED: GrantState.RECONNECT_NEEDED,
    AccountState.DISCONNECTED: GrantState.FORGOTTEN,
}


VERSION = 2
"""Of the documents' form. Count it up with every new step."""

_MIXED = timedelta(days=1)
"""So long after the first process of a version its starts look at everything again: older processes may still be writing."""


async def run_if_due() -> None:
    """:func:`run`, unless all is known to be in its present form: with millions of documents the looking alone takes minutes."""
    done = Post.get_pymongo_collection().database["schema"]
    known = await done.find_one({"_id": "version"}) or {"version": 0}
    moment = in_millis(now())
    if known["version"] >= VERSION and moment - known["since_ms"] > _MIXED / timedelta(milliseconds=1):
        return
    await run()
    facts = {"version": VERSION, "since_ms": moment}
    try:
        await done.insert_one({"_id": "version", **facts})
    except DuplicateKeyError:
        await done.update_one({"_id": "version", "version": {"$lt": VERSION}}, {"$set": facts})


async def run() -> None:
    """Bring every document to its present form. Raises pymongo's errors."""
    await _grants()
    await _revisions()
    await _add(Post, revision=FIRST)
    await Account.get_pymongo_collection().database.drop_collection("buckets")  # rates were counted there (until 0.1)
    await _add(Account, blocked_until=EPOCH, retrying_until=EPOCH, line_until=EPOCH)
    await _add(Delivery, awaited=False, turn=None)
    await _add(Workspace, keep_files=0, swept_ms=0)
    await _add(MediaFile, state=MediaState.READY, pins=0, pin_ms=0)
    await _derived(MediaFile, "order")
    await _derived(Post, "holds")
    await _due()


async def _revisions() -> None:
    """A delivery's ``revision`` was a number (until 0.1), now ``wording``; post and deliveries begin with the same revision.

    A number that another start has moved meanwhile is none any more, so who comes second changes nothing.
    """
    deliveries = Delivery.get_pymongo_collection()
    for seen in await reading.rows(Delivery, {"wording": {"$exists": False}}):
        known = {"_id": seen["_id"], "revision": seen.get("revision", 1)}
        begun = {"revision": FIRST, "wording": seen.get("revision", 1), "order": seen["_id"], "sweep_at": EPOCH}
        await deliveries.update_one(known, {"$set": begun})


async def _due() -> None:
    """``due_ms`` was not there (until 0.1). The document is read, so a broken one stays as it is, and is named in the log."""
    deliveries = Delivery.get_pymongo_collection()
    for seen in await reading.find(Delivery, {"due_ms": {"$exists": False}}):
        asked_about = seen.fenced_at + LONGEST_SETTLING if seen.fenced_at > EPOCH else EPOCH
        await deliveries.update_one(
            {"_id": seen.id, "move_id": seen.move_id, "due_ms": {"$exists": False}},
            {"$set": {"due_ms": seen.due_ms, "not_before": asked_about}},
        )


async def _derived(model: type[Document], name: str) -> None:
    """A field that follows from the others; whoever saves the document meanwhile writes it too."""
    collection = model.get_pymongo_collection()
    for seen in await reading.find(model, {name: {"$exists": False}}):
        fresh = {"_id": seen.id, name: {"$exists": False}}
        await collection.update_one(fresh, {"$set": {name: getattr(seen, name)}})


async def _add(model: type[Document], **fields: Any) -> None:
    """What is compared must be there: a comparison with a missing field finds nothing."""
    collection = model.get_pymongo_collection()
    for name, value in fields.items():
        for seen in await reading.rows(model, {name: {"$exists": False}}, ["_id"]):
            await collection.update_one({"_id": seen["_id"], name: {"$exists": False}}, {"$set": {name: value}})


async def _grants() -> None:
    """Tokens lay in the accounts (until 0.1): each account gets a grant of its own, with the account's id, so that it is one.

    The account takes it only if its tokens are still those that were copied; else it is done once more.
    """
    accounts = Account.get_pymongo_collection()
    for seen in await reading.rows(Account, {"sealed": {"$exists": True}}):
        account: dict[str, Any] | None = seen
        while account is not None and "sealed" in account:
            try:
                await _move_tokens(account)
            except (KeyError, ValidationError) as error:  # one broken document must not hold up the start
                log.error("account %s has no readable tokens: %s", account["_id"], type(error).__name__)
                break
            account = await accounts.find_one({"_id": account["_id"]})


async def _move_tokens(account: Mapping[str, Any]) -> None:
    grant_id = account.get("grant_id", account["_id"])  # a process of the older version may have connected it again
    await _put_grant(grant_id, account)
    await Account.get_pymongo_collection().update_one(
        {"_id": account["_id"], "session_version": account["session_version"]},
        {
            "$set": {"grant_id": grant_id, "grant_version": account["session_version"]},
            "$unset": {"sealed": "", "session_version": "", "refreshing_until": ""},
        },
    )


async def _put_grant(grant_id: Id, account: Mapping[str, Any]) -> None:
    """Insert it, or bring the one that another start left half done to the account's newest tokens."""
    grant = Grant(
        id=grant_id,
        workspace_id=account["workspace_id"],
        platform=account["platform"],
        server=account["server"],
        subject=account["remote_id"],
        sealed=account["sealed"],
        version=account["session_version"],
        state=_GRANT_STATES[account["state"]],
        created_at=account["created_at"],
    )
    try:
        await grant.insert()
    except DuplicateKeyError:
        await Grant.get_pymongo_collection().update_one(
            {"_id": grant.id, "version": {"$lt": grant.version}},
            {"$set": {"sealed": grant.sealed, "version": grant.version, "state": grant.state}},
        )
