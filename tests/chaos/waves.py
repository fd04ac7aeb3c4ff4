"""Playing waves: post, strike, wait until Carillon is done, and hear the judge."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

from tests.chaos import strokes
from tests.chaos.flight import Document, Flight, Stroke, Watch
from tests.chaos.installation import Installation
from tests.chaos.judge import Verdict, judge
from tests.chaos.person import Person, Profile
from tests.chaos.plan import Wave
from tests.chaos.report import LATE, Result
from tests.chaos.strikes import STRIKES, house

PATIENCE = 90
"""Our seconds until a delivery counts as stuck: half an hour by Carillon's clock."""
AFTER_REST = 8
"""Seconds in which a strike must come to its end once its delivery is at rest; else it missed."""

LAST_WORD = 5
"""Seconds before the last count, longer than a request: a worker of the last wave may have been let go a moment ago."""

Profiles = dict[tuple[str, int], Profile]
Tell = Callable[[Wave, list[Result]], None]


def _silent(wave: Wave, results: list[Result]) -> None:
    """Nobody wants to hear of it."""


async def play(waves: Sequence[Wave], folder: Path, tell: Tell = _silent, *, worker_module: str = "actors") -> list[Result]:
    """Everything from start to end; ``tell`` hears of every wave that is over."""
    results: list[Result] = []
    async with Installation(folder, worker_module=worker_module) as installation, Person(installation) as person:
        await person.set_up()
        profiles = await _connect(person, waves)
        for wave in waves:
            results += (found := await _play(wave, _flights(wave, installation, person, profiles)))
            tell(wave, found)
        await asyncio.sleep(LAST_WORD)
        return _recount(results, await _accepted(installation))


async def _connect(person: Person, waves: Iterable[Wave]) -> Profiles:
    """As many accounts per network as one wave needs: every delivery of a wave has its own."""
    needed: Counter[str] = Counter()
    for wave in waves:
        needed |= Counter(run.scenario.network for run in wave.runs)
    return {
        (network, number): await person.connect(network, f"{network[-4:]}{number}")
        for network, count in needed.items()
        for number in range(count)
    }


def _flights(wave: Wave, installation: Installation, person: Person, profiles: Profiles) -> list[Flight]:
    watch, stroke = Watch(installation.database), Stroke(len(wave.runs))
    used: Counter[str] = Counter()
    flights = []
    for run in wave.runs:
        network = run.scenario.network
        flights.append(Flight(installation, person, watch, stroke, run, profiles[network, used[network]]))
        used[network] += 1
    return flights


async def _play(wave: Wave, flights: Sequence[Flight]) -> list[Result]:
    installation, watch, stroke = flights[0].house, flights[0].watch, flights[0].stroke
    async with _background(watch.run()), _background(_tend(installation)):
        async with strokes.of(wave.scene, installation, stroke):
            await asyncio.gather(*(_fly(flight) for flight in flights))
        accepted = await _accepted(installation)
        results = [await _result(flight, accepted) for flight in flights]
    await _clear(installation, results)
    return results


@asynccontextmanager
async def _background(work: Coroutine[None, None, None]) -> AsyncIterator[None]:
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _tend(installation: Installation) -> None:
    while True:
        installation.crew.tend()
        await asyncio.sleep(1)


async def _fly(flight: Flight) -> None:
    """Strike, then wait for the end; neither for ever."""
    clock = asyncio.get_running_loop()
    flight.begun = clock.time()
    strike = asyncio.ensure_future(STRIKES.get(flight.run.scenario.scene, house)(flight))
    rest = asyncio.create_task(flight.until_at_rest())
    await asyncio.wait({strike, rest}, timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
    await asyncio.wait({strike}, timeout=AFTER_REST)
    rest.cancel()
    strike.cancel()
    [ended] = await asyncio.gather(strike, return_exceptions=True)
    if isinstance(ended, Exception):
        raise ended
    flight.let_go()
    with suppress(TimeoutError):
        async with asyncio.timeout_at(flight.begun + PATIENCE):
            await flight.until_at_rest()
    flight.ended = clock.time()


# --- the verdicts -----------------------------------------------------------------------------------------------------


async def _accepted(installation: Installation) -> list[Document]:
    found: list[Document] = (await installation.judge.get("/posts")).json()
    return found


async def _result(flight: Flight, accepted: Iterable[Document]) -> Result:
    """Reads the delivery anew: the watch's last glance may be older than the end."""
    delivery = await flight.house.database.deliveries.find_one({"post_id": flight.post_id})
    posts = [post for post in accepted if post["text"] == flight.text]
    verdict = judge(delivery, posts)
    evidence: Document = {}
    if verdict is not Verdict.ONCE:
        attempts = await flight.house.database.attempts.find({"delivery_id": delivery and delivery["_id"]}).to_list()
        evidence = {"delivery": delivery, "attempts": attempts, "posts": posts}
    return Result(flight.run, flight.text, verdict, flight.struck, flight.ended - flight.begun, evidence)


async def _clear(installation: Installation, results: Iterable[Result]) -> None:
    """Forget what is over, so that the last wave is as quick as the first. What went wrong stays to be looked at."""
    await installation.judge.delete("/faults")
    installation.database_cuts.forget()
    installation.network_cuts.forget()
    done = [result.text.rpartition(" ")[2] for result in results if result.verdict is Verdict.ONCE]
    found = await installation.database.deliveries.find({"post_id": {"$in": done}}).to_list()
    await installation.database.attempts.delete_many({"delivery_id": {"$in": [delivery["_id"] for delivery in found]}})
    await installation.database.deliveries.delete_many({"post_id": {"$in": done}})
    await installation.database.posts.delete_many({"_id": {"$in": done}})


def _recount(results: Iterable[Result], accepted: Iterable[Document]) -> list[Result]:
    """At the very end: a second post may have come after its run was judged."""
    posts: defaultdict[str, list[Document]] = defaultdict(list)
    for post in accepted:
        posts[post["text"]].append(post)
    return [_late(result, posts[result.text]) for result in results]


def _late(result: Result, posts: Sequence[Document]) -> Result:
    if len(posts) < 2 or result.verdict is Verdict.DUPLICATE:
        return result
    return replace(result, verdict=Verdict.DUPLICATE, evidence={**result.evidence, LATE: posts})
