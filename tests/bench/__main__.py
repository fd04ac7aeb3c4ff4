"""``python -m tests.bench``: measures, prints a table, and last one line of JSON."""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from tests.bench import engine, http_cost, lateness, machine, memory, pages, send, sweep, throughput
from tests.bench.figures import Figure, line, table
from tests.bench.people import BLUESKY, MASTODON, Profiles, sign_in
from tests.bench.site import Base, base
from tests.servers import rabbitmq

Measurement = Callable[[Base, Profiles], Awaitable[list[Figure]]]

MEASUREMENTS: dict[str, Measurement] = {
    "engine": engine.measure,
    "lateness": lateness.shared,
    "spread": lateness.spread,
    "throughput": throughput.measure,
    "pages": pages.measure,
    "sweep": sweep.measure,
    "memory": memory.measure,
    "send": send.measure,
    "http": http_cost.measure,
}


def main() -> None:
    """Measure everything, or what ``--only`` names."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--only", action="append", choices=MEASUREMENTS, help="measure only this; may be repeated")
    options = parser.parse_args()
    if reason := rabbitmq.missing():
        sys.exit(reason)
    figures = asyncio.run(_measure(options.only or list(MEASUREMENTS)))
    print(f"\n{table(figures)}\n\n{line(figures)}")


async def _measure(names: list[str]) -> list[Figure]:
    figures = machine.describe()
    engine.listen()
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="carillon-bench-") as folder:
        async with base(Path(folder)) as place:
            profiles = await sign_in(place, {BLUESKY: 1000, MASTODON: 300})
            for name in names:
                print(f"{time.monotonic() - begun:6.1f} s  {name} ...", flush=True)
                figures += await MEASUREMENTS[name](place, profiles)
    return figures


if __name__ == "__main__":
    main()
