"""Reading a Mastodon server's answer without trusting it: any field may be missing or of another type."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import regex

from platforms.base import Published

MAX_QUOTED = 200
"""Characters of a server's own explanation that are shown to people."""
LONGEST_WAIT = timedelta(days=1)
"""A server that asks for more than this is asked again after it."""

_CONTROL = regex.compile(r"[\p{C}\s]+")


def json_object(response: httpx.Response) -> dict[str, Any]:
    """The answer's JSON object; ``{}`` if it is HTML, a list or nothing at all."""
    found = _json(response)
    return found if isinstance(found, dict) else {}


def json_objects(response: httpx.Response) -> list[dict[str, Any]] | None:
    """The answer's JSON list of objects; ``None`` if it is anything else."""
    found = _json(response)
    return found if isinstance(found, list) and all(isinstance(item, dict) for item in found) else None


def _json(response: httpx.Response) -> object:
    try:
        return response.json()
    except (ValueError, RecursionError):
        return None


def remote_id(found: Mapping[str, Any]) -> str | None:
    """The object's ``id``. Ids are opaque strings; some compatible servers send a number."""
    value = found.get("id")
    return str(value) if value and isinstance(value, str | int) else None


def text_of(found: Mapping[str, Any], name: str) -> str:
    """A text field, ``""`` if it is null, missing or no text."""
    value = found.get(name)
    return value if isinstance(value, str) else ""


def web_address(found: Mapping[str, Any], *names: str) -> str | None:
    """The first of the fields that holds an address a browser may be sent to; never a ``javascript:`` one."""
    values = (text_of(found, name) for name in names)
    return next((value for value in values if value.startswith(("https://", "http://"))), None)


def receipt(status: Mapping[str, Any]) -> Published | None:
    """The receipt for a status entity; ``None`` if it is something else (a scheduled status has an id, but no address)."""
    found, url = remote_id(status), web_address(status, "url", "uri")
    return Published(found, url) if found and url else None


def explanation(response: httpx.Response) -> str:
    """The server's short ``error`` text: one line, no control characters, at most :data:`MAX_QUOTED` long."""
    return _CONTROL.sub(" ", text_of(json_object(response), "error")).strip()[:MAX_QUOTED]


def retry_after(response: httpx.Response) -> timedelta | None:
    """How long to wait: ``Retry-After`` (seconds or a date), on a 429 else ``X-RateLimit-Reset`` (ISO 8601 here).

    Instants are measured against the server's own ``Date``, so that a wrong clock on either side does no harm.
    """
    asked = response.headers.get("Retry-After", "")
    if asked.isdecimal():
        return min(timedelta(seconds=int(asked[:9])), LONGEST_WAIT)
    until = _http_date(asked)
    if until is None and response.status_code == httpx.codes.TOO_MANY_REQUESTS:
        until = instant(response.headers.get("X-RateLimit-Reset"))
    if until is None:
        return None
    return min(max(until - (served_at(response) or datetime.now(UTC)), timedelta()), LONGEST_WAIT)


def served_at(response: httpx.Response) -> datetime | None:
    """The server's clock when it answered, in whole seconds."""
    return _http_date(response.headers.get("Date", ""))


def instant(text: object) -> datetime | None:
    """An ISO 8601 time as an aware one, ``None`` if it is none."""
    try:
        return _aware(datetime.fromisoformat(text)) if isinstance(text, str) else None
    except ValueError:
        return None


def _http_date(text: str) -> datetime | None:
    try:
        return _aware(parsedate_to_datetime(text))
    except (ValueError, TypeError):
        return None


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
