"""Documents without a database."""

from datetime import UTC, datetime
from typing import Any

from app.ids import Id
from app.models import Account, Delivery, Part, State

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)


def delivery(state: State, **facts: Any) -> Delivery:
    """A delivery in ``state`` that was planned for noon."""
    given = {"planned_at": NOON, "due_at": NOON, "platform": "bluesky", "parts": [Part(key="key-1", text="Ring")], **facts}
    return Delivery.model_construct(id=Id(), workspace_id=Id(), post_id=Id(), account_id=Id(), state=state, **given)


def account(platform: str = "bluesky", **facts: Any) -> Account:
    """A connected account."""
    given = {"server": "https://server.example", "remote_id": "1", "handle": "alice", "display_name": "Alice", **facts}
    return Account.model_construct(id=Id(), workspace_id=Id(), grant_id=Id(), platform=platform, **given)
