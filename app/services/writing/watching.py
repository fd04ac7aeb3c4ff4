"""Whether an open page still shows the truth: most looks at it change nothing, and are answered by one query.

A page carries a mark of what it shows. While no person is asked, all of that follows from the deliveries alone and the time, so
the mark can be made anew from them. Otherwise accounts have a part in it, and it needs the whole view.
"""

import hashlib
from collections.abc import Iterable
from datetime import datetime

from app.ids import Id
from app.models import Delivery, State, now, reading
from app.queries import equal
from app.services.writing import words
from app.services.writing.views import PostView

_QUIET = frozenset({State.SCHEDULED, State.QUEUED, State.PUBLISHING, State.PROCESSING, State.PUBLISHED})
"""No person is asked: what they could do would depend on the account."""


def mark(view: PostView, at: datetime) -> str:
    """Changes whenever the status block of the page would, as of the instant ``at``. Pure."""
    deliveries = [row.delivery for row in view.deliveries]
    if all(one.state in _QUIET for one in deliveries):
        return _of_deliveries(deliveries, at)
    rows = [
        (row.label, row.detail, row.url, sorted(row.actions), [(one.id, one.step, one.outcome) for one in row.attempts])
        for row in view.deliveries
    ]
    return _digest("whole", view.status, view.post.revision, view.planned_at, view.can_edit, rows, _facts(deliveries, at))


async def unchanged(workspace_id: Id, post_id: Id, *, seen: str) -> bool:
    """Whether the page that carries the mark ``seen`` still shows the truth, as far as one query tells; ``False`` is a maybe.

    Takes the workspace's id, because the workspace itself would be another query. Another workspace's post is never unchanged.
    """
    found = await reading.find(Delivery, equal(workspace_id=workspace_id, post_id=post_id))
    return bool(found) and _of_deliveries(found, now()) == seen


def _of_deliveries(deliveries: Iterable[Delivery], at: datetime) -> str:
    return _digest("deliveries", _facts(deliveries, at))


def _facts(deliveries: Iterable[Delivery], at: datetime) -> list[object]:
    """Every change gives ``updated_at`` anew, a save ``revision``; the words change with time too, and in any zone as in UTC."""
    ordered = sorted(deliveries, key=lambda one: one.id)
    return [(one.id, one.state, one.updated_at, one.revision, words.said(one, zone="UTC", at=at)) for one in ordered]


def _digest(*facts: object) -> str:
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:16]
