"""Two people at one post at the same moment: the page must say what the network has, and who was not heeded must be told."""

import asyncio
from datetime import timedelta

from tests.chaos.flight import Flight
from tests.chaos.person import new_id

LATER = timedelta(days=1)
"""A scheduled post must not go out by itself while the two are slow: then both are refused, and rightly."""
AFTERWARDS = 2.0
"""Seconds for what is on its way in spite of a draft."""
_APART = 0.012
"""Seconds; the second button is pressed up to a dozen times this much after the first, and as often before it."""


async def together(flight: Flight) -> None:
    """Both have the same page before them, and press their buttons."""
    path, page = await _opened(flight)
    ask = _publish_and_draft if flight.run.scenario.fault == "publish + save draft" else _two_edits
    first, second = ask(flight, page)
    await asyncio.gather(
        *(_press(flight, path, *one, after) for one, after in zip((first, second), _pauses(flight), strict=True))
    )
    flight.struck = True
    await asyncio.sleep(AFTERWARDS)
    flight.settled = await flight.house.database.deliveries.find_one({"post_id": flight.post_id}) is None


async def _opened(flight: Flight) -> tuple[str, dict[str, str]]:
    """The composer as it is on both screens: where it is sent to, and what it carries unseen."""
    step = flight.run.scenario.step
    if step == "new":
        return "/compose", await flight.person.form("/compose") | {"nonce": flight.post_id}
    typed = flight.typed(delayed=True, by=LATER) | ({"action": "draft"} if step == "draft" else {})
    await flight.person.publish(flight.post_id, typed, picture=False)
    path = f"/posts/{flight.post_id}/edit"
    return path, await flight.person.form(path) | {"nonce": new_id()}


Asked = tuple[str, dict[str, str]]


def _publish_and_draft(flight: Flight, page: dict[str, str]) -> tuple[Asked, Asked]:
    typed = page | flight.typed()
    return ("publish", typed), ("draft", typed | {"action": "draft"})


def _two_edits(flight: Flight, page: dict[str, str]) -> tuple[Asked, Asked]:
    flight.words = {name: f"{flight.text} {name}" for name in ("A", "B")}
    first, second = (page | flight.typed() | {"text": text} for text in flight.words.values())
    return ("A", first), ("B", second)


async def _press(flight: Flight, path: str, name: str, form: dict[str, str], after: float) -> None:
    await asyncio.sleep(after)
    flight.told[name] = await flight.person.press(path, form)


def _pauses(flight: Flight) -> tuple[float, float]:
    """Another one for each run, so that all sorts of meetings come about."""
    apart = (flight.run.number * 7 % 25 - 12) * _APART
    return max(0.0, -apart), max(0.0, apart)
