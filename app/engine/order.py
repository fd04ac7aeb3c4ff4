"""In which order an account's deliveries go: as they were planned, for as long as that holds nobody up for long."""

from datetime import timedelta

from app.ids import Id
from app.models import Account, Delivery, State, now, reading
from app.queries import equal

IN_ORDER = timedelta(minutes=5)
"""So long after its planned time a post that is tried again keeps the later ones of its account behind it; then they may pass."""

_LINE = 10
"""So many of those that wait are looked at: the first may be held or unreadable."""


async def next_is_another(delivery: Delivery) -> bool:
    """Whether a delivery of the same account that was due before this one still waits for its turn."""
    first = await next_due(delivery.account_id)
    return first is not None and first.id != delivery.id and not goes_before(delivery, first)


async def elder(delivery: Delivery, account: Account) -> Delivery | None:
    """An earlier post of the account that is being tried again, within its first minutes."""
    if account.retrying_until < now():
        return None
    until = now() + IN_ORDER
    for state in (State.QUEUED, State.SCHEDULED):
        query = {**equal(account_id=account.id, state=state), "due_at": {"$lte": until}}
        for other in await reading.find(Delivery, query, sort="due_at", limit=50):
            if goes_before(other, delivery):
                return other
    return None


def goes_before(elder: Delivery, younger: Delivery) -> bool:
    """Whether ``elder``, which is tried again, was planned first and is still worth waiting for, though it is due later."""
    planned_first = (elder.planned_at, elder.order) < (younger.planned_at, younger.order)
    return elder.attempts > 0 and planned_first and elder.planned_at + IN_ORDER > now()


async def next_due(account_id: Id) -> Delivery | None:
    """The first in line, if it is due. Only the line is asked for, not the time: that the index answers by itself."""
    query = equal(account_id=account_id, state=State.QUEUED)
    line = await reading.find(Delivery, query, sort=[("due_at", 1), ("order", 1)], limit=_LINE)
    return next((one for one in line if one.due_at <= now() and one.held_until < now()), None)
