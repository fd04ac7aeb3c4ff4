"""The actors: shells that take ids, call one use case, and tell Dramatiq what was decided."""

import asyncio

import dramatiq
from dramatiq.errors import Retry
from dramatiq.threading import Interrupt

from app.courier import BURY, FIT, PUBLISH, RECONCILE, lane
from app.engine import fitting, publishing, reconciling
from app.engine.backoff import Decision
from app.ids import Id
from app.models import UPLOADS, State, now
from platforms import REGISTRY

_HOME = lane(next(iter(REGISTRY)))
"""An actor must name one queue; every message names its own."""

_TRIES = 5
"""How often a message is tried whose use case broke (database away). The dispatcher repairs what is left over."""


class DeadLetter(Exception):
    """Only a person can move this delivery. The message goes to the dead-letter queue; the evidence is in the database."""


def should_retry(retries: int, exception: BaseException) -> bool:
    """For the retry middleware: our own decisions always, interruptions and breakdowns a few times."""
    if isinstance(exception, Retry):
        return True
    return retries < _TRIES and isinstance(exception, Exception | Interrupt | asyncio.CancelledError)


@dramatiq.actor(
    actor_name=PUBLISH, queue_name=_HOME, throws=DeadLetter, retry_when=should_retry, min_backoff=1_000, max_backoff=30_000
)
async def publish(*delivery_ids: str) -> None:
    """Make one try at each delivery that is due. What has to be done again goes on as a message of its own."""
    ids = [Id(one) for one in delivery_ids]
    if len(ids) > 1:
        await publishing.publish_all(ids)
    elif decided := await publishing.publish(ids):
        follow(decided[0][1])


@dramatiq.actor(actor_name=BURY, queue_name=_HOME, throws=DeadLetter, retry_when=should_retry)
async def bury(delivery_id: str) -> None:
    """A delivery of a batch is beyond help: its own message goes to the dead-letter queue."""
    raise DeadLetter(delivery_id)


@dramatiq.actor(actor_name=RECONCILE, queue_name=_HOME, retry_when=should_retry, min_backoff=1_000, max_backoff=30_000)
async def reconcile(delivery_id: str) -> None:
    """Ask the network what became of a delivery."""
    await reconciling.reconcile(Id(delivery_id))


@dramatiq.actor(actor_name=FIT, queue_name=lane(UPLOADS), retry_when=should_retry, min_backoff=1_000, max_backoff=30_000)
async def fit(post_id: str) -> None:
    """Make a post's files fit its accounts."""
    await fitting.fit(Id(post_id))


def follow(decision: Decision) -> None:
    """Turn a decision into what the retry middleware understands."""
    match decision:
        case Decision(state=State.QUEUED, due_at=due_at):
            raise Retry(delay=max(0, round((due_at - now()).total_seconds() * 1000)))
        case Decision(state=State.FAILED | State.DEAD, trouble=trouble):
            raise DeadLetter(trouble.code if trouble else "")
