"""Playing waves: post, strike, wait until Carillon is done, and hear the judge."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from app.engine.order import IN_ORDER
from tests.chaos import films, plan, strokes
from tests.chaos.flight import AHEAD, Document, Flight, Stroke, Watch
from tests.chaos.installation import WORKERS, Installation
from tests.chaos.judge import (
    NOTHING,
    Verdict,
    judge,
    judge_film,
    judge_left,
    judge_people,
    passed,
    reason_of,
    waits_for_the_network,
)
from tests.chaos.person import Person, Profile, Refused
from tests.chaos.plan import Wave
from tests.chaos.repertoire import strike
from tests.chaos.report import LATE, Result, never_struck
from tests.chaos.scenes import FAULT_BY_FAULT, FILM, LEFT, LINE, PEOPLE, QUOTA, ROTATION, THIRD

PATIENCE = 90
"""Our seconds without a falling worker until a delivery counts as stuck: half an hour by Carillon's clock."""
AFTER_REST = 8
"""Seconds in which a strike must come to its end once its delivery is at rest; else it missed."""

LAST_WORD = 5
"""Seconds before the last count, longer than a request: a worker of the last wave may have been let go a moment ago."""

MOST = 50
"""Posts of one account; the smallest quota that a network has for a day is a hundred."""

ENCORES = 3
"""How often a row that was never struck is played again: a worker may have fallen for a neighbour each time before."""

Tell = Callable[[Wave, list[Result]], None]


def _silent(wave: Wave, results: list[Result]) -> None:
    """Nobody wants to hear of it."""


async def play(waves: Sequence[Wave], folder: Path, tell: Tell = _silent, *, worker_module: str = WORKERS) -> list[Result]:
    """Everything from start to end; ``tell`` hears of every wave that is over. What was never struck is played again."""
    results: list[Result] = []
    async with Installation(folder, worker_module=worker_module) as installation, Person(installation) as person:
        await person.set_up()
        profiles = Profiles(person)
        for encore in range(ENCORES + 1):
            for wave in waves:
                results += (found := await _play(wave, await _flights(wave, installation, person, profiles)))
                tell(wave, found)
            missed = never_struck(results)
            waves = plan.make(encore, len(missed), missed, after=len(results))
        await asyncio.sleep(LAST_WORD)
        return await _recount(results, installation)


class Profiles:
    """Every delivery of a wave has an account of its own. The next wave uses it again, unless it may be lost or used up."""

    def __init__(self, person: Person) -> None:
        self._person = person
        self._known: dict[str, Profile] = {}
        self._used: Counter[tuple[str, str]] = Counter()

    async def get(self, network: str, name: str) -> Profile:
        """The account, connected now if it is new. Another one takes its place before it has used up a day's quota."""
        self._used[network, name] += 1
        handle = f"{network[-4:]}{name}x{self._used[network, name] // MOST}"
        if handle not in self._known:
            self._known[handle] = await self._person.connect(network, handle)
        return self._known[handle]


async def _flights(wave: Wave, installation: Installation, person: Person, profiles: Profiles) -> list[Flight]:
    watch, stroke = Watch(installation.database), Stroke(len(wave.runs))
    used: Counter[str] = Counter()
    flights = []
    for run in wave.runs:
        network = run.scenario.network
        name = f"gone{run.number}" if wave.scene in (LEFT, ROTATION, LINE, QUOTA, FILM) else str(used[network])
        flights.append(Flight(installation, person, watch, stroke, run, await profiles.get(network, name)))
        used[network] += 1
    return flights


async def _strike(flight: Flight) -> None:
    """On a network as it is. Where clocks differ by more than a lease, only what refuses repetitions keeps them out."""
    scene = flight.run.scenario.scene
    for quirk in flight.network.quirks if scene != "clocks apart" else ():
        await flight.quirk(quirk)
    await strike(scene)(flight)


