"""What a person waits for: from the click to the network, the composer's answer, the pages opened most, and open pages' polls."""

import asyncio
import html
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import httpx

from app.ids import Id
from app.models import Account, Post, User
from app.queries import equal
from tests.bench.figures import Figure, percentile, percentiles
from tests.bench.people import BLUESKY, Profiles, history
from tests.bench.site import ON_MONGODB, Base, Crew, site
from tests.bench.waiting import arrived
from tests.integration.processes.visitor import Visitor

CREW = Crew(2, 32)
"""As docker-compose.yml starts it."""

POSTS = 100_000 if ON_MONGODB else 20_000
"""Posts in the database. More than the embedded engine is made for."""

TIMES = 100

WATCHERS, WATCHED = 8, 5.0
"""Pages of one post that are open at once, each asking again as soon as it has its answer; for how many seconds."""


@dataclass
class Desk:
    """A person at the composer who sends its form without reading the page again: the form's token stays good."""

    visitor: Visitor
    account: Account
    token: str = ""
    took: list[float] = field(default_factory=list)
    written: str = ""
    """The address of the post that was written last."""

    async def sit_down(self) -> None:
        """Read the composer's page once."""
        page = (await self.visitor.http.get("/compose")).text
        found = re.search(r'name="_csrf_token" value="([^"]+)"', page)
        if found is None:
            raise ValueError("the composer has no token")
        self.token = found.group(1)

    async def send(self, text: str, **fields: str) -> None:
        """Press the button; how long the answer took is noted."""
        form = {"_csrf_token": self.token, "text": text, "account": self.account.id, "zone": "UTC", "nonce": str(Id()), **fields}
        begun = time.perf_counter()
        answer = await self.visitor.http.post("/compose", data=form, follow_redirects=False)
        self.took.append(time.perf_counter() - begun)
        if answer.status_code != httpx.codes.SEE_OTHER:
            raise ValueError(f"the form was not taken: {answer.status_code}")
        self.written = answer.headers["location"]


async def measure(base: Base, _: Profiles) -> list[Figure]:
    """Clicks, forms and pages on one installation with ``POSTS`` posts."""
    async with site(base, "pages") as place:
        web = place.start_web()
        place.start_workers(CREW)
        async with Visitor(web.url) as visitor:
            await visitor.set_up()
            [account] = await Account.find(equal(platform=BLUESKY)).to_list()
            [author] = await User.find_all().to_list()
            last = (await history(account, author.id, POSTS))[-1]
            desk = Desk(visitor, account)
            await desk.sit_down()
            return [
                Figure("posts_in_database", POSTS, "", "100,000 on MongoDB" if not ON_MONGODB else ""),
                *percentiles("click", "ms", await _clicks(base, desk), 0.5, 0.99, goals={0.5: "< 100"}),
                *percentiles("compose", "ms", await _forms(desk), 0.5, 0.99, goals={0.5: "< 40"}),
                *await _pages(visitor, last),
                await _polls(visitor, desk.written),
            ]


async def _clicks(base: Base, desk: Desk) -> list[float]:
    """Seconds from pressing *Publish now* to the first request at the network, one post at a time."""
    return [await _click(base, desk, f"Click {number}") for number in range(TIMES + 1)][1:]


async def _click(base: Base, desk: Desk, text: str) -> float:
    begun = time.time()
    await desk.send(text, action="now")
    return (await arrived(base, {text}, every=0.05))[text] - begun


async def _forms(desk: Desk) -> list[float]:
    """Seconds until the answer to a form that schedules a post for tomorrow."""
    desk.took.clear()
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    for number in range(TIMES):
        await desk.send(f"Scheduled {number}", action="schedule", date=f"{tomorrow:%Y-%m-%d}", time="09:00")
    return desk.took


async def _pages(visitor: Visitor, post: Post) -> list[Figure]:
    addresses = {
        "list": "/posts",
        "list_scheduled": "/posts?status=scheduled",
        "list_older": f"/posts?before={post.id}",
        "post": f"/posts/{post.id}",
        "composer": "/compose",
    }
    figures = []
    for name, address in addresses.items():
        took = await _loads(lambda address=address: visitor.http.get(address))  # type: ignore[misc]
        figures.append(
            Figure(f"{name}_page_p50_ms", round(percentile(took, 0.5) * 1000, 1), "", f"p99 {percentile(took, 0.99) * 1000:.0f}")
        )
    return figures


async def _loads(load: Callable[[], Awaitable[httpx.Response]]) -> list[float]:
    took = []
    for _ in range(20):
        begun = time.perf_counter()
        (await load()).raise_for_status()
        took.append(time.perf_counter() - begun)
    return took


async def _polls(visitor: Visitor, address: str) -> Figure:
    """How many looks at a post that waits one web process answers. Over bare sockets: a client costs the same two cores."""
    found = re.search(r'hx-get="([^"]+)"', (await visitor.http.get(address)).text)
    if found is None:
        raise ValueError("the page of a post that waits does not poll")
    cookies = "; ".join(f"{name}={value}" for name, value in visitor.http.cookies.items())
    request = f"GET {html.unescape(found[1])} HTTP/1.1\r\nHost: bench\r\nHX-Request: true\r\nCookie: {cookies}\r\n\r\n"
    begun = time.perf_counter()
    answered = await asyncio.gather(*(_watch(visitor.http.base_url, request.encode()) for _ in range(WATCHERS)))
    rate = sum(answered) / (time.perf_counter() - begun)
    return Figure("polls_per_s", round(rate), ">= 150", f"unchanged, {WATCHERS} at once, one web process")


async def _watch(url: httpx.URL, request: bytes) -> int:
    """Ask until the time is over; how many answers came, none of which may have a body."""
    reader, writer = await asyncio.open_connection(url.host, url.port)
    number, end = 0, time.perf_counter() + WATCHED
    while time.perf_counter() < end:
        writer.write(request)
        answer = await reader.readuntil(b"\r\n\r\n")
        if b" 204 " not in answer.partition(b"\r\n")[0]:
            raise ValueError(f"not an unchanged poll: {answer[:80]!r}")
        number += 1
    writer.close()
    return number
