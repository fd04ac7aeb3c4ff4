"""The broker a process works with, and its ordered list of middleware.

With RabbitMQ every lane ``x`` is three durable queues: ``x``, ``x.DQ`` (delayed messages) and ``x.XQ`` (dead letters, kept for
seven days). Without it a broker in memory serves ``carillon run``: the documents are the outbox, so nothing is lost with it.
"""

from collections import defaultdict, deque
from typing import Any

from dramatiq import Broker, Message, MessageProxy, Middleware
from dramatiq.brokers.rabbitmq import RabbitmqBroker
from dramatiq.brokers.stub import StubBroker
from dramatiq.middleware import Retries, TimeLimit

from actors.engine import Engine, Lanes, Punctual
from actors.loop import Loop
from app.courier import lane
from app.models import UPLOADS
from platforms import REGISTRY


class InProcessBroker(StubBroker):
    """Queues in memory. Dead letters stay in the database; here only the last few are kept, so that memory does not grow."""

    def __init__(self, middleware: list[Middleware]) -> None:
        super().__init__(middleware)
        self.dead_letters_by_queue: defaultdict[str, deque[MessageProxy]]  # type: ignore[assignment]  # append is all it needs
        self.dead_letters_by_queue = defaultdict(lambda: deque(maxlen=100))


class OnlyIds(Middleware):
    """Keeps texts out of RabbitMQ: the retry middleware puts the traceback of a failure, message included, into what it sends.

    Why something failed is in the worker's log and in the delivery's attempts.
    """

    def before_enqueue(self, broker: Broker, message: Message[Any], delay: int | None) -> None:  # noqa: ARG002
        """The last thing that happens before a message is written out."""
        message.options.pop("traceback", None)


def make_broker(amqp_url: str | None) -> Broker:
    """RabbitMQ at ``amqp_url``, or the broker in memory; with a lane for every platform, and one for long uploads."""
    middleware: list[Middleware] = [
        Loop(),  # the event loop: first to start, last to stop
        Engine(),  # database, HTTP client and dispatcher live on that loop
        Punctual(),  # delayed messages leave on time
        Lanes(),  # a stalled platform holds up only its own
        TimeLimit(),  # how long, Engine says: it knows the settings
        Retries(max_retries=0),  # the actors' own retry_when decides
        OnlyIds(),  # nothing of what went wrong travels along
    ]
    broker: Broker = (
        RabbitmqBroker(url=amqp_url, confirm_delivery=True, middleware=middleware) if amqp_url else InProcessBroker(middleware)
    )
    for name in (*REGISTRY, UPLOADS):
        broker.declare_queue(lane(name))
    return broker
