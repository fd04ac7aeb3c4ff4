"""A network that casts a post before it publishes it, and may refuse it, come late, or not say which post it became."""

import signal
from collections.abc import Awaitable, Callable
from dataclasses import replace

from app.engine import faultpoints
from tests.chaos import strikes
from tests.chaos.flight import Document, Flight
from tests.chaos.judge import at_rest
from tests.chaos.person import new_id
from tests.chaos.scenes import circumstances, plain
from tests.chaos.ways import CUT, FAILING, KILLED, WAYS
from tests.chaos.wire import When


async def cast(flight: Flight) -> None:
    """Send it on its way, and strike it there."""
    for quirk, seconds in WAYS[circumstances(flight.run.scenario.fault)].quirks.items():
        await flight.quirk(quirk, seconds)
    await _BY_FAULT[plain(flight.run.scenario.fault)](flight)


async def _nothing(flight: Flight) -> None:
    """That it took its way is seen from what the engine noted of it."""
    await flight.post()
    told = await flight.until(at_rest)
    flight.struck = _NOTED[flight.run.scenario.step] in {one["outcome"] for one in told["tries"]}


_NOTED = {"answered": "processing", "casting": "failed"}


async def _felled(flight: Flight) -> None:
    pid = await _reach(flight)
    await strikes.fell(flight, pid, signal.Signals[plain(flight.run.scenario.fault)])


async def _reach(flight: Flight) -> int:
    """Publish; the process that is at the step with it.

    *ready*, *casting*: it asks for the container. *waiting*: it has claimed what was put back. *told*: it has asked what became
    of what was accepted.
    """
    step, points, account_id = flight.run.scenario.step, flight.house.points, flight.profile.id
    match step:
        case "ready" | "casting":
            pid = await flight.post_and_hold(faultpoints.UPLOADED)
            unheard = await flight.switch_on("stall", on="read")
            flight.let_go()
            await flight.until_hit(unheard)
            return pid
        case "waiting":
            await flight.post_and_hold(faultpoints.SAVED)
            points.arm(faultpoints.CLAIMED, account_id)
            points.let_go(account_id, faultpoints.SAVED)
            return await points.held(faultpoints.CLAIMED, account_id)
    return await flight.post_and_hold(step)


_KINDS = {"request lost": "stall", "error 500": "error_500", "error 429": "rate_limited"}


async def _failing(flight: Flight) -> None:
    """The network, or the way there, fails when it is asked for the container, before the fence or behind it."""
    later = flight.run.scenario.step == "asked"
    if later:
        await flight.post()
        await flight.until(lambda delivery: delivery["state"] == "processing")
    met = await _order(flight, plain(flight.run.scenario.fault))
    if not later:
        await flight.post()
    await flight.until_at_rest()
    flight.struck = await met()


async def _order(flight: Flight, fault: str) -> Callable[[], Awaitable[bool]]:
    """Order ``fault`` for the next look; what is returned tells whether it was met."""
    if fault in _KINDS:
        ordered = await flight.switch_on(_KINDS[fault], on="read")
        return lambda: flight.hit(ordered)
    cut = flight.house.network_cuts.order(When.BEFORE, flight.network.look, strikes.signed_by(flight))

    async def made() -> bool:
        return cut.made

    return made


async def _cut(flight: Flight) -> None:
    [when] = [one for one in When if one.value in flight.run.scenario.fault]
    cut = flight.house.database_cuts.order(flight.run.scenario.step, when, flight.post_id)
    await flight.post()
    await flight.until_at_rest()
    flight.struck = cut.made


async def _twice(flight: Flight) -> None:
    await _reach(flight)
    await strikes.repeat(flight)
    flight.let_go()
    await strikes.repeat(flight)
    flight.struck = True


async def _overtaken(flight: Flight) -> None:
    await _reach(flight)
    await strikes.overtake(flight)


async def _sent_again(flight: Flight) -> None:
    """Somebody presses a button that the page does not even show: nothing may come of it."""
    unnamed = await _unnamed(flight)
    for what in ("send-again", "deny"):
        flight.told[what] = await flight.person.press(f"/posts/{flight.post_id}/deliveries/{unnamed['_id']}/{what}", {})
    await strikes.repeat(flight)
    flight.struck = True


async def _pasted(flight: Flight) -> None:
    """Somebody looks for it on the network, and says where it is."""
    unnamed = await _unnamed(flight)
    posts: list[Document] = (await flight.house.judge.get("/posts")).json()
    [address] = [post["url"] for post in posts if post["text"] == flight.text]
    seen = flight.house.addresses[flight.profile.network] + address.partition(f"/{flight.network.server}")[2]
    await flight.person.paste(flight.post_id, unnamed["_id"], seen)
    await flight.until(lambda delivery: delivery["state"] == "published")
    flight.struck = True


async def _unnamed(flight: Flight) -> Document:
    await flight.post()
    return await flight.until(lambda delivery: bool(delivery["undecidable"]))


_BY_FAULT: dict[str, Callable[[Flight], Awaitable[None]]] = {
    "nothing": _nothing,
    **dict.fromkeys(KILLED, _felled),
    **dict.fromkeys(FAILING, _failing),
    **dict.fromkeys(CUT, _cut),
    "message twice": _twice,
    "overtaken worker": _overtaken,
    "sent again": _sent_again,
    "address pasted": _pasted,
}


# --- the quota --------------------------------------------------------------------------------------------------------


async def beyond_the_quota(flight: Flight) -> None:
    """The account's second post on a day that has room for one: it waits for the network's midnight, and then goes out."""
    await flight.quirk("quota", 1)
    first = replace(flight, post_id=new_id())
    await first.post()
    await first.until_at_rest()
    flight.line = [first.post_id, flight.post_id]
    met = await _too_many(flight)
    await flight.until(_put_off)
    await flight.stroke.ready()
    await flight.until_at_rest()
    flight.struck = met()


async def _too_many(flight: Flight) -> Callable[[], bool]:
    """Publish it; what is returned tells whether the fault was met."""
    match plain(flight.run.scenario.fault):
        case "nothing":
            await flight.post()
            return lambda: True
        case "SIGKILL":
            pid = await flight.post_and_hold(flight.run.scenario.step)
            await strikes.fell(flight, pid, signal.SIGKILL)
            return lambda: flight.struck
    [when] = [one for one in When if one.value in flight.run.scenario.fault]
    cut = flight.house.database_cuts.order(flight.run.scenario.step, when, flight.post_id)
    await flight.post()
    return lambda: cut.made


def _put_off(delivery: Document) -> bool:
    """By the network's answer; or by Carillon itself, which remembered that answer when the worker that had it was gone."""
    trouble = delivery["trouble"] or {}
    return delivery["state"] == "scheduled" and trouble.get("code") in ("daily_quota", "paced")
