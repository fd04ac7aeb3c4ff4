"""What has to be looked after: limits of accounts, because servers change them; tokens that end; planned wall times;
and files that no worker fetches any more."""

import asyncio
import logging
from dataclasses import replace
from datetime import datetime, timedelta

from pymongo import ASCENDING, ReturnDocument

from app import runtime
from app.engine import access
from app.models import EPOCH, Account, AccountState, Grant, GrantState, now, reading
from app.queries import equal
from app.services.media import importing
from app.services.writing import wallclock
from platforms import REGISTRY
from platforms.errors import PlatformError

log = logging.getLogger(__name__)

EVERY = timedelta(days=1)


PAUSE = 60.0
"""Seconds between two looks for accounts that are due."""


async def run() -> None:
    """Renew until canceled. A database that is away is waited for."""
    clocks_at = EPOCH
    while True:
        try:
            if now() - clocks_at > EVERY:  # a new time zone database comes with an upgrade, that is with a start
                await wallclock.keep(now())
                clocks_at = now()
            await importing.resume(now())
            while await look_after_one(now()):
                pass
            while await renew_one(now()):
                pass
        except Exception:
            log.exception("upkeep failed; it is tried again in a minute")
        await asyncio.sleep(PAUSE)


async def look_after_one(at: datetime) -> bool:
    """Renew the limits of one account that has waited longest; ``False`` when none is due. Any number may call it at once."""
    found = await Account.get_pymongo_collection().find_one_and_update(
        {**equal(state=AccountState.CONNECTED), "limits_at": {"$lt": at - EVERY}},
        {"$set": {"limits_at": at}},
        sort=[("limits_at", ASCENDING)],
        return_document=ReturnDocument.AFTER,
    )
    if found is None:
        return False
    account = Account.model_validate(found)
    try:
        await _renew(account)
    except (PlatformError, TimeoutError) as error:
        log.info("account %s: limits not renewed today: %s", account.id, error)
    return True


async def renew_one(at: datetime) -> bool:
    """Renew the tokens that have waited longest for it; ``False`` when none are due. Any number may call it at once.

    Whoever publishes renews what is due before it is used; here it is done for accounts that nobody used since yesterday, whose
    tokens would end otherwise. What cannot be renewed now is tried again tomorrow.
    """
    found = await Grant.get_pymongo_collection().find_one_and_update(
        {**equal(state=GrantState.CONNECTED), "refresh_at": {"$lt": at - EVERY}},
        {"$set": {"refresh_at": at}},
        sort=[("refresh_at", ASCENDING)],
        return_document=ReturnDocument.AFTER,
    )
    if found is None:
        return False
    for account in await reading.find(Account, equal(grant_id=found["_id"], state=AccountState.CONNECTED), limit=1):
        try:
            await access.refresh(account)
        except PlatformError as error:
            log.warning("account %s: tokens not renewed: %s", account.id, error)
    return True


async def _renew(account: Account) -> None:
    session = replace(await access.open_session(account), http=runtime.current().connecting)
    async with asyncio.timeout(runtime.current().settings.step_limit):
        limits = await REGISTRY[account.platform].limits(session)
    await Account.get_pymongo_collection().update_one({"_id": account.id}, {"$set": {"limits": limits}})
