"""What is played: every fault at every step on every network, in an order that follows from the seed alone."""

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, product

from tests.chaos.writes import ASKING, DIRECT

BLUESKY = "bluesky"
MASTODON = "mastodon"
KEYLESS = "mastodon, no keys"
"""A server that ignores idempotency keys: nothing but our own fence keeps a repetition out there."""
NETWORKS = (BLUESKY, MASTODON, KEYLESS)

WAVE = 24
"""Deliveries that are in the air together."""


@dataclass(frozen=True, slots=True, order=True)
class Scenario:
    """A row of the table. Scenarios of one ``scene`` can share a wave."""

    scene: str
    fault: str
    step: str
    network: str


@dataclass(frozen=True, slots=True)
class Run:
    """One delivery with its fate; ``picture``: the post has one."""

    number: int
    scenario: Scenario
    picture: bool


@dataclass(frozen=True, slots=True)
class Wave:
    """Runs that happen at the same time."""

    scene: str
    runs: tuple[Run, ...]


_HELD = ("claimed", "fenced", "answered", "saved")
TOLD = ("told there", "told absent")
"""An error left it open whether the post is out; the network has said it, and nothing is saved yet."""
_ALONG = ("claimed", "uploading", "uploaded", "fenced", "sent", "accepted", "answered", "saved", *TOLD)
"""``sent``: the request is out and not accepted; ``accepted``: the network has the post and has not answered."""
_OUTAGE = ("posting", "delayed", *_HELD)
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
    "messages": {"message twice": ("queued", *_HELD), "two dispatchers": ("scheduled",)},
    "lease": {"overtaken worker": ("claimed", "uploaded", "fenced", "answered", "saved", *TOLD)},
    "rabbitmq killed": {"RabbitMQ restarted": _OUTAGE},
    "rabbitmq wiped": {"RabbitMQ wiped": _OUTAGE},
    "database killed": {"MongoDB away for 20 s": _OUTAGE},
    "clock forward": {"clock 5 min ahead": ("delayed", *_HELD)},
    "clock back": {"clock 90 s back": ("delayed", *_HELD)},
    "clocks apart": {"one worker 100 s ahead": ("claimed", "fenced", "answered", "saved")},
}

SCENES = tuple(_FAULTS)

_NEEDS_KEYS = frozenset(
    {("overtaken worker", "fenced"), ("clock 5 min ahead", "fenced")} | {("one worker 100 s ahead", step) for step in _HELD}
)
"""A worker stands between its fence and its request while another, for which a minute has passed, is told that the post is
absent. When the first one goes on, only the network can tell that the two requests are one."""


def scenarios(scenes: Iterable[str] = SCENES) -> list[Scenario]:
    """Every row of the table."""
    return [
        Scenario(scene, fault, step, network)
        for scene in scenes
        for fault, steps in _FAULTS[scene].items()
        for step, network in product(steps, NETWORKS)
        if network != KEYLESS or (fault, step) not in _NEEDS_KEYS
    ]


def make(seed: int, runs: int, known: Sequence[Scenario]) -> list[Wave]:
    """``runs`` runs in waves. Every one of the ``known`` scenarios comes once before any comes twice."""
    chance = random.Random(seed)
    drawn = _drawn(sorted(known), chance)
    chosen = sorted(next(drawn) for _ in range(runs))
    waves = [wave for _, found in groupby(chosen, key=lambda one: one.scene) for wave in _waves(list(found), chance)]
    chance.shuffle(waves)
    numbers = iter(range(1, runs + 1))
    return [
        Wave(wave[0].scene, tuple(Run(next(numbers), scenario, _picture(scenario, chance)) for scenario in wave))
        for wave in waves
    ]


def _drawn(known: list[Scenario], chance: random.Random) -> Iterator[Scenario]:
    while True:
        yield from chance.sample(known, len(known))


def _waves(found: list[Scenario], chance: random.Random) -> Iterator[list[Scenario]]:
    chance.shuffle(found)
    for start in range(0, len(found), WAVE):
        yield found[start : start + WAVE]


def _picture(scenario: Scenario, chance: random.Random) -> bool:
    return "upload" in scenario.step or chance.random() < 0.25