async def _play(wave: Wave, flights: Sequence[Flight]) -> list[Result]:
    installation, watch, stroke = flights[0].house, flights[0].watch, flights[0].stroke
    if wave.scene in FAULT_BY_FAULT:
        due = installation.clock.now() + AHEAD
        for flight in flights:
            flight.due = due
    async with _background(watch.run()), _background(_tend(installation)):
        async with strokes.of(wave.runs[0].scenario, installation, stroke):
            await asyncio.gather(*(_fly(flight) for flight in flights))
        results = [result for flight in flights for result in await _results(flight)]
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
    struck = asyncio.create_task(_strike(flight))
    rest = asyncio.create_task(flight.until_at_rest())
    await asyncio.wait({struck, rest}, timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
    await asyncio.wait({struck}, timeout=AFTER_REST)
    rest.cancel()
    struck.cancel()
    [ended] = await asyncio.gather(struck, return_exceptions=True)
    if isinstance(ended, Refused):
        flight.refused, flight.settled = str(ended), True
    elif isinstance(ended, Exception):
        raise ended
    flight.let_go()
    await _rest(flight)
    flight.ended = clock.time()


async def _rest(flight: Flight) -> None:
    """Wait for the end, or until there was time enough: workers that fall for a neighbour take others' work with them."""
    clock = asyncio.get_running_loop()
    while (begun := max(flight.begun, flight.house.crew.last_fall)) + PATIENCE > clock.time():
        with suppress(TimeoutError):
            async with asyncio.timeout_at(begun + PATIENCE):
                await flight.until_at_rest()
                return


# --- the verdicts -----------------------------------------------------------------------------------------------------


async def _accepted(installation: Installation) -> list[Document]:
    found: list[Document] = (await installation.judge.get("/posts")).json()
    return found


async def _results(flight: Flight) -> list[Result]:
    """One, or that of every post in its line."""
    return [await _result(replace(flight, post_id=one)) for one in flight.line or [flight.post_id]]


async def _result(flight: Flight) -> Result:
    """Reads the delivery anew: the watch's last glance may be older than the end. A late worker may still change both."""
    deliveries, delivery, changed = flight.house.database.deliveries, None, True
    while changed:
        before = await deliveries.find_one({"post_id": flight.post_id})
        posts = [post for post in await _accepted(flight.house) if post["text"] in flight.texts]
        delivery = await deliveries.find_one({"post_id": flight.post_id})
        changed = before != delivery
    verdict = await _verdict(flight, delivery, posts)
    seconds = flight.ended - flight.begun
    result = Result(flight.run, flight.post_id, flight.texts, verdict, len(posts), flight.struck, seconds, {})
    return replace(result, evidence=await _evidence(flight, delivery, posts)) if result.failed else result


async def _verdict(flight: Flight, delivery: Document | None, posts: Sequence[Document]) -> Verdict:
    scenario = flight.run.scenario
    if scenario.scene == LEFT:
        return judge_left(delivery, posts, step=scenario.step)
    if scenario.scene == PEOPLE:
        page = await flight.person.reads(flight.post_id)
        return judge_people(delivery, posts, page=page, told=flight.told, words=flight.words)
    if scenario.scene == FILM:
        page = await flight.person.reads(flight.post_id)
        kept, shown = films.kept(flight), await films.shown(flight, posts)
        again = flight.again.number if flight.again else 0
        return judge_film(delivery, posts, page=page, kept=kept, shown=shown, again=again)
    verdict = judge(delivery, posts, reason=reason_of(scenario))
    if verdict is Verdict.ONCE and flight.line and not _held_up_for_long(delivery):
        accepted = [post["text"] for post in await _accepted(flight.house)]
        return Verdict.PASSED if flight.text in passed(_in_order(flight), accepted) else verdict
    return verdict


def _held_up_for_long(delivery: Document | None) -> bool:
    """So long after its time that later posts need not wait for it any more (:data:`app.engine.order.IN_ORDER`)."""
    return delivery is not None and _instant(delivery["published_at"]) - _instant(delivery["planned_at"]) > IN_ORDER


def _instant(value: datetime | str) -> datetime:
    """The embedded engine gives some instants back as text."""
    return (value if isinstance(value, datetime) else datetime.fromisoformat(value)).replace(tzinfo=None)


def _in_order(flight: Flight) -> list[str]:
    """The words of those of a line that must come out as they were planned."""
    waits = flight.line[THIRD] if waits_for_the_network(flight.run.scenario) else None
    return [replace(flight, post_id=one).text for one in flight.line if one != waits]


async def _evidence(flight: Flight, delivery: Document | None, posts: Sequence[Document]) -> Document:
    """What is needed to understand it. Its attempts are in the delivery."""
    line = await flight.house.database.deliveries.find({"post_id": {"$in": flight.line}}).to_list()
    return {
        "delivery": delivery,
        "posts": posts,
        "account": await flight.house.database.accounts.find_one({"_id": flight.profile.id}),
        "line": [(one["_id"], one["state"], one["published_at"]) for one in line],
        "told": flight.told,
        "refused": flight.refused,
    }


async def _clear(installation: Installation, results: Iterable[Result]) -> None:
    """Forget what is over, so that the last wave is as quick as the first. What went otherwise stays to be looked at."""
    for ordered in ("/faults", "/quirks"):
        await installation.judge.delete(ordered)
    installation.database_cuts.forget()
    installation.network_cuts.forget()
    done = [result.post_id for result in results if result.verdict is Verdict.ONCE]
    await installation.database.deliveries.delete_many({"post_id": {"$in": done}})
    await installation.database.posts.delete_many({"_id": {"$in": done}})


async def _recount(results: Iterable[Result], installation: Installation) -> list[Result]:
    """At the very end: a post may have come after its run was judged, and so may the receipt of one that was in doubt."""
    posts: defaultdict[str, list[Document]] = defaultdict(list)
    for post in await _accepted(installation):
        posts[post["text"]].append(post)
    return [await _late(result, [post for text in result.texts for post in posts[text]], installation) for result in results]


async def _late(result: Result, posts: Sequence[Document], installation: Installation) -> Result:
    """Behind a delivery that was at rest comes nothing more, but the answer that a worker kept to itself until now."""
    verdict = result.verdict
    if verdict is Verdict.UNDECIDED:
        verdict = judge(await installation.database.deliveries.find_one({"post_id": result.post_id}), posts)
    elif len(posts) > result.posts:
        verdict = Verdict.DUPLICATE if len(posts) > 1 else Verdict.UNWANTED if verdict in NOTHING else verdict
    if verdict is result.verdict:
        return replace(result, posts=len(posts))
    return replace(result, verdict=verdict, posts=len(posts), evidence={**result.evidence, LATE: posts})
