"""The evidence: one document per try, begun before anything happens and ended with what came of it."""

from datetime import datetime
from typing import Any

from app import runtime
from app.ids import Id
from app.models import Attempt, AttemptKind, Delivery, now
from platforms.errors import PlatformError


async def begin(delivery: Delivery, kind: AttemptKind, *, number: int, step: str) -> Attempt:
    """Record the try whose id the delivery carries since it was claimed."""
    attempt = Attempt(
        id=delivery.attempt_id or Id(),
        delivery_id=delivery.id,
        workspace_id=delivery.workspace_id,
        kind=kind,
        number=number,
        worker=runtime.current().name,
        step=step,
    )
    return await attempt.insert()


async def end(
    attempt_id: Id | None,
    *,
    outcome: str,
    step: str | None = None,
    error: PlatformError | None = None,
    next_at: datetime | None = None,
) -> None:
    """Write down how the try ended: the last ``step`` reached, the ``error`` if there was one, and when something follows."""
    facts: dict[str, Any] = {"outcome": outcome, "finished_at": now(), "next_at": next_at}
    if step is not None:
        facts["step"] = step
    if error is not None:
        facts |= {"error": type(error).__name__, "code": error.code, "message": error.message}
        facts |= {"status": error.status, "remedy": error.remedy}
    await Attempt.get_pymongo_collection().update_one({"_id": attempt_id}, {"$set": facts})
