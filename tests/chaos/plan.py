"""What is played, in an order that follows from the seed alone."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from tests.chaos.scenes import PAIRS, ROTATION, Scenario

WAVE = 24
"""Deliveries that are in the air together."""
SMALL = {PAIRS: 12, "killed": 12}
"""Fewer where they fell workers: who falls all the time gets nothing done."""


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


def make(seed: int, runs: int, known: Sequence[Scenario], *, after: int = 0) -> list[Wave]:
    """``runs`` runs in waves, numbered ``after`` others. Each of the ``known`` scenarios comes once before any twice."""
    chance = random.Random(seed)
    drawn = _drawn(sorted(known), chance)
    chosen = sorted(next(drawn) for _ in range(runs))
    waves = [wave for _, found in groupby(chosen, key=lambda one: one.scene) for wave in _waves(list(found), chance)]
    chance.shuffle(waves)
    numbers = iter(range(after + 1, after + runs + 1))
    return [
        Wave(wave[0].scene, tuple(Run(next(numbers), scenario, _picture(scenario, chance)) for scenario in wave))
        for wave in waves
    ]


def _drawn(known: list[Scenario], chance: random.Random) -> Iterator[Scenario]:
    while True:
        yield from chance.sample(known, len(known))


def _waves(found: list[Scenario], chance: random.Random) -> Iterator[list[Scenario]]:
    chance.shuffle(found)
    size = SMALL.get(found[0].scene, WAVE)
    for start in range(0, len(found), size):
        yield found[start : start + size]


def _picture(scenario: Scenario, chance: random.Random) -> bool:
    return "upload" in scenario.step or scenario.scene == ROTATION or chance.random() < 0.25
