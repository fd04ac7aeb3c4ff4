"""The worker ends while it renews the account's tokens: the old ones may be used up, and the new ones are known to nobody else.

The token runs out at the upload, before the fence, so that a worker that is asked to stop gives its attempt back at once.
"""

import asyncio
import signal

from tests.chaos.cuts import Cut
from tests.chaos.flight import Flight
from tests.chaos.scenes import GRACELESS
from tests.chaos.strikes import fell, signed_by
from tests.chaos.wire import Hold, When
from tests.chaos.writes import TOKENS

SHOCK = 0.3
"""Seconds between the signal and what it interrupts going on; with everything else less than Carillon waits for an answer."""


async def renewing(flight: Flight) -> None:
    """Hold the renewal at its step, send the signal, and let it go on."""
    scenario = flight.run.scenario
    if scenario.fault.endswith(GRACELESS):
        await flight.quirk("once_only")
    await flight.switch_on("expired_token", on="upload")
    hold = Hold(When.AFTER if scenario.step == "refreshed" else When.BEFORE)
    await _order(flight, hold)
    try:
        pid = await flight.post_and_hold("claimed")
        flight.let_go()
        await hold.begun.wait()
        await fell(flight, pid, signal.SIGKILL if scenario.fault == "SIGKILL" else signal.SIGTERM)
        await asyncio.sleep(SHOCK)
    finally:
        hold.ended.set()


async def _order(flight: Flight, hold: Hold) -> Cut:
    if flight.run.scenario.step != "before the save":
        return flight.house.network_cuts.order(hold, "server.refreshSession", signed_by(flight))
    account = await flight.house.database.accounts.find_one({"_id": flight.profile.id}) or {}
    grants = [str(value) for name, value in account.items() if "grant" in name]
    return flight.house.database_cuts.order(TOKENS, hold, flight.profile.id, *grants)
