"""How each fault is played. A strike posts, meets the delivery at its step, and says whether it met it."""

import asyncio
import base64
import json
import signal
from collections.abc import Iterable, Sequence
from contextlib import closing

import dramatiq
import pika

from app.courier import PUBLISH, RECONCILE, lane
from app.engine import faultpoints
from tests.chaos.flight import Flight
from tests.chaos.scenes import TOLD
from tests.chaos.wire import When
from tests.chaos.writes import ASKING

NOTICED = 1.0
"""Seconds in which every dispatcher has seen what a new time makes overdue, and has acted on it."""

AWAKE = 1.0
"""Seconds for a request of somebody who was overtaken."""

_IN_REQUEST = {
    "uploading": ("claimed", "stall", "upload"),
    "sent": ("fenced", "timeout_before_accept", "publish"),
    "accepted": ("fenced", "timeout_after_accept", "publish"),
}
"""Steps inside a request: the step before it, at which the worker is learned, and the fault that keeps it waiting."""


async def killed(flight: Flight) -> None:
    """The worker is gone at once."""
    await _felled(flight, signal.SIGKILL)


async def stopped(flight: Flight) -> None:
    """The worker is asked to end."""
    await _felled(flight, signal.SIGTERM)


async def _felled(flight: Flight, by: signal.Signals) -> None:
    pid = await reach(flight, flight.run.scenario.step)
    await fell(flight, pid, by)


async def reach(flight: Flight, step: str) -> int:
    """Publish; the process that is at ``step`` with it."""
    return await (in_request(flight, step) if step in _IN_REQUEST else _held(flight, step))


async def fell(flight: Flight, pid: int, by: signal.Signals) -> None:
    """The worker falls where it is held."""
    flight.struck = await flight.house.crew.fell(pid, by)
    flight.let_go()


async def _held(flight: Flight, step: str) -> int:
    """Publish; the process that is held at ``step``."""
    if step in TOLD:
        await flight.switch_on("error_500_after_accept" if step == "told there" else "error_500")
        step = faultpoints.TOLD
    return await flight.post_and_hold(step)


async def in_request(flight: Flight, step: str, **options: str) -> int:
    """Wait until the network has the request; the process that waits for its answer."""
    before, kind, on = _IN_REQUEST[step]
    fault = await flight.switch_on(kind, on=on)
    pid = await flight.post_and_hold(before, **options)
    flight.let_go()
    await flight.until_hit(fault)
    return pid


KINDS = {
    ("reply lost", "accepted"): ("timeout_after_accept", "publish"),
    ("request lost", "upload"): ("stall", "upload"),
    ("request lost", "sent"): ("timeout_before_accept", "publish"),
    ("error 500", "upload"): ("error_500", "upload"),
    ("error 500", "sent"): ("error_500", "publish"),
    ("error 500", "accepted"): ("error_500_after_accept", "publish"),
    ("error 429", "upload"): ("rate_limited", "upload"),
    ("error 429", "sent"): ("rate_limited", "publish"),
    ("token expired", "upload"): ("expired_token", "upload"),
    ("token expired", "sent"): ("expired_token", "publish"),
}


async def network(flight: Flight) -> None:
    """The network, or the way there, fails once."""
    scenario = flight.run.scenario
    if scenario.fault == "connection reset":
        await _reset(flight)
        return
    kind, on = KINDS[scenario.fault, scenario.step]
    fault = await flight.switch_on(kind, on=on)
    await flight.post()
    if scenario.fault == "token expired" and not flight.network.renews:
        await _reconnect(flight)
    await flight.until_at_rest()
    flight.struck = await flight.hit(fault)


async def _reset(flight: Flight) -> None:
    """The connection breaks in front of the request, or behind it before its answer."""
    step = flight.run.scenario.step
    request = flight.network.upload if step == "upload" else flight.network.publish
    cut = flight.house.network_cuts.order(When.AFTER if step == "accepted" else When.BEFORE, request, signed_by(flight))
    await flight.post()
    await flight.until_at_rest()
    flight.struck = cut.made


