"""The ways of a post on a network that casts it first: how long that takes, what it answers, and how it ends there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.chaos.writes import CAST, LATER, NO_NAME, REFUSAL

DAYS = 10 * 24 * 3600

KILLED = ("SIGKILL", "SIGTERM")
FAILING = ("request lost", "error 500", "error 429", "connection reset")
CUT = ("cut before write", "cut after write")


@dataclass(frozen=True, slots=True)
class Way:
    """``quirks`` make it so, and ``faults`` are played on it, at these steps.

    ``reason``: it ends with the network's refusal, for this reason. ``named``: whether the post can be found in the end.
    """

    quirks: Mapping[str, float]
    faults: Mapping[str, Sequence[str]]
    reason: str = ""
    named: bool = True


def _rows(*some: tuple[Sequence[str], Sequence[str]]) -> dict[str, Sequence[str]]:
    return {fault: steps for faults, steps in some for fault in faults}


WAYS: Mapping[str, Way] = {
    "cast at once": Way({}, _rows((KILLED, ["ready"]), (FAILING, ["ready"]))),
    "cast slowly": Way(
        {"processes": 100},
        _rows(
            (KILLED, ["casting", "answered", "saved", "waiting"]),
            (FAILING, ["casting"]),
            (CUT, CAST),
            (["message twice"], ["saved", "waiting"]),
            (["overtaken worker"], ["answered", "waiting"]),
        ),
    ),
    "out late": Way(
        {"publishes_late": 100},
        _rows(
            (KILLED, ["answered", "saved", "told"]),
            (FAILING, ["asked"]),
            (CUT, LATER),
            (["message twice"], ["saved", "told"]),
            (["overtaken worker"], ["answered", "told"]),
        ),
    ),
    "no id": Way({"no_id": 0}, _rows((["nothing"], ["answered"]), (KILLED, ["answered", "told"]), (CUT, LATER))),
    "no id and lists late by 30 s": Way({"no_id": 0, "lags": 30}, _rows((["nothing", "SIGKILL"], ["answered"]))),
    "no id anywhere": Way(
        {"no_id": 0, "lags": DAYS},
        _rows(
            (["nothing"], ["answered"]),
            (KILLED, ["answered", "told"]),
            (CUT, [NO_NAME]),
            (["message twice"], ["told"]),
            (["overtaken worker"], ["told"]),
            (["sent again", "address pasted"], ["unnamed"]),
        ),
        named=False,
    ),
    "refused while cast": Way(
        {"processes": 40, "refuses_processed": 0},
        _rows((["nothing"], ["casting"]), (KILLED, ["casting"]), (FAILING, ["casting"]), (CUT, [REFUSAL])),
        reason="against_rules",
    ),
    "refused at last": Way(
        {"publishes_late": 40, "refuses_published": 0},
        _rows(
            (["nothing"], ["answered"]),
            (KILLED, ["answered", "told"]),
            (FAILING, ["asked"]),
            (CUT, [REFUSAL]),
            (["overtaken worker"], ["told"]),
        ),
        reason="withdrawn",
    ),
}
"""By name. Seconds are the network's."""
