"""Workers that publish without the fence (``dramatiq tests.chaos.unfenced``): they show what the harness is there to see."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import actors  # noqa: F401 - chooses the broker and registers the actors
from app.engine import fences
from app.engine.fences import Fenced
from app.engine.groups import Group
from app.models import Delivery


async def _no_fence(some: Sequence[tuple[Delivery, datetime, timedelta]]) -> list[Fenced | None]:
    """Send without having written down that we do."""
    return [Fenced(delivery, will=None) for delivery, *_ in some]


fences._group = Group(_no_fence, most=fences.MOST, gather=lambda: 0)
