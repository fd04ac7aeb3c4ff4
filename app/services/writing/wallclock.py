"""The wall time that a person chose stays: when a zone's rules change, the instant moves, and nine o'clock is nine o'clock."""

import logging
from datetime import datetime, timedelta

from app.errors import TooLate
from app.models import Post, reading
from app.services.writing import posts
from app.zones import instant

log = logging.getLogger(__name__)

NEAR = timedelta(minutes=5)
"""What is due this soon is left alone: it may be on its way."""

_PAGE = 500


async def keep(at: datetime) -> int:
    """Move every planned post whose instant is not that of its wall time any more; how many. Safe to run anywhere, any time."""
    moved, after = 0, at + NEAR
    while page := await reading.find(Post, {"planned_at": {"$gt": after}}, sort=[("planned_at", 1)], limit=_PAGE):
        moved += sum([await _keep(post) for post in page])
        if len(page) < _PAGE:
            break
        after = page[-1].planned_at or after
    return moved


async def _keep(post: Post) -> bool:
    if post.planned_local is None or (due := instant(post.planned_local, post.zone)) == post.planned_at:
        return False
    try:
        await posts.move_plan(post, due)
    except TooLate:  # somebody is at it, or it is on its way; the next run looks again
        return False
    log.warning("post %s: %s in %s is now %s, no longer %s", post.id, post.planned_local, post.zone, due, post.planned_at)
    return True
