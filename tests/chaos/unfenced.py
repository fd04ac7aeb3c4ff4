"""Workers that publish without the fence (``dramatiq tests.chaos.unfenced``): they show what the harness is there to see.

Nor do they remember what they have prepared: a network that tells what became of a container would warn them else.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import tests.twin.actors  # noqa: F401 - chooses the broker and registers the actors
from app.engine import fences
from app.engine.checkpoints import DeliveryCheckpoint
from app.engine.fences import Fenced
from app.engine.groups import Group
from app.models import Delivery


async def _no_fence(some: Sequence[tuple[Delivery, datetime, timedelta]]) -> list[Fenced | None]:
    """Send without having written down that we do."""
    return [Fenced(delivery, will=None) for delivery, *_ in some]


def _nothing_saved(_: DeliveryCheckpoint) -> Mapping[str, Any]:
    """Begin anew, whatever an earlier attempt has prepared."""
    return {}


fences._group = Group(_no_fence, most=fences.MOST, gather=lambda: 0)
DeliveryCheckpoint.saved = property(_nothing_saved)  # type: ignore[assignment, method-assign]
