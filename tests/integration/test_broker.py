"""What a message holds on its way through RabbitMQ: ids, and nothing of what was written or went wrong."""

import json
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import dramatiq
import pika
import pytest
from dramatiq import Broker, Worker

from actors.broker import make_broker
from actors.engine import Engine
from app.courier import lane
from platforms import REGISTRY

QUEUE = lane(next(iter(REGISTRY)))
SHORT, LONG = 1, 600_000
SECRET = "the words of a post that nobody else may read"


@pytest.fixture
def broker(amqp_url: str) -> Iterator[Broker]:
    """Carillon's broker, without what needs a database."""
    made = make_broker(amqp_url)
    made.middleware = [one for one in made.middleware if not isinstance(one, Engine)]
    yield made
    made.close()


def lying_in(amqp_url: str, queue: str) -> dict[str, Any]:
    """The first message of a queue, as RabbitMQ has it."""
    with closing(pika.BlockingConnection(pika.URLParameters(amqp_url))) as connection:
        channel = connection.channel()
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            _, _, body = channel.basic_get(queue, auto_ack=False)
            if body:
                found: dict[str, Any] = json.loads(body)
                return found
            time.sleep(0.05)
    raise AssertionError(f"nothing arrived in {queue}")


def failed(broker: Broker, backoff: int) -> None:
    """Let an actor fail with the secret in its traceback; it is tried once more after ``backoff`` milliseconds."""
    calls = []

    def fail(delivery_id: str) -> None:
        calls.append(delivery_id)
        raise ValueError(SECRET)

    options = {"max_retries": 1, "min_backoff": backoff, "max_backoff": backoff}
    dramatiq.actor(fail, broker=broker, queue_name=QUEUE, **options).send("0" * 28)
    worker = Worker(broker, worker_threads=1)
    worker.start()
    deadline = time.monotonic() + 30
    while len(calls) < (2 if backoff == SHORT else 1) and time.monotonic() < deadline:
        time.sleep(0.02)
    worker.stop()  # what it holds goes back to RabbitMQ


@pytest.mark.parametrize(("queue", "backoff"), [(f"{QUEUE}.DQ", LONG), (f"{QUEUE}.XQ", SHORT)])
def test_a_message_that_failed_holds_ids_and_no_traceback(broker: Broker, amqp_url: str, queue: str, backoff: int) -> None:
    failed(broker, backoff)
    message = lying_in(amqp_url, queue)
    assert message["args"] == ["0" * 28]
    assert message["options"]["retries"] == 1
    assert "traceback" not in message["options"]
    assert SECRET not in json.dumps(message)
