"""A network without keys whose lists do not tell everything, and a fault behind the fence that makes Carillon look into them."""

import signal

from tests.chaos.flight import Flight
from tests.chaos.scenes import LOOKUPS
from tests.chaos.strikes import KINDS, fell, in_request


async def asked_in_vain(flight: Flight) -> None:
    """The post is for followers only where lists hide those."""
    fault, _, lookup = flight.run.scenario.fault.partition(", ")
    for quirk, seconds in LOOKUPS[lookup].items():
        await flight.quirk(quirk, seconds)
    options = {"visibility": "private"} if "hide" in lookup else {}
    if fault == "SIGKILL":
        await _killed(flight, **options)
        return
    kind, on = KINDS[fault, flight.run.scenario.step]
    ordered = await flight.switch_on(kind, on=on)
    await flight.post(**options)
    await flight.until_hit(ordered)
    flight.struck = True


async def _killed(flight: Flight, **options: str) -> None:
    step = flight.run.scenario.step
    pid = await (in_request(flight, step, **options) if step == "accepted" else flight.post_and_hold(step, **options))
    await fell(flight, pid, signal.SIGKILL)
