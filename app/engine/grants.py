"""Every change of a grant, and what follows from it for its accounts.

    connected ──── refused ───► reconnect needed        each arrow is one compare-and-set on the grant's version;
        ▲ ▲─ consent, save ───────────┘                 new tokens are a new version
        └─── consent ──── forgotten ◄── release

The grant is the truth about the tokens. The state of its accounts follows in a second write, and ``Account.grant_version`` keeps
that one from coming too late: what was refused of version 3 is no news to an account that version 4 serves. A process that dies
between the two leaves accounts behind their grant; the next refusal, renewal or consent takes them along.
"""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError, PyMongoError

from app.ids import Id
from app.models import EPOCH, Account, AccountState, Grant, GrantState, now
from app.queries import equal

log = logging.getLogger(__name__)

SAVE_PATIENCE = 600.0
"""Seconds to go on trying to save new tokens. The lease lasts for the first minute of them; after that the version decides."""

_AGAIN = 0.5
"""Seconds between two tries to save."""


# --- a person's will --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Sealed:
    """Tokens as a grant keeps them: ``values`` sealed, and when they have to be renewed or end."""

    values: str = field(repr=False)
    expires_at: datetime | None = None
    refresh_at: datetime | None = None


async def consent(key: Mapping[str, Any], sealed: Sealed) -> Grant:
    """A person has consented: the grant gets these tokens, whatever it had. ``key``: workspace_id, platform, server, subject.

    Save the accounts next, then call :func:`hold` and :func:`follow`.
    """
    known = await _give(equal(**key), sealed)
    if known is not None:
        return known
    grant = Grant(**key, sealed=sealed.values, expires_at=sealed.expires_at, refresh_at=sealed.refresh_at)
    try:
        return await grant.insert()
    except DuplicateKeyError:  # somebody consented at the same moment
        return await _give(equal(**key), sealed) or grant


async def hold(grant: Grant) -> None:
    """Give a grant its tokens once more if it was released before the accounts that need it were saved.

    They are saved now, so :func:`release` sees them from here on. If a person has disconnected them again since, the tokens that
    were given once more are nobody's, and go.
    """
    given = Sealed(grant.sealed, grant.expires_at, grant.refresh_at)
    if await _give({"_id": grant.id, **equal(state=GrantState.FORGOTTEN)}, given) is not None:
        await release(grant.id)


async def _give(where: Mapping[str, Any], sealed: Sealed) -> Grant | None:
    found = await Grant.get_pymongo_collection().find_one_and_update(
        dict(where), {"$set": _fresh(sealed), "$inc": {"version": 1}}, return_document=ReturnDocument.AFTER
    )
    return Grant.model_validate(found) if found else None


def _fresh(sealed: Sealed) -> dict[str, Any]:
    """What new tokens change besides the version."""
    return {
        "sealed": sealed.values,
        "state": GrantState.CONNECTED,
        "refreshing_until": EPOCH,
        "expires_at": sealed.expires_at,
        "refresh_at": sealed.refresh_at,
    }


async def follow(grant: Grant) -> None:
    """The grant has new tokens: all its accounts can be published to again, except those that a person disconnected."""
    await Account.get_pymongo_collection().update_many(
        {
            **equal(grant_id=grant.id),
            "state": {"$ne": AccountState.DISCONNECTED},
            "grant_version": {"$lt": grant.version},
        },
        {"$set": {"state": AccountState.CONNECTED, "grant_version": grant.version}},
    )


async def release(grant_id: Id) -> None:
    """Forget the tokens if no connected account needs them any more. Call it when an account was disconnected or has moved.

    A renewal that is under way finds another version and drops its tokens too. An account that is connected meanwhile is either
    seen here, or its connection sees what happened here (:func:`hold`).
    """
    while True:
        grant = await Grant.get(grant_id)
        if grant is None or grant.state == GrantState.FORGOTTEN or await _needed(grant_id):
            return
        forgotten = await Grant.get_pymongo_collection().update_one(
            {"_id": grant_id, "version": grant.version},
            {"$set": {"sealed": "", "state": GrantState.FORGOTTEN, "refreshing_until": EPOCH}, "$inc": {"version": 1}},
        )
        if forgotten.matched_count:
            return


async def _needed(grant_id: Id) -> bool:
    query = {**equal(grant_id=grant_id), "state": {"$ne": AccountState.DISCONNECTED}}
    return await Account.get_pymongo_collection().find_one(query) is not None  # also one that this version cannot read


# --- a network's answers ----------------------------------------------------------------------------------------------


async def lease(grant: Grant, time: timedelta) -> Grant | None:
    """The right to ask for new tokens instead of those of ``grant``; ``None`` while another has it, or if they have changed."""
    found = await Grant.get_pymongo_collection().find_one_and_update(
        {
            "_id": grant.id,
            "version": grant.version,
            "state": GrantState.CONNECTED,
            "refreshing_until": {"$lt": now()},
        },
        {"$set": {"refreshing_until": now() + time, "refreshing_with": Id()}},
        return_document=ReturnDocument.AFTER,
    )
    return Grant.model_validate(found) if found else None


async def give_back(leased: Grant) -> None:
    """Nothing came of it: the next one may ask at once."""
    await Grant.get_pymongo_collection().update_one(
        {"_id": leased.id, "refreshing_with": leased.refreshing_with}, {"$set": {"refreshing_until": EPOCH}}
    )


async def save(leased: Grant, sealed: Sealed) -> None:
    """Save the tokens that the network gave for those of ``leased``, however long the database takes: the old ones are used up.

    Does nothing if a person connected or disconnected meanwhile. Raises ``PyMongoError`` when it is given up.
    """
    deadline = asyncio.get_running_loop().time() + SAVE_PATIENCE
    while True:
        try:
            return await _save(leased, sealed)
        except PyMongoError:
            if asyncio.get_running_loop().time() > deadline:
                log.exception("grant %s: the renewed tokens are lost; its accounts may have to be connected again", leased.id)
                raise
            await asyncio.sleep(_AGAIN)


async def _save(leased: Grant, sealed: Sealed) -> None:
    """Not guarded by the lease: tokens that come late are still better than those that were used up for them.

    Says the version instead of adding to it, and recognises its own tokens: a write whose answer was lost is safely repeated.
    """
    await Grant.get_pymongo_collection().update_one(
        {"_id": leased.id, "version": leased.version}, {"$set": {**_fresh(sealed), "version": leased.version + 1}}
    )
    stored = await Grant.get(leased.id)
    if stored is not None and stored.sealed == sealed.values:
        await follow(stored)


async def refuse(grant: Grant, **where: Any) -> None:
    """The network refused these tokens for good: all accounts of the grant wait for a person. Older tokens' refusal is no news.

    ``where`` says who may judge: the holder of the lease, or anybody while nobody holds it.
    """
    refused = await Grant.get_pymongo_collection().update_one(
        {"_id": grant.id, "version": grant.version, "state": {"$ne": GrantState.FORGOTTEN}, **where},
        {"$set": {"state": GrantState.RECONNECT_NEEDED, "refreshing_until": EPOCH}},
    )
    if refused.matched_count:
        await Account.get_pymongo_collection().update_many(
            {**equal(grant_id=grant.id, state=AccountState.CONNECTED), "grant_version": {"$lte": grant.version}},
            {"$set": {"state": AccountState.RECONNECT_NEEDED}},
        )
