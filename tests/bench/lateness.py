"""How late deliveries start that are all due in the same second, while another platform stalls.

Two readings, because one account publishes one thing at a time. With 20 deliveries on each of 50 accounts the twentieth cannot
start before the nineteen others were answered: 19 x 0.3 s = 5.7 s, whatever the engine does. With one delivery on each of 1,000
accounts nothing has to wait for anything, and what is left is the engine's own lateness.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.ids import Id
from app.models import FINAL, Delivery, State, now
from tests.bench import floor
from tests.bench.figures import Figure, percentiles
from tests.bench.people import BLUESKY, MASTODON, Profiles, deliveries, plan
from tests.bench.processes import cpu_seconds
from tests.bench.site import ANSWER_MS, Base, Crew, site
from tests.bench.waiting import all_saved, arrived, warm_up
from tests.servers.process import Server

STALLED_ACCOUNTS = 10
STALLED_EACH = 5

LEAD = timedelta(seconds=25)
"""From the insert to the due time: enough for the dispatchers to bring everything to the broker."""

REST = 10
"""Seconds in which it is measured what the processes use without work."""

RECOVERY = 300
"""Seconds the stalled platform's deliveries get, once it answers again: *not there* is believed only after some minutes."""


@dataclass(frozen=True)
class Load:
    """``accounts`` accounts with ``each`` deliveries, and who carries them out."""

    accounts: int
    each: int
    crew: Crew


async def shared(base: Base, profiles: Profiles) -> list[Figure]:
    """1,000 deliveries on 50 accounts; and the stalled platform's posts when it answers again."""
    async with _due_at_once(base, profiles, Load(50, 20, Crew(2, 64)), "lateness") as due:
        return [*await due.figures(), *await _after(base, due.stalled)]


async def spread(base: Base, profiles: Profiles) -> list[Figure]:
    """1,000 deliveries on 1,000 accounts: with a stalled network beside them and without; and what each of them costs."""
    least, floor_figure = await floor.measure(base, profiles)
    load = Load(1000, 1, Crew(2, 64))
    async with _due_at_once(base, profiles, load, "lateness_spread") as due:
        stalled = await due.figures()
    async with _due_at_once(base, profiles, load, "lateness_alone", stall=False) as due:
        alone, costs = await due.figures(), await due.costs()
    total = sum(costs.values())
    beside = ", ".join(f"{name} {cost:.1f}" for name, cost in costs.items() if name != "workers")
    return [
        *stalled,
        *alone,
        Figure("cpu_ms_per_delivery", round(costs["workers"], 1), "<= 4", f"workers; beside them {beside}"),
        floor_figure,
        Figure("floor_ratio", round(total / least, 2), "<= 2", f"{total:.1f} ms of processor in all"),
    ]


@asynccontextmanager
async def _due_at_once(base: Base, profiles: Profiles, load: Load, name: str, *, stall: bool = True) -> AsyncIterator["_Due"]:
    """A crew at work, a network that takes its time, another one that stalls, and everything due in a moment."""
    async with site(base, name) as place:
        workspace_id = Id()
        healthy = await profiles.accounts(workspace_id, BLUESKY, load.accounts)
        stalling = await profiles.accounts(workspace_id, MASTODON, STALLED_ACCOUNTS)
        workers = place.start_workers(load.crew)
        await warm_up(base, deliveries(healthy[:50], 1, now(), name="warm-up"))
        await base.switch_on(platform=BLUESKY, kind="slow", ms=ANSWER_MS)
        if stall:
            await base.switch_on(platform=MASTODON, kind="stall")
        at = (now() + LEAD).replace(microsecond=0)
        stalled = deliveries(stalling, STALLED_EACH, at, name=f"{name} stalled") if stall else []
        punctual = deliveries(healthy, load.each, at, name=name)
        await plan([*stalled, *punctual])
        servers = {"workers": workers, "database": place.engine, "broker": base.broker, "sandbox": base.sandbox}
        before = {key: cpu_seconds(one) for key, one in servers.items()}
        yield _Due(base, load, name, at, punctual, stalled, servers, before, time.monotonic())


@dataclass(frozen=True)
class _Due:
    base: Base
    load: Load
    name: str
    at: datetime
    punctual: Sequence[Delivery]
    stalled: Sequence[Delivery]
    servers: Mapping[str, Server]
    before: Mapping[str, float]
    begun: float

    async def costs(self) -> dict[str, float]:
        """Processor milliseconds per delivery since all was planned, less what the same processes use when they have nothing to
        do for as long (:data:`REST`).
        """
        await all_saved()
        lasted, used = time.monotonic() - self.begun, self._used(self.before)
        rest = {name: cpu_seconds(one) for name, one in self.servers.items()}
        await asyncio.sleep(REST)
        idle = {name: share / REST * lasted for name, share in self._used(rest).items()}
        return {name: (used[name] - idle[name]) / len(self.punctual) * 1000 for name in used}

    def _used(self, since: Mapping[str, float]) -> dict[str, float]:
        return {name: cpu_seconds(one) - since[name] for name, one in self.servers.items()}

    async def figures(self) -> list[Figure]:
        """Wait for all first requests; lateness is the time from the due time to the request."""
        await asyncio.sleep((self.at - now()).total_seconds())
        sent = await arrived(self.base, {delivery.text for delivery in self.punctual})
        late = [at - self.at.timestamp() for at in sent.values()]
        crew = self.load.crew
        return [
            *percentiles(self.name, "s", late, 0.5, 0.95, 0.99, 1, goals={0.99: "< 1.5"}),
            Figure(f"{self.name}_workers", str(crew), "", f"{self.load.accounts} accounts with {self.load.each} each"),
        ]


async def _after(base: Base, stalled: Sequence[Delivery]) -> list[Figure]:
    """Let the stalled platform answer again, and count what became of its posts."""
    before = await _states(stalled)
    await base.heal()
    deadline = time.monotonic() + RECOVERY
    while time.monotonic() < deadline and set(await _states(stalled)) - FINAL:
        await asyncio.sleep(1)
    accepted, after = await base.accepted(), await _states(stalled)
    texts = {delivery.text for delivery in stalled}
    copies = [text for text in accepted if text in texts]
    lost = len([state for state in after if state in FINAL - {State.PUBLISHED}])
    told = f"{_counted(before)} at the end of the stall, {_counted(after)} {RECOVERY} s later at most"
    return [
        Figure("lateness_stalled_intact", lost == 0 and len(copies) == len(set(copies)), "true", told),
        Figure("lateness_stalled_published", f"{len(set(copies))} of {len(stalled)}"),
    ]


async def _states(some: Sequence[Delivery]) -> list[State]:
    found = await Delivery.find({"platform": {"$eq": some[0].platform}}).to_list()
    return [delivery.state for delivery in found]


def _counted(states: Sequence[State]) -> str:
    return ", ".join(f"{states.count(state)} {state}" for state in sorted(set(states)))
