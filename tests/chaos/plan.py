"""What is played, in an order that follows from the seed alone."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count, cycle, groupby, islice

from tests.chaos.scenes import BATCH, CONTAINERS, FAULT_BY_FAULT, FILM, LINE, PAIRS, ROTATION, Scenario

WAVE = 24
"""Deliveries that are in the air together."""
SMALL = {PAIRS: 12, CONTAINERS: 12, "killed": 12, FILM: 8, LINE: 3}
"""Fewer where they fell workers: who falls all the time gets nothing done. And where each is a line of posts."""
COMPANY = 3
"""What is to be a batch is no less; rows are repeated for that."""


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
    """``runs`` runs in waves, numbered ``after`` others. Each of the ``known`` scenarios comes once before any twice.

    A few more, where there must be company.
    """
    chance = random.Random(seed)
    drawn = _drawn(sorted(known), chance)
    chosen = sorted(next(drawn) for _ in range(runs))
    waves = [wave for _, found in groupby(chosen, key=_company) for wave in _waves(list(found), chance)]
    chance.shuffle(waves)
    numbers = count(after + 1)
    return [
        Wave(wave[0].scene, tuple(Run(next(numbers), scenario, _picture(scenario, chance)) for scenario in wave))
        for wave in waves
    ]


def _company(scenario: Scenario) -> tuple[str, str]:
    """Who has the same may share a wave. A token that can be used once only does not survive a neighbour's SIGKILL."""
    return scenario.scene, scenario.fault if scenario.scene in (*FAULT_BY_FAULT, ROTATION) else ""


def _drawn(known: list[Scenario], chance: random.Random) -> Iterator[Scenario]:
    while True:
        yield from chance.sample(known, len(known))


def _waves(found: list[Scenario], chance: random.Random) -> Iterator[list[Scenario]]:
    chance.shuffle(found)
    size = SMALL.get(found[0].scene, WAVE)
    for start in range(0, len(found), size):
        wave = found[start : start + size]
        yield list(islice(cycle(wave), COMPANY)) if wave[0].scene == BATCH and len(wave) < COMPANY else wave


def _picture(scenario: Scenario, chance: random.Random) -> bool:
    if scenario.scene == FILM:
        return False
    return "upload" in scenario.step or scenario.scene == ROTATION or (chance.random() < 0.25 and scenario.scene != LINE)
