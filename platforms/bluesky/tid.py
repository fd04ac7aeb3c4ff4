"""Record keys that are known before anything is sent: a TID derived from the content's time and its idempotency key.

A post's record key must be a TID: 64 bits in 13 sortable base-32 digits, of which 53 are microseconds since 1970 and the last
10 a clock id (AT Protocol specification, TID). Posts that are due together share their second, and a database may keep only
its milliseconds, so the second comes from the clock and everything below it from a hash of the key: 10^9 keys per second
and account. Two of a thousand posts due in the same second then meet with a probability of 1 in 2,000, and if they do, the
create-only write refuses the second one instead of overwriting the first.
"""

import hashlib
from datetime import UTC, datetime

_DIGITS = "234567abcdefghijklmnopqrstuvwxyz"
_LENGTH = 13
_CLOCK_IDS = 1 << 10
_MICROSECONDS = 1_000_000


def record_key(created_at: datetime, key: str) -> str:
    """The TID for ``key``: always the same for the same second and key. ``created_at`` is aware."""
    noise = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8])
    below_second, clock_id = divmod(noise, _CLOCK_IDS)
    second = int(created_at.astimezone(UTC).timestamp())
    microseconds = second * _MICROSECONDS + below_second % _MICROSECONDS
    return _encode(microseconds * _CLOCK_IDS + clock_id)


def _encode(number: int) -> str:
    shifts = range(5 * (_LENGTH - 1), -1, -5)
    return "".join(_DIGITS[number >> shift & 31] for shift in shifts)
