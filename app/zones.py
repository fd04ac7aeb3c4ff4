"""Wall-clock times that people type, and the instants they mean."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

from app.errors import Invalid

ZONES: tuple[str, ...] = tuple(
    sorted(
        name
        for name in available_timezones()
        if name == "UTC"
        or name.split("/")[0]
        in {"Africa", "America", "Antarctica", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific", "Arctic"}
    )
)
"""The IANA keys offered to people: places, and UTC."""


def local(at: datetime, zone: str) -> datetime:
    """``at`` as a clock in ``zone`` shows it."""
    return at.astimezone(ZoneInfo(zone))


def parse(date: str, time: str, zone: str) -> datetime:
    """The UTC instant of ``2026-11-30``, ``14:05`` in ``zone``. Raises ``Invalid`` for the field that is wrong.

    A time that the spring change skips does not exist and is refused; of a time that happens twice, the first is meant.
    """
    if zone not in ZONES:
        raise Invalid({"zone": "Choose a time zone from the list."})
    try:
        wall = datetime.fromisoformat(f"{date}T{time}")
        at = instant(f"{date}T{time}", zone)
    except (ValueError, OverflowError):  # the latter at both ends of the calendar
        raise Invalid({"date": "Choose a date and a time."}) from None
    if wall.tzinfo is not None:
        raise Invalid({"time": "Write the time as hours and minutes."})
    if local(at, zone).replace(tzinfo=None) != wall:
        raise Invalid({"time": f"{time} does not exist on that day in {zone}: the clocks are put forward."})
    return at


def instant(wall: str, zone: str) -> datetime:
    """The UTC instant of the ISO time ``wall`` on a clock in ``zone``, by its rules as known today. Raises ``ValueError``."""
    return datetime.fromisoformat(wall).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def next_full_hour(at: datetime, zone: str) -> datetime:
    """The first full hour, as a clock in ``zone`` shows it, that is at least ten minutes after ``at``; a time that exists there.

    Counted in UTC and looked at in the zone: where the clocks are put forward, an hour that is skipped is never met.
    """
    soon = (at + timedelta(minutes=10)).astimezone(UTC).replace(second=0, microsecond=0)
    quarters = (local(soon + timedelta(minutes=minutes), zone) for minutes in range(1, 121))
    return next(wall for wall in quarters if wall.minute == 0)
