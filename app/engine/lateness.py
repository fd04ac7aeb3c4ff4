"""Posts that could not be sent in time, because the installation or the broker was away: what their workspace wants then."""

from datetime import datetime, timedelta

from app.models import Delivery, LatePolicy, State, Workspace, now, reading

ALWAYS_SENT = timedelta(minutes=1)
"""Lateness below which nobody is asked, so that the workspace's policy is not even looked up."""


async def verdict(delivery: Delivery, since: datetime) -> State | None:
    """What becomes of a delivery that should have gone at ``since``: ``missed``, ``canceled``, or ``None``: send it."""
    late = now() - since
    if late < ALWAYS_SENT:
        return None
    workspace = await reading.get(Workspace, delivery.workspace_id)
    if workspace is None or workspace.late_policy == LatePolicy.SEND or late < timedelta(minutes=workspace.late_after):
        return None
    return State.MISSED if workspace.late_policy == LatePolicy.ASK else State.CANCELED
