"""Workers that publish without the fence (``dramatiq tests.chaos.unfenced``): they show what the harness is there to see."""

import actors  # noqa: F401 - chooses the broker and registers the actors
from app.engine.checkpoints import DeliveryCheckpoint


async def _no_fence(_: DeliveryCheckpoint) -> None:
    """Send without having written down that we do."""


DeliveryCheckpoint.fence = _no_fence  # type: ignore[assignment]
