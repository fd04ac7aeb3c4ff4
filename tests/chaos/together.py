"""Posts that are due in the same second: one message carries them, one process has them in hand, bulks write for all of them."""

import signal
from dataclasses import replace

from tests.chaos import strikes
from tests.chaos.flight import Flight
from tests.chaos.person import new_id
from tests.chaos.scenes import LENGTH, THIRD, plain


async def in_batch(flight: Flight) -> None:
    """Every post of the wave is struck at a step of its own. Workers fall when all are where they are to be met."""
    match plain(flight.run.scenario.fault):
        case "SIGKILL" | "SIGTERM":
            pid = await strikes.reach(flight, flight.run.scenario.step)
            await _fell_with_all(flight, pid)
        case "message twice":
            await strikes.messages(flight)
        case "RabbitMQ wiped":
            await strikes.house(flight)
        case _:
            await strikes.database_wire(flight)


async def in_line(flight: Flight) -> None:
    """The posts of one account; of the third somebody takes care, or nobody."""
    step, fault = flight.run.scenario.step, plain(flight.run.scenario.fault)
    flight.line = [flight.post_id if place == THIRD else new_id() for place in range(LENGTH)]
    if fault != "nothing":
        flight.house.points.arm("saved", flight.profile.id)
    for post_id in flight.line:
        await replace(flight, post_id=post_id).post()
    if fault != "nothing":
        pid = await _third(flight, step)
        if fault != "overtaken worker":
            await _fell_with_all(flight, pid)
    await flight.until_at_rest()
    flight.struck = flight.struck or fault in ("nothing", "overtaken worker")
    flight.let_go()


async def _third(flight: Flight, step: str) -> int:
    """The process that is held with the third at ``step``: the one before is held until it is known who comes next."""
    points, account_id = flight.house.points, flight.profile.id
    for _ in range(THIRD - 1):
        await points.held("saved", account_id)
        points.hold_next("saved", account_id)
    await points.held("saved", account_id)
    points.arm(step, account_id)
    points.let_go(account_id, "saved")
    return await points.held(step, account_id)


async def _fell_with_all(flight: Flight, pid: int) -> None:
    await flight.stroke.ready()
    await strikes.fell(flight, pid, signal.Signals[plain(flight.run.scenario.fault)])