def signed_by(flight: Flight) -> str:
    """Words in every request of the account, whatever it names: its token's claims, which are readable."""
    claims = json.dumps({"sub": flight.profile.remote_id}, separators=(",", ":")).removesuffix("}")
    return base64.urlsafe_b64encode(claims[: len(claims) // 3 * 3].encode()).decode()


async def _reconnect(flight: Flight) -> None:
    """Tokens that cannot be renewed: it fails, the person connects the account again and presses *Send again*."""
    failed = await flight.until(lambda delivery: delivery["state"] == "failed")
    await flight.person.sign_in(flight.profile.network, flight.profile.handle)
    await flight.person.send_again(flight.post_id, failed["_id"])
    await flight.until(lambda delivery: delivery["state"] != "failed")


async def database_wire(flight: Flight) -> None:
    """The connection to the database breaks in front of a write, or behind it before its answer, or in the middle of a bulk."""
    scenario = flight.run.scenario
    if scenario.step in ASKING:
        await flight.switch_on("error_500_after_accept")
    [when] = [one for one in When if one.value in scenario.fault]
    cut = flight.house.database_cuts.order(scenario.step, when, flight.post_id)
    await flight.post()
    await flight.until_at_rest()
    flight.struck = cut.made


async def messages(flight: Flight) -> None:
    """RabbitMQ delivers more often than once; or nobody but the dispatchers of all workers brings it to RabbitMQ."""
    step = flight.run.scenario.step
    if step == "scheduled":
        await flight.post(delayed=True)
    elif step in ("queued", "delayed"):
        await flight.post()
        await flight.until(lambda delivery: step == "queued" or delivery["state"] == "queued")
        await repeat(flight)
    else:
        await flight.post_and_hold(step)
        await repeat(flight)
        flight.let_go()
        await repeat(flight)
    flight.struck = True


async def repeat(flight: Flight) -> None:
    """The message holds all that are due together; to ask about one there is one for each."""
    delivery = await flight.until(bool)
    companions = flight.watch.companions(flight.post_id) if flight.due else [delivery]
    batch = [one["_id"] for one in companions]
    some = [(PUBLISH, batch), (PUBLISH, batch), (RECONCILE, [delivery["_id"]])]
    await asyncio.to_thread(_send, flight.house.broker.url, some, flight.network.platform)


def _send(url: str, some: Iterable[tuple[str, Sequence[str]]], platform: str) -> None:
    with closing(pika.BlockingConnection(pika.URLParameters(url))) as connection:
        channel = connection.channel()
        for actor, delivery_ids in some:
            message: dramatiq.Message[None] = dramatiq.Message(
                queue_name=lane(platform), actor_name=actor, args=tuple(delivery_ids), kwargs={}, options={}
            )
            channel.basic_publish("", lane(platform), message.encode())


async def lease(flight: Flight) -> None:
    """A worker stands still until its lease is over and another has finished the work, and then goes on."""
    await _held(flight, flight.run.scenario.step)
    await overtake(flight)


async def overtake(flight: Flight) -> None:
    """Whoever is held for the post wakes up when it is done, and has time to do what they had in mind, on the same network."""
    await flight.until_at_rest()
    flight.struck = True
    flight.let_go()
    await asyncio.sleep(AWAKE)


SLOWLY = {"waiting": ("processes", 200), "processing": ("publishes_late", 200)}
"""What a network does for so many of its seconds while no worker has the post in hand."""


async def house(flight: Flight) -> None:
    """Meets the wave's stroke at its step: RabbitMQ or the database is away, or the clock is set."""
    step = flight.run.scenario.step
    if step == "posting":
        await flight.stroke.ready()
        await flight.post()
    elif step == "delayed":
        await flight.post(delayed=True)
        await flight.until(lambda delivery: delivery["state"] == "queued")
        await flight.stroke.ready()
    elif step in SLOWLY:
        await flight.quirk(*SLOWLY[step])
        await flight.post()
        await flight.until(lambda delivery: (step == "processing") == (delivery["state"] == step) and delivery["saved"] != "{}")
        await flight.stroke.ready()
    else:
        await flight.post_and_hold(step)
        await flight.stroke.ready()
        if "clock" in flight.run.scenario.scene:
            await asyncio.sleep(NOTICED)
        flight.let_go()
        if "clock" in flight.run.scenario.scene:
            await asyncio.sleep(AWAKE)  # the clock is set right when all is over: not before who was held has looked at it
    flight.struck = True
