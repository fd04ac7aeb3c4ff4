"""What follows from a failure. Pure: the same error and the same past always give the same decision.

remedy      decision                                              state afterwards
RETRY       again after 5 s, 30 s, 2 min, then spread out         queued (soon) or scheduled (later), finally dead
RECONCILE   ask the network what became of it, never repeat       unconfirmed
RECONNECT   the account's person must connect it again            failed
EDIT        the person must change the content                    failed
CONFIGURE   the operator must mend the installation               dead
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from app.models import State, Trouble
from platforms.errors import PlatformError, QuotaExhausted, RateLimited, Remedy

STEPS = tuple(timedelta(seconds=seconds) for seconds in (5, 30, 120, 600, 1800, 7200, 21600))
"""Delay after the first, second, ... failure that counts; after the last one the delivery is dead. Together about ten hours."""

SPREAD = 0.2
"""Delays from two minutes on grow by up to this share, so that what failed together does not come back together."""

WITHOUT_HINT = timedelta(minutes=1)
"""Pause after a rate limit whose answer did not say when to come back."""

SLOWEST = timedelta(minutes=15)
"""A rate limit costs no strike; one that says "now" again and again doubles its pause from a second up to this."""

LONGEST_TRY = timedelta(days=2)
"""So long after the first try a delivery is given up, whatever the network says. Longer than a daily quota."""

LONGEST_HINT = timedelta(days=1)
"""A ``Retry-After`` beyond this is taken for a mistake of the network."""

FIRST_CHECK = timedelta(seconds=2)
"""An ambiguous outcome is looked into this soon; most networks answer truthfully at once."""

CHECKS = tuple(timedelta(seconds=seconds) for seconds in (5, 15, 30, 60, 120, 300, 900, 3600, 10800))
"""Delays between looks at a network that could not be asked; after the last one a person decides."""


@dataclass(frozen=True, slots=True)
class Decision:
    """The delivery's next state and time. ``strike``: this failure used up an attempt; ``trouble``: if something went wrong."""

    state: State
    due_at: datetime
    strike: bool
    trouble: Trouble | None


def decide(
    error: PlatformError,
    *,
    strikes: int,
    limited: int,
    begun_at: datetime,
    now: datetime,
    horizon: timedelta,
    jitter: float,
) -> Decision:
    """The one match over remedies. ``strikes`` and ``limited`` are the failures and the refusals for being too fast before this
    one, ``begun_at`` the instant of the first try; ``jitter`` is in [0, 1).
    """
    evidence = trouble(error, now)
    match error.remedy:
        case Remedy.RETRY:
            wait = delay(error, strikes=strikes, limited=limited, jitter=jitter)
            if wait is None or now + wait - begun_at > LONGEST_TRY:
                return Decision(State.DEAD, now, True, evidence)
            state = State.QUEUED if wait <= horizon else State.SCHEDULED
            return Decision(state, now + wait, not is_limit(error), evidence)
        case Remedy.RECONCILE:
            return Decision(State.UNCONFIRMED, now + FIRST_CHECK, True, evidence)
        case Remedy.RECONNECT | Remedy.EDIT:
            return Decision(State.FAILED, now, True, evidence)
        case Remedy.CONFIGURE:
            return Decision(State.DEAD, now, True, evidence)


def trouble(error: PlatformError, at: datetime) -> Trouble:
    """``error`` as a delivery keeps it."""
    return Trouble(remedy=error.remedy, code=error.code, message=error.message, status=error.status, at=at)


def is_limit(error: PlatformError) -> bool:
    """Whether waiting is the whole cure, so that it uses up no attempt."""
    return isinstance(error, RateLimited | QuotaExhausted)


def delay(error: PlatformError, *, strikes: int, limited: int = 0, jitter: float) -> timedelta | None:
    """How long to wait before trying again; ``None`` when enough was tried. The network's own hint wins."""
    if is_limit(error):
        shortest = min(timedelta(seconds=2 ** min(limited, 20)), SLOWEST)
        return min(
            max(error.retry_after if error.retry_after is not None else WITHOUT_HINT * (1 + SPREAD * jitter), shortest),
            LONGEST_HINT,
        )
    if strikes >= len(STEPS):
        return None
    if error.retry_after is not None:
        return min(max(error.retry_after, timedelta()), LONGEST_HINT)
    step = STEPS[strikes]
    return step if step < timedelta(minutes=2) else step * (1 + SPREAD * jitter)


def next_check(checks: int, *, retry_after: timedelta | None = None) -> timedelta | None:
    """When to look at the network again after ``checks`` looks that told nothing; ``None``: leave it to a person."""
    if checks >= len(CHECKS):
        return None
    return max(CHECKS[checks], min(retry_after or timedelta(), LONGEST_HINT))
