"""Faults a person or a test switches on: which network, which requests, how often, and what happens to them."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum


class Kind(StrEnum):
    """What goes wrong. *Accept* means that the post becomes visible."""

    ERROR_500 = "error_500"
    ERROR_500_AFTER_ACCEPT = "error_500_after_accept"
    RATE_LIMITED = "rate_limited"
    TIMEOUT_BEFORE_ACCEPT = "timeout_before_accept"
    TIMEOUT_AFTER_ACCEPT = "timeout_after_accept"
    EXPIRED_TOKEN = "expired_token"  # noqa: S105 -- a name, no token
    SLOW = "slow"
    STALL = "stall"
    PROCESSING = "processing"


class On(StrEnum):
    """Which requests: the visible mutation, an upload, a read, or every one (signing in too)."""

    PUBLISH = "publish"
    UPLOAD = "upload"
    READ = "read"
    ANY = "any"


EXPLAINED = {
    Kind.ERROR_500: "Answer 500 and accept nothing",
    Kind.ERROR_500_AFTER_ACCEPT: "Accept the post, then answer 500",
    Kind.RATE_LIMITED: "Answer 429 with Retry-After",
    Kind.TIMEOUT_BEFORE_ACCEPT: "Accept nothing and never answer",
    Kind.TIMEOUT_AFTER_ACCEPT: "Accept the post, then never answer",
    Kind.EXPIRED_TOKEN: "Let the access tokens run out",
    Kind.SLOW: "Accept the post, answer late",
    Kind.STALL: "Never answer anything",
    Kind.PROCESSING: "Uploads need time to process",
}
_USUAL_SECONDS = {Kind.RATE_LIMITED: 5.0, Kind.SLOW: 1.0, Kind.PROCESSING: 1.0}
_USUAL_ON = {Kind.STALL: On.ANY, Kind.PROCESSING: On.UPLOAD}


@dataclass(frozen=True, slots=True)
class Fault:
    """``seconds``: Retry-After, delay or processing time. ``times``: requests left; ``None`` = until switched off.

    ``account``: the id of the only account whose requests it strikes; ``None`` = everybody's.
    """

    id: int
    platform: str
    kind: Kind
    on: On
    seconds: float
    times: int | None
    account: str | None = None
    hits: int = 0

    def strikes(self, platform: str, purpose: str, account: str | None) -> bool:
        wanted = self.on is On.ANY or self.on.value == purpose
        theirs = self.account in (None, account)
        return self.platform == platform and wanted and theirs and self.times != 0

    def spent(self) -> "Fault":
        """This fault after one more request."""
        return replace(self, hits=self.hits + 1, times=None if self.times is None else self.times - 1)


class Faults:
    """The faults that are switched on. Kept in memory: a restarted network is a healthy one."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._ids = itertools.count(1)

    def __iter__(self) -> Iterator[Fault]:
        return iter(self._faults)

    def switch_on(
        self,
        platform: str,
        kind: Kind,
        *,
        on: On | None = None,
        seconds: float | None = None,
        times: int | None = None,
        account: str | None = None,
    ) -> Fault:
        on = on or _USUAL_ON.get(kind, On.PUBLISH)
        seconds = _USUAL_SECONDS.get(kind, 0.0) if seconds is None else seconds
        fault = Fault(next(self._ids), platform, kind, on, seconds, times, account)
        self._faults.append(fault)
        return fault

    def clear(self) -> None:
        self._faults.clear()

    def take(self, platform: str, purpose: str, account: str | None = None) -> Fault | None:
        """The oldest fault that strikes this request of ``account``, counted down by one."""
        for index, fault in enumerate(self._faults):
            if fault.strikes(platform, purpose, account):
                self._faults[index] = fault.spent()
                return fault
        return None
