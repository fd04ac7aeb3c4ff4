"""Hands ids of deliveries and files to the broker. The documents are the outbox: a message that is never sent is repaired.

Messages name an actor by text (``publish``, ``fetch``), so the web process needs no actor code and imports none.
"""

import asyncio
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from dramatiq import Broker, Message
from dramatiq.brokers.rabbitmq import RabbitmqBroker
from dramatiq.errors import BrokerConnectionError

from app.ids import Id

log = logging.getLogger(__name__)

PUBLISH = "publish"
RECONCILE = "reconcile"
BURY = "bury"
FIT = "fit"
FETCH = "fetch"

_PATIENCE = 15
"""Seconds to wait for RabbitMQ's confirmation; longer than its own six quick attempts on a refused connection."""


def lane(name: str) -> str:
    """The queue of one platform's deliveries, or of long uploads: what stalls holds up only its own."""
    return f"carillon.{name}"


def connect_broker(amqp_url: str) -> RabbitmqBroker:
    """A broker that only sends. ``confirm_delivery``: RabbitMQ must have stored a message before it counts as sent."""
    return RabbitmqBroker(url=amqp_url, confirm_delivery=True, middleware=[])


class Courier:
    """Sends messages through a Dramatiq broker, off the event loop because pika blocks."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._threads = ThreadPoolExecutor(max_workers=4, thread_name_prefix="courier")

    async def send(self, actor: str, delivery_ids: Sequence[Id], lane_name: str, *, delay: timedelta = timedelta()) -> bool:
        """Enqueue one message; ``False`` (and a warning) when the broker cannot take it now. Never raises for a broker."""
        milliseconds = round(delay.total_seconds() * 1000)
        message: Message[None] = Message(
            queue_name=lane(lane_name), actor_name=actor, args=tuple(map(str, delivery_ids)), kwargs={}, options={}
        )
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(_PATIENCE):
                await loop.run_in_executor(self._threads, self._enqueue, message, milliseconds)
        except (BrokerConnectionError, TimeoutError, OSError) as error:
            log.warning("broker did not take %s of %s: %s", actor, ", ".join(delivery_ids), type(error).__name__)
            return False
        return True

    def _enqueue(self, message: "Message[None]", milliseconds: int) -> None:
        self._broker.declare_queue(message.queue_name)
        self._broker.enqueue(message, delay=milliseconds if milliseconds > 0 else None)

    def close(self) -> None:
        """Stop the sending threads. The broker's connections belong to whoever made it."""
        self._threads.shutdown(wait=False, cancel_futures=True)
