"""Every row that can be played: which faults there are, at which steps, on which networks."""

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, product

from tests.chaos.networks import BLUESKY, FOUNDRY, KEYLESS, MASTODON, NETWORKS
from tests.chaos.ways import WAYS
from tests.chaos.writes import ASKING, CAST, DIRECT, TOGETHER


@dataclass(frozen=True, slots=True, order=True)
class Scenario:
    """A row of the table. Scenarios of one ``scene`` can share a wave."""

    scene: str
    fault: str
    step: str
    network: str


HELD = ("claimed", "fenced", "answered", "saved")
TOLD = ("told there", "told absent")
"""An error left it open whether the post is out; the network has said it, and nothing is saved yet."""
_ALONG = ("claimed", "uploading", "uploaded", "fenced", "sent", "accepted", "answered", "saved", *TOLD)
"""``sent``: the request is out and not accepted; ``accepted``: the network has the post and has not answered."""
_OUTAGE = ("posting", "delayed", *HELD)
"""``posting``: the form is sent during the outage; ``delayed``: RabbitMQ holds the message of a scheduled post."""

_FAULTS: dict[str, dict[str, Sequence[str]]] = {
    "killed": {"SIGKILL": _ALONG},
    "stopped": {"SIGTERM": _ALONG},
    "network": {
        "reply lost": ("accepted",),
        "request lost": ("upload", "sent"),
        "error 500": ("upload", "sent", "accepted"),
        "connection reset": ("upload", "sent", "accepted"),
        "error 429": ("upload", "sent"),
        "token expired": ("upload", "sent"),
    },
    "database wire": {
        "cut before write": (*DIRECT, *ASKING),
        "cut after write": (*DIRECT, *ASKING),
    },
    "messages": {"message twice": ("queued", *HELD), "two dispatchers": ("scheduled",)},
    "lease": {"overtaken worker": ("claimed", "uploaded", "fenced", "answered", "saved", *TOLD)},
    "rabbitmq killed": {"RabbitMQ restarted": _OUTAGE},
    "rabbitmq wiped": {"RabbitMQ wiped": _OUTAGE},
    "database killed": {"MongoDB away for 20 s": _OUTAGE},
    "clock forward": {"clock 5 min ahead": ("delayed", *HELD)},
    "clock back": {"clock 90 s back": ("delayed", *HELD)},
    "clocks apart": {"one worker 100 s ahead": HELD},
}

_WITHOUT_A_WORKER = ("waiting", "processing")
"""Steps of a network that casts a post first: it was put back until that is done; it was accepted, and is asked about."""
_AWAY = ("rabbitmq killed", "rabbitmq wiped", "database killed", "clock forward", "clock back")

PEOPLE, LEFT, BLIND, ROTATION, PAIRS = "two people", "account disconnected", "blind lookup", "rotation", "two faults"
BATCH, LINE = "in one batch", "one account"
CONTAINERS, QUOTA = "containers", "quota used up"
FILM = "a film"

_AT_ONCE = {"publish + save draft": ("new", "scheduled"), "edit + edit": ("draft", "scheduled")}
"""What two people do at one post at once, and what the post is until then."""

_LEAVING = {"disconnect": ("queued", "claimed", "uploaded", "fenced", "sent", "accepted", "answered")}

LOOKUPS = {
    "lists late by 30 s": {"lags": 30},
    "lists late by 5 min": {"lags": 300},
    "list hides private": {"hides_private": 0},
    "lists hide private": {"hides_private": 0, "hides_private_at_home": 0},
}
"""What is the matter with the lists that Carillon looks into, and the quirks of the sandbox that make it so."""
HOPELESS = ("lists late by 5 min", "lists hide private")
"""Nobody could find the post there in time."""
_BLIND = {"reply lost": ("accepted",), "request lost": ("sent",), "SIGKILL": ("fenced", "accepted")}

GRACELESS = ", once only"
"""A network whose refresh tokens are used up at once; Bluesky's old one works for two hours more."""
_ROTATION = dict.fromkeys(("SIGTERM", "SIGKILL", f"SIGTERM{GRACELESS}"), ("before the refresh", "refreshed", "before the save"))

_IN_HAND = ("claimed", "fenced", "accepted", "answered", "saved")
_IN_BATCH = {
    "SIGKILL": _IN_HAND,
    "SIGTERM": _IN_HAND,
    "cut before write": TOGETHER,
    "cut after write": TOGETHER,
    "cut with half of it written": TOGETHER,
    "message twice": ("delayed", "claimed", "fenced"),
    "RabbitMQ wiped": ("delayed",),
}
_IN_LINE = {
    "nothing": ("due",),
    "SIGKILL": ("claimed", "fenced", "answered"),
    "SIGTERM": ("claimed", "fenced"),
    "overtaken worker": ("claimed",),
}
"""What happens to the third of an account's posts, all of which are due in the same second."""
LENGTH, THIRD = 20, 2

