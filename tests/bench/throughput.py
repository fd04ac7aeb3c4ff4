"""How many deliveries a second a crew keeps up, against the bound threads / 0.3 s, and what one of them costs.

Both networks answer after 300 ms, everything is due at once, and there are many more accounts than threads: only threads are
scarce. The rate is that of the middle of the run, without the first and the last tenth of the requests.
"""

import math
from dataclasses import dataclass

from app.ids import Id
from app.models import Account, now
from tests.bench.figures import Figure
from tests.bench.people import BLUESKY, MASTODON, Profiles, deliveries, plan
from tests.bench.processes import cpu_seconds
from tests.bench.site import ANSWER_MS, ON_MONGODB, Base, Crew, site
from tests.bench.waiting import all_saved, arrived, warm_up

CREWS = [Crew(2, 16), Crew(2, 32), Crew(2, 48)] if ON_MONGODB else [Crew(1, 8), Crew(2, 8), Crew(2, 16)]
"""From small to large: the largest that still reaches nine tenths of its bound is the one that is reported."""

SECONDS = 10
"""How long a run lasts at the bound."""

GOOD = 0.9


@dataclass(frozen=True, slots=True)
class Run:
    """One crew's result. ``cpu_ms`` are processor milliseconds per delivery of workers, database, broker and sandbox."""

    crew: Crew
    per_s: float
    cpu_ms: dict[str, float]

    @property
    def ratio(self) -> float:
        """The share of the bound that was reached."""
        return self.per_s / self.crew.bound


async def measure(base: Base, profiles: Profiles) -> list[Figure]:
    """The figures of the best crew, and every crew's ratio."""
    runs = [await _run(base, profiles, crew) for crew in CREWS]
    best = max(
        (run for run in runs if run.ratio >= GOOD), key=lambda run: run.per_s, default=max(runs, key=lambda run: run.ratio)
    )
    fastest = max(runs, key=lambda run: run.per_s)
    others = ", ".join(f"{name} {cost:.1f}" for name, cost in best.cpu_ms.items() if name != "workers")
    return [
        Figure("throughput_per_s", round(best.per_s, 1), "", f"workers {best.crew}"),
        Figure("throughput_ratio", round(best.ratio, 2), ">= 0.9", f"bound {best.crew.bound:.0f}/s"),
        Figure(
            "throughput_max_per_s", round(fastest.per_s, 1), "", f"workers {fastest.crew}, {fastest.ratio:.2f} of their bound"
        ),
        *(_step(run) for run in runs),
        Figure("throughput_cpu_ms", round(best.cpu_ms["workers"], 1), "", f"workers; beside them {others}"),
    ]


async def _run(base: Base, profiles: Profiles, crew: Crew) -> Run:
    async with site(base, "throughput") as place:
        accounts = await _accounts(profiles)
        workers = place.start_workers(crew)
        await warm_up(base, deliveries(accounts[:20], 1, now(), name="warm-up"))
        for platform in (BLUESKY, MASTODON):
            await base.switch_on(platform=platform, kind="slow", ms=ANSWER_MS)
        load = deliveries(accounts, math.ceil(crew.bound * SECONDS / len(accounts)), now(), name="load")
        servers = {"workers": workers, "database": place.engine, "broker": base.broker, "sandbox": base.sandbox}
        before = {name: cpu_seconds(server) for name, server in servers.items()}
        await plan(load)
        sent = await arrived(base, {delivery.text for delivery in load})
        await all_saved()
        cost = {name: (cpu_seconds(server) - before[name]) / len(load) * 1000 for name, server in servers.items()}
        return Run(crew, _middle_rate(sorted(sent.values())), cost)


def _step(run: Run) -> Figure:
    key = f"throughput_{run.crew.processes}x{run.crew.threads}_per_s"
    return Figure(key, round(run.per_s, 1), "", f"{run.ratio:.2f} of the bound, workers {run.cpu_ms['workers']:.1f} ms each")


async def _accounts(profiles: Profiles) -> list[Account]:
    """The same number on both networks, which have equal shares of the threads."""
    workspace_id, number = Id(), len(profiles.connected[MASTODON])
    found = [await profiles.accounts(workspace_id, platform, number) for platform in (BLUESKY, MASTODON)]
    return [account for pair in zip(*found, strict=True) for account in pair]


def _middle_rate(times: list[float]) -> float:
    """Requests per second between the first and the last tenth."""
    tenth = len(times) // 10
    return (len(times) - 2 * tenth - 1) / (times[-tenth - 1] - times[tenth])
