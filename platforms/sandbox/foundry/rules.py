"""The foundry's numbers and its words. Like those it stands for, it answers nearly everything with 400: the ``code`` tells."""

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

NAME = "foundry"
TEXT_LIMIT = 500
"""Characters."""
DAILY = 100
"""Posts an account may publish on one day of :data:`ZONE`."""
ZONE = ZoneInfo("America/Los_Angeles")
CONTAINER_LASTS = 24 * 3600.0
TOKEN_LASTS = 60 * 24 * 3600.0
MIMES = ("image/jpeg", "image/png", "video/mp4")


class ApiError(Exception):
    """An answer of the form ``{"error": {"code": ..., "reason": ..., "message": ..., "transient": ...}}``."""

    def __init__(self, code: int, reason: str, message: str, *, status: int = 400, transient: bool = False) -> None:
        super().__init__(message)
        self.status = status
        self.body = error_body(code, reason, message, transient=transient)


def error_body(code: int, reason: str, message: str, *, transient: bool) -> dict[str, Any]:
    """What every error looks like."""
    return {"error": {"code": code, "reason": reason, "message": message, "transient": transient}}


WORDS = {
    429: error_body(4, "too_many_calls", "Application request limit reached", transient=True),
    500: error_body(1, "unknown", "An unknown error has occurred.", transient=True),
}


def midnights(now: float) -> tuple[float, float]:
    """When the day of ``now`` began at the foundry, and when it ends; all in seconds since the epoch."""
    began = datetime.fromtimestamp(now, ZONE).replace(hour=0, minute=0, second=0, microsecond=0)
    return began.timestamp(), (began + timedelta(days=1)).timestamp()
