"""Which strike a scene is played with."""

from collections.abc import Awaitable, Callable

from tests.chaos import people, strikes, together
from tests.chaos.blind import asked_in_vain
from tests.chaos.containers import beyond_the_quota, cast
from tests.chaos.films import on_its_way
from tests.chaos.flight import Flight
from tests.chaos.leaving import disconnected
from tests.chaos.pairs import both
from tests.chaos.rotation import renewing
from tests.chaos.scenes import BATCH, BLIND, CONTAINERS, FILM, LEFT, LINE, PAIRS, PEOPLE, QUOTA, ROTATION

Strike = Callable[[Flight], Awaitable[None]]

STRIKES: dict[str, Strike] = {
    "killed": strikes.killed,
    "stopped": strikes.stopped,
    "network": strikes.network,
    "database wire": strikes.database_wire,
    "messages": strikes.messages,
    "lease": strikes.lease,
    PEOPLE: people.together,
    LEFT: disconnected,
    BLIND: asked_in_vain,
    ROTATION: renewing,
    BATCH: together.in_batch,
    LINE: together.in_line,
    CONTAINERS: cast,
    QUOTA: beyond_the_quota,
    FILM: on_its_way,
    PAIRS: both,
}
"""By scene; every other scene is the house's."""


def strike(scene: str) -> Strike:
    """How ``scene`` is played."""
    return STRIKES.get(scene, strikes.house)
