"""One delivery in the air: posted by a person, struck by a fault, watched until Carillon has done with it."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from pymongo.errors import PyMongoError

from tests.chaos.cuts import Count
from tests.chaos.installation import Installation
from tests.chaos.judge import at_rest
from tests.chaos.networks import KNOWN, Network
from tests.chaos.person import Person, Profile, new_id
from tests.chaos.plan import Run
from tests.chaos.points import PAUSE

Document = dict[str, Any]

DELAY = timedelta(seconds=100)
"""By Carillon's clock, so five of our seconds; less than the horizon: RabbitMQ holds the message meanwhile."""

AHEAD = timedelta(seconds=300)
"""By Carillon's clock: so long before a wave's posts are due at once the first is made. The horizon is 120 seconds, so there are
nine of our seconds to make them all in before a dispatcher finds them together."""


class Watch:
    """Reads the deliveries of a wave again and again; everybody looks at the last reading."""

    PAUSE = 0.15

    def __init__(self, database: Any) -> None:
        self._database = database
        self._read: dict[str, Document] = {}

    def delivery(self, post_id: str) -> Document | None:
        """The post's only delivery, as it was a moment ago."""
        return self._read.get(post_id)

    def companions(self, post_id: str) -> list[Document]:
        """The deliveries that are planned for the same time on the same platform, this one's among them."""
        known = self._read[post_id]
        shared = ("platform", "planned_at")
        return [one for one in self._read.values() if all(one[name] == known[name] for name in shared)]

    async def run(self) -> None:
        """Until canceled. A database that is away is waited for."""
        while True:
            try:
                found = await self._database.deliveries.find({}).to_list()
            except PyMongoError:
                found = []
            self._read |= {document["post_id"]: document for document in found}
            await asyncio.sleep(self.PAUSE)


class Stroke:
    """What happens to all at once: when everybody is in place, or when the first one cannot be kept waiting longer."""

    PATIENCE = 2.5
    """Our seconds; well within a lease, so that who is held still holds it."""
    FIRST = 40
    """Our seconds until somebody must be in place."""

    def __init__(self, members: int) -> None:
        self._missing = members
        self._begun = asyncio.Event()
        self._called = asyncio.Event()
        self.fallen = asyncio.Event()

    async def ready(self) -> None:
        """In place: wait until it has happened."""
        self._missing -= 1
        self._begun.set()
        if self._missing <= 0:
            self._called.set()
        await self.fallen.wait()

    async def called(self, *, patience: float = PATIENCE) -> None:
        """For the one who deals the stroke. It waits ``patience`` seconds for each, once one is in place."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._begun.wait(), self.FIRST)
        while self._missing and not self._called.is_set():
            before = self._missing
            try:
                await asyncio.wait_for(self._called.wait(), patience)
            except TimeoutError:
                if self._missing == before:
                    return


@dataclass
class Flight:
    """``struck`` says whether the fault was really met.

    ``settled``: it is known that there will be no delivery. ``refused``: why a form was not taken. ``told`` and ``words``: what
    people were answered, and what they wrote where it is not :attr:`text`. ``due``: when the whole wave's posts are, if at one
    time. ``line``: the posts of an account that gets several, in their order; this one is among them. ``media``: the film that it
    has; ``again``: how often that was uploaded after it was known what the network calls it.
    """

    house: Installation
    person: Person
    watch: Watch
    stroke: Stroke
    run: Run
    profile: Profile
    post_id: str = field(default_factory=new_id)
    struck: bool = False
    begun: float = 0.0
    ended: float = 0.0
    settled: bool = False
    refused: str = ""
    told: dict[str, int] = field(default_factory=dict)
    words: dict[str, str] = field(default_factory=dict)
    due: datetime | None = None
    line: list[str] = field(default_factory=list)
    media: str = ""
    again: Count | None = None

    @property
    def network(self) -> Network:
        """Where it is published."""
        return KNOWN[self.profile.network]

    @property
    def text(self) -> str:
        """Words that no other delivery has."""
        return f"run {self.run.number} {self.post_id}"

    @property
    def delivery(self) -> Document | None:
        """The last known state."""
        return self.watch.delivery(self.post_id)

    @property
    def texts(self) -> tuple[str, ...]:
        """All that may come out of it."""
        return self.text, *self.words.values()

    def typed(self, *, delayed: bool = False, by: timedelta = DELAY) -> dict[str, str]:
        """The composer's fields and its button: *Publish now*, or *Schedule* for a little later."""
        due = self.due or self.house.clock.now() + by
        when = {"date": f"{due:%Y-%m-%d}", "time": f"{due:%H:%M:%S}", "action": "schedule"}
        later = delayed or self.due is not None
        files = {"media": self.media} if self.media else {}
        return {"text": self.text, "account": self.profile.id, "zone": "UTC", **files} | (when if later else {"action": "now"})

    async def post(self, *, delayed: bool = False, **options: str) -> None:
        """The person publishes; ``options``: the network's own, like ``visibility``."""
        chosen = {f"option-{self.profile.id}-{name}": value for name, value in options.items()}
        await self.person.publish(self.post_id, self.typed(delayed=delayed) | chosen, picture=self.run.picture)

    async def post_and_hold(self, step: str, **options: str) -> int:
        """Publish; the process that is held at ``step`` with it."""
        self.house.points.arm(step, self.profile.id)
        await self.post(**options)
        return await self.house.points.held(step, self.profile.id)

    def let_go(self) -> None:
        """Hold nobody any more."""
        self.house.points.let_go(self.profile.id)

    async def until(self, condition: Callable[[Document], bool]) -> Document:
        """Wait for the delivery to be so."""
        while (found := self.delivery) is None or not condition(found):
            await asyncio.sleep(self.watch.PAUSE)
        return found

    async def until_at_rest(self) -> None:
        """Wait until Carillon has done with it."""
        while not self.settled and not all(at_rest(self.watch.delivery(one)) for one in self.line or [self.post_id]):
            await asyncio.sleep(self.watch.PAUSE)

    async def switch_on(self, kind: str, *, on: str = "publish", seconds: float = 5) -> int:
        """Order a fault of the network for the next fitting request of this account; its id."""
        fault = {"platform": self.network.server, "kind": kind, "on": on, "times": 1}
        answer = await self.house.judge.post("/faults", json={**fault, "account": self.profile.remote_id, "seconds": seconds})
        answer.raise_for_status()
        return int(answer.json()["id"])

    async def quirk(self, quirk: str, seconds: float = 0) -> None:
        """Let the network have this quirk with this account until the wave is over."""
        ordered = {"platform": self.network.server, "quirk": quirk, "seconds": seconds}
        answer = await self.house.judge.post("/quirks", json={**ordered, "account": self.profile.remote_id})
        answer.raise_for_status()

    async def until_hit(self, fault: int) -> None:
        """Wait until the network has played the fault."""
        while not await self.hit(fault):
            await asyncio.sleep(PAUSE)

    async def hit(self, fault: int) -> bool:
        """Whether the network has played the fault."""
        faults = (await self.house.judge.get("/faults")).json()
        return any(one["hits"] for one in faults if one["id"] == fault)
