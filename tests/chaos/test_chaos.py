"""The short form of ``make chaos``, and the proof that it can fail."""

from pathlib import Path

import pytest

from tests.chaos import plan, scenes
from tests.chaos.installation import missing
from tests.chaos.judge import Verdict
from tests.chaos.networks import BLUESKY, FOUNDRY, KEYLESS, MASTODON
from tests.chaos.report import never_struck, story
from tests.chaos.scenes import Scenario
from tests.chaos.waves import play
from tests.conftest import leave_out

SLOW = {"rabbitmq killed", "database killed", "clock back"}
"""Scenes that only the long form plays: each of them keeps a wave waiting for long."""
FEW = {scenes.PEOPLE, scenes.LEFT, scenes.BLIND, scenes.ROTATION, scenes.PAIRS}
"""Scenes with few rows, which get a share of their own."""
AT_ONCE = {f"SIGKILL, {scenes.BATCH}", f"cut with half of it written, {scenes.BATCH}"}
IN_ORDER = [Scenario(scenes.LINE, f"SIGKILL, {scenes.LINE}", "claimed", MASTODON)]
"""Of posts that are due at the same instant, what is worst for them."""


CAST = {scenes.CONTAINERS, scenes.QUOTA}
"""Scenes of the one network that casts a post first."""
ENDS = [
    Scenario(scenes.CONTAINERS, f"{fault}, {way}", step, FOUNDRY)
    for fault, way, step in (
        ("SIGKILL", "cast slowly", "waiting"),
        ("SIGTERM", "cast slowly", "casting"),
        ("SIGKILL", "out late", "answered"),
        ("message twice", "out late", "told"),
        ("cut after write", "no id", "processing saved"),
        ("connection reset", "cast at once", "ready"),
        ("SIGKILL", "no id anywhere", "told"),
        ("sent again", "no id anywhere", "unnamed"),
        ("address pasted", "no id anywhere", "unnamed"),
        ("error 500", "refused while cast", "casting"),
        ("SIGTERM", "refused at last", "told"),
        ("cut before write", "refused at last", "refusal saved"),
    )
]
"""One wave of them, with every end that there is."""

FILMS = [
    Scenario(scenes.FILM, f"{fault}, {scenes.FILM}", step, network)
    for fault, step, network in (
        ("SIGKILL", "uploading", MASTODON),
        ("SIGKILL", "saved", MASTODON),
        ("SIGKILL", "making", BLUESKY),
        ("SIGTERM", "asked", BLUESKY),
        ("frozen worker", "making ahead", MASTODON),
        ("frozen worker", "waiting", BLUESKY),
    )
]
"""One wave of them: made, uploaded, and worked on by the network."""


@pytest.fixture(autouse=True)
def _needs(request: pytest.FixtureRequest) -> None:
    if reason := missing():
        leave_out(request.config, reason)


async def test_every_post_is_published_once_and_only_once(tmp_path: Path) -> None:
    apart = SLOW | FEW | CAST | {*scenes.FAULT_BY_FAULT, scenes.FILM}
    many = scenes.scenarios(scene for scene in scenes.SCENES if scene not in apart)
    few = scenes.scenarios(sorted(FEW), seed=3)
    batches = [row for row in scenes.scenarios([scenes.BATCH]) if row.fault in AT_ONCE]
    together = [*plan.make(3, 20, batches, after=78), *plan.make(3, 1, IN_ORDER, after=98)]
    cast = [*plan.make(3, len(ENDS), ENDS, after=101), *plan.make(3, 2, scenes.scenarios([scenes.QUOTA]), after=113)]
    films = plan.make(3, len(FILMS), FILMS, after=115)
    results = await play([*plan.make(3, 48, many), *plan.make(3, 30, few, after=48), *together, *cast, *films], tmp_path)
    assert [story(result) for result in results if result.failed] == []
    assert never_struck(results) == []


async def test_a_worker_without_the_fence_is_found_out(tmp_path: Path) -> None:
    killed = [Scenario("killed", "SIGKILL", "answered", network) for network in (KEYLESS, FOUNDRY)]
    results = await play(plan.make(1, 6, killed), tmp_path, worker_module="tests.chaos.unfenced")
    found = {(result.run.scenario, result.verdict) for result in results if result.struck}
    assert found == {(row, Verdict.DUPLICATE) for row in killed}
