"""What servers and accounts are like, as opposed to what goes wrong once (:mod:`platforms.sandbox.faults`).

A quirk stays until it is switched off, and any number of them hold together: this is what a lookup has to live with on servers
that speak a network's API in their own way.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum


class Quirk(StrEnum):
    """One way of being different."""

    HIDES_PRIVATE = "hides_private"
    """An account's own list leaves out what not everybody may see."""
    HIDES_PRIVATE_AT_HOME = "hides_private_at_home"
    """So does its home timeline."""
    LAGS = "lags"
    """Lists show a post only so many seconds after it was accepted."""
    IGNORES_MAX_ID = "ignores_max_id"
    """Lists begin with the newest post, whatever was asked for."""
    NO_SOURCE = "no_source"
    """Nobody can read the words as they were typed."""
    REWRITES_WORDS = "rewrites_words"
    """Markdown, bare addresses and emoji have become HTML where posts are shown."""
    DATE_OFF = "date_off"
    """The Date header is so many seconds ahead."""
    CLOCK_OFF = "clock_off"
    """The Date header and the dates of new posts are so many seconds ahead."""
    NO_DATE = "no_date"
    """Answers have no Date header."""
    DEACTIVATED = "deactivated"
    """The account can sign in and cannot write, where networks know such a state."""
    ONCE_ONLY = "once_only"
    """A refresh token is used up when it is used, without the time of grace that some networks grant."""
    PROCESSES = "processes"
    """What was sent is worked on for so many seconds before it can be published."""
    REFUSES_PROCESSED = "refuses_processed"
    """It is refused when it has been worked on."""
    PUBLISHES_LATE = "publishes_late"
    """A post is out so many seconds after its publication was accepted, and has no id before."""
    REFUSES_PUBLISHED = "refuses_published"
    """It never comes out: what was accepted is refused then."""
    NO_ID = "no_id"
    """The answer to a publication does not tell the post's id."""
    REPEATS = "repeats"
    """What was published already can be published again, and is a second post."""
    QUOTA = "quota"
    """An account may publish so many posts (not seconds) a day, or videos where only they are counted."""
    UNCONFIRMED = "unconfirmed"
    """Nobody has confirmed the account's e-mail address, where networks want that."""


@dataclass(frozen=True, slots=True)
class Ordered:
    """A quirk that is switched on; ``account``: the id of the only one it is about, ``None`` = everybody there.

    ``seconds`` is how strong it is, in what its description counts.
    """

    platform: str
    quirk: Quirk
    seconds: float
    account: str | None


class Quirks:
    """The quirks that are switched on. Kept in memory, as faults are."""

    def __init__(self) -> None:
        self._ordered: list[Ordered] = []

    def __iter__(self) -> Iterator[Ordered]:
        return iter(self._ordered)

    def switch_on(self, platform: str, quirk: Quirk, *, seconds: float = 0.0, account: str | None = None) -> Ordered:
        """The last word about one account, or about everybody, counts."""
        kept = [one for one in self._ordered if (one.platform, one.quirk, one.account) != (platform, quirk, account)]
        ordered = Ordered(platform, quirk, seconds, account)
        self._ordered = [*kept, ordered]
        return ordered

    def clear(self) -> None:
        self._ordered.clear()

    def seconds(self, platform: str, quirk: Quirk, account: str | None) -> float | None:
        """How strong the quirk is for ``account``; ``None`` if it is not there. An account's own goes before everybody's."""
        found = [
            one for one in self._ordered if (one.platform, one.quirk) == (platform, quirk) and one.account in (None, account)
        ]
        return max(found, key=lambda one: one.account is not None).seconds if found else None

    def has(self, platform: str, quirk: Quirk, account: str | None) -> bool:
        """Whether it is there, however strong."""
        return self.seconds(platform, quirk, account) is not None
