"""What breaks around a post, and what becomes of it: real RabbitMQ, real workers, real signals."""

import asyncio
import os
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pika
import pytest

from app.engine.faultpoints import ANSWERED, CLAIMED, FENCED, SAVED
from tests.integration.processes.conftest import Installation
from tests.integration.processes.visitor import Visitor
from tests.servers.process import Server

SEEN = "View on"
"""On a post's page once per network that has it."""


async def held(points: Path, step: str) -> int:
    """Wait until a worker is held at ``step``; its process id."""
    while not (found := [int(file.suffix[1:]) for file in points.glob(f"{step}.*")]):
        await asyncio.sleep(0.02)
    return found[0]


def let_go(points: Path) -> None:
    for file in points.iterdir():
        file.unlink()


def soon() -> tuple[datetime, dict[str, str]]:
    """A moment in a few seconds, and what a person types for it."""
    due = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=6)
    return due, {"date": f"{due:%Y-%m-%d}", "time": f"{due:%H:%M:%S}"}


def texts(posts: list[dict[str, object]]) -> list[object]:
    return sorted(str(post["text"]) for post in posts)


async def test_a_post_reaches_both_networks_once(installation: Installation, owner: Visitor) -> None:
    page = await owner.publish("first light")
    await owner.waits_for(page, SEEN, times=2)
    assert texts(await installation.posts()) == ["first light", "first light"]


async def test_a_scheduled_post_goes_out_at_its_time_and_not_before(installation: Installation, owner: Visitor) -> None:
    due, when = soon()
    page = await owner.publish("on time", action="schedule", **when)
    await owner.waits_for(page, SEEN, times=2)
    accepted = [float(post["accepted_at"]) for post in await installation.posts()]
    assert min(accepted) >= due.timestamp()


@pytest.mark.parametrize("step", [CLAIMED, ANSWERED, SAVED])
async def test_a_worker_killed_at_any_step_leaves_one_post(installation: Installation, owner: Visitor, step: str) -> None:
    """Every step, and the minute until a network that does not have it is believed, is played by tests/chaos.

    Killed between the network's answer and the save, the post is found and published; before the request it is sent again."""
    account = await installation.database.accounts.find_one({})
    assert account is not None
    (installation.points / step).touch()
    page = await owner.publish(f"killed when {step}", only=[account["_id"]])
    os.kill(await held(installation.points, step), signal.SIGKILL)
    installation.start_worker()
    await owner.waits_for(page, SEEN, seconds=150)
    assert texts(await installation.posts()) == [f"killed when {step}"]


async def test_a_worker_that_is_told_to_stop_finishes_what_may_have_been_sent(installation: Installation, owner: Visitor) -> None:
    (installation.points / FENCED).touch()
    page = await owner.publish("goodbye")
    pid = await held(installation.points, FENCED)
    os.kill(pid, signal.SIGTERM)
    let_go(installation.points)
    await owner.waits_for(page, SEEN, times=1)
    installation.start_worker()
    await owner.waits_for(page, SEEN, times=2)
    assert texts(await installation.posts()) == ["goodbye"] * 2


async def test_a_form_succeeds_without_rabbitmq_and_its_post_goes_out_afterwards(
    installation: Installation, owner: Visitor, rabbitmq_server: Server
) -> None:
    rabbitmq_server.stop()
    try:
        page = await owner.publish("no courier")
        assert await installation.posts() == []
    finally:
        rabbitmq_server.start()
    await owner.waits_for(page, SEEN, times=2)
    assert texts(await installation.posts()) == ["no courier"] * 2


async def test_wiping_rabbitmq_loses_nothing(installation: Installation, owner: Visitor, amqp_url: str) -> None:
    page = await owner.publish("wiped", action="schedule", **soon()[1])
    await _queued(installation)
    with pika.BlockingConnection(pika.URLParameters(amqp_url)) as connection:
        channel = connection.channel()
        for lane in await installation.database.deliveries.distinct("platform"):
            for suffix in ("", ".DQ", ".XQ"):
                channel.queue_delete(f"carillon.{lane}{suffix}")
    await owner.waits_for(page, SEEN, times=2)
    assert texts(await installation.posts()) == ["wiped"] * 2


async def _queued(installation: Installation) -> None:
    """Wait until the dispatcher has given both deliveries to RabbitMQ."""
    while await installation.database.deliveries.count_documents({"state": "queued"}) < 2:
        await asyncio.sleep(0.05)


async def test_what_the_network_refuses_is_a_dead_letter_with_its_evidence(
    installation: Installation, owner: Visitor, amqp_url: str
) -> None:
    """Both places know it: RabbitMQ's dead-letter queue, and the delivery with its attempt."""
    patient = await installation.database.accounts.find_one({"limits.max_characters": 500})
    assert patient is not None
    await installation.database.accounts.update_one({"_id": patient["_id"]}, {"$set": {"limits.max_characters": 9999}})
    page = await owner.publish("x" * 501, only=[patient["_id"]])
    shown = await owner.waits_for(page, "Failed")
    assert "character limit" in shown
    with pika.BlockingConnection(pika.URLParameters(amqp_url)) as connection:
        lanes = await installation.database.deliveries.distinct("platform")
        dead = [connection.channel().queue_declare(f"carillon.{lane}.XQ", passive=True) for lane in lanes]
    assert sum(queue.method.message_count for queue in dead) == 1
