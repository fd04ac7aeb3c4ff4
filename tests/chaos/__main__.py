"""``python -m tests.chaos --runs 2000 --seed 7``: prints the table, what went wrong, and last one line of JSON."""

import argparse
import asyncio
import json
import signal
import sys
import tempfile
import time
from pathlib import Path

from tests.chaos import plan, scenes
from tests.chaos.installation import missing
from tests.chaos.judge import Verdict
from tests.chaos.networks import NETWORKS
from tests.chaos.plan import Wave
from tests.chaos.report import LATE, Result, never_struck, story, summary, table
from tests.chaos.waves import play


def main() -> None:
    """Exit status 1 if anything came out that its row does not allow or a row was never struck, 2 if it cannot be played here."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--runs", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--scene", action="append", choices=scenes.SCENES, help="play only this scene; may be repeated")
    parser.add_argument("--network", action="append", choices=NETWORKS, help="play only on this network; may be repeated")
    options = parser.parse_args()
    if reason := missing():
        print(reason, file=sys.stderr)
        sys.exit(2)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # however it ends, its servers end with it
    rows = scenes.scenarios(options.scene or scenes.SCENES, seed=options.seed)
    known = [row for row in rows if row.network in (options.network or NETWORKS)]
    waves = plan.make(options.seed, options.runs, known)
    folder = Path(tempfile.mkdtemp(prefix="carillon-chaos-"))
    print(f"seed {options.seed}, {options.runs} runs in {len(waves)} waves; logs in {folder}", flush=True)
    results = asyncio.run(play(waves, folder, _Progress(len(waves)).tell))
    _print(results, options.seed)
    sys.exit(bool(never_struck(results)) or any(result.failed for result in results))


class _Progress:
    """One line per wave."""

    def __init__(self, waves: int) -> None:
        self._waves = waves
        self._begun = time.monotonic()
        self._told = 0

    def tell(self, wave: Wave, results: list[Result]) -> None:
        self._told += 1
        once = sum(result.verdict is Verdict.ONCE for result in results)
        failed = sum(result.failed for result in results)
        missed = sum(not result.struck for result in results)
        slowest = max(result.seconds for result in results)
        print(
            f"{time.monotonic() - self._begun:7.1f} s  wave {self._told}/{max(self._told, self._waves)}  {wave.scene}: "
            f"{once} of {len(results)} published once, {failed} failed, {missed} not struck, slowest {slowest:.1f} s",
            flush=True,
        )
        for result in results:
            if result.failed:
                print(story(result), flush=True)


def _print(results: list[Result], seed: int) -> None:
    for result in results:
        if LATE in result.evidence:
            print(story(result))
    print(table(results))
    print(json.dumps(summary(results, seed=seed)))


if __name__ == "__main__":
    main()
