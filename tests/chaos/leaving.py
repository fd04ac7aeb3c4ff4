"""A person disconnects the account while something is on its way to it."""

from tests.chaos.flight import Flight
from tests.chaos.strikes import in_request

SLOWLY = 1.2
"""Real seconds until the answer comes, less than Carillon waits: time to disconnect in."""


async def disconnected(flight: Flight) -> None:
    """At its step the account goes; then everything takes its course."""
    await _reach(flight, flight.run.scenario.step)
    await flight.person.disconnect(flight.profile)
    flight.struck = True
    flight.let_go()


async def _reach(flight: Flight, step: str) -> None:
    match step:
        case "queued":
            await flight.post(delayed=True)
            await flight.until(lambda delivery: delivery["state"] == "queued")
        case "sent":
            await in_request(flight, step)
        case "accepted":
            fault = await flight.switch_on("slow", seconds=SLOWLY)
            await flight.post()
            await flight.until_hit(fault)
        case _:
            await flight.post_and_hold(step)