_USED_UP = {"nothing": ("sent",), "SIGKILL": ("fenced",), "cut before write": CAST, "cut after write": CAST}
"""What happens to a post beyond its network's quota for the day."""

_OF_A_FILM = dict.fromkeys(
    ("SIGKILL", "SIGTERM", "frozen worker"),
    ("making ahead", "making", "uploading", "answered", "saved", "waiting", "asked"),
)
"""Of a film that its network takes as it is, or that is made to fit first. A frozen worker stands still as a whole, whatever it
has in hand."""

SCENES = (*_FAULTS, PEOPLE, LEFT, BLIND, ROTATION, BATCH, LINE, CONTAINERS, QUOTA, FILM, PAIRS)
FAULT_BY_FAULT = (BATCH, LINE)
"""Scenes of which only rows with the same fault can share a wave."""


def plain(fault: str) -> str:
    """The fault without the circumstances that tell its rows from another scene's."""
    return fault.partition(", ")[0]


def circumstances(fault: str) -> str:
    """What the fault is played under; the other half of it."""
    return fault.partition(", ")[2]


def scenarios(scenes: Iterable[str] = SCENES, *, seed: int = 0) -> list[Scenario]:
    """Every row of the table; the ``seed`` draws which faults come in pairs."""
    drawn = random.Random(seed)
    return [Scenario(scene, *row) for scene in scenes for row in _rows(scene, drawn)]


def _rows(scene: str, drawn: random.Random) -> Iterable[tuple[str, str, str]]:
    if scene == PAIRS:
        return drawn.sample([(pair, step, network) for (pair, step), network in product(_pairs(), NETWORKS)], DRAWN)
    rows = _product(_TABLES[scene], _ONLY.get(scene, NETWORKS))
    return chain(rows, _product(dict.fromkeys(_TABLES[scene], _WITHOUT_A_WORKER), [FOUNDRY])) if scene in _AWAY else rows


_ONLY = {BLIND: [KEYLESS], ROTATION: [BLUESKY], CONTAINERS: [FOUNDRY], QUOTA: [FOUNDRY], FILM: [BLUESKY, MASTODON]}
"""Where a scene can be played at all, if not everywhere."""


_TABLES: dict[str, dict[str, Sequence[str]]] = {
    **_FAULTS,
    PEOPLE: _AT_ONCE,
    LEFT: _LEAVING,
    BLIND: {f"{fault}, {lookup}": steps for lookup in LOOKUPS for fault, steps in _BLIND.items()},
    ROTATION: _ROTATION,
    BATCH: {f"{fault}, {BATCH}": steps for fault, steps in _IN_BATCH.items()},
    LINE: {f"{fault}, {LINE}": steps for fault, steps in _IN_LINE.items()},
    CONTAINERS: {f"{fault}, {name}": steps for name, way in WAYS.items() for fault, steps in way.faults.items()},
    QUOTA: {f"{fault}, {QUOTA}": steps for fault, steps in _USED_UP.items()},
    FILM: {f"{fault}, {FILM}": steps for fault, steps in _OF_A_FILM.items()},
}


def _product(faults: dict[str, Sequence[str]], networks: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    for fault, steps in faults.items():
        for step, network in product(steps, networks):
            yield fault, step, network


# --- pairs ------------------------------------------------------------------------------------------------------------

DRAWN = 36
"""Rows with two faults in one run of the harness; another seed draws others."""

_HARMLESS = ("SIGKILL at claimed", "SIGTERM at claimed", "error 429 on the post", "cut before claimed", "cut after claimed")
"""First faults after which it is certain that nothing was sent."""
_AFTER_HARMLESS = (
    "SIGKILL at fenced",
    "SIGKILL at answered",
    "SIGTERM at answered",
    "reply lost on the post",
    "cut before receipt saved",
    "cut after receipt saved",
)
_DOUBTFUL = (
    "reply lost on the post",
    "error after the post",
    "SIGKILL at answered",
    "SIGKILL at fenced",
    "request lost on the post",
)
"""First faults after which nobody knows; with the last two the network has nothing."""
_AFTER_DOUBTFUL = ("SIGKILL at told", "SIGTERM at told", "cut before look claimed", "cut after look claimed")
_AFTER_FOUND = ("cut before finding saved", "cut after finding saved")


def _pairs() -> Iterator[tuple[str, str]]:
    """Two faults, each of which can be met whatever the other has done; the second one is the row's *step*."""
    yield from (pair for pair in product(_HARMLESS, _AFTER_HARMLESS) if pair != ("error 429 on the post", "SIGKILL at fenced"))
    yield from product(_DOUBTFUL, _AFTER_DOUBTFUL)
    yield from product(_DOUBTFUL[:3], _AFTER_FOUND)
