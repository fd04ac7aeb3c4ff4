"""An open page asks again and again. What it is told: nothing while nothing is new, and the truth as soon as something is."""

import re
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from html import unescape

import httpx
import pytest

from app.ids import Id
from app.models import Attempt, AttemptKind, LoginSession, Member, Post, State, now
from app.services.accounts import profiles
from app.services.writing import posts, remedies, watching
from app.services.writing.posts import Target
from tests.integration.services.test_forms import token
from tests.integration.services.world import World, of_post, put, settled
from tests.integration.spoken import LISTENER

TOMORROW = {"date": f"{now() + timedelta(days=1):%Y-%m-%d}", "time": "09:00", "zone": "UTC"}
TROUBLE = {"remedy": "retry", "code": "away", "message": "The server is away.", "at": now()}


@dataclass
class Watched:
    """A page that is open in Alice's browser, as it was read last. ``polls`` is ``None`` when it asks no more."""

    alice: httpx.AsyncClient
    post: Post
    polls: str | None = None

    async def read(self) -> str:
        """Load the page."""
        return self._seen((await self.alice.get(f"/posts/{self.post.id}")).text)

    async def look(self) -> httpx.Response:
        """What htmx does every few seconds."""
        assert self.polls is not None, "the page does not ask any more"
        answer = await self.alice.get(self.polls, headers={"HX-Request": "true"})
        if answer.status_code == httpx.codes.OK:
            self._seen(answer.text)
        return answer

    async def shows(self, words: str) -> None:
        """The next look brings ``words``, and the one after that nothing, if there is one."""
        answer = await self.look()
        assert answer.status_code == httpx.codes.OK
        assert words in answer.text
        if self.polls is not None:
            assert (await self.look()).status_code == httpx.codes.NO_CONTENT

    def _seen(self, text: str) -> str:
        found = re.search(r'id="status"[^>]*hx-get="([^"]+)"', text)
        self.polls = unescape(found[1]) if found else None
        return text


@pytest.fixture
async def waiting(world: World) -> Post:
    """A post that is planned for tomorrow, on all accounts."""
    return await posts.schedule(world.workspace, world.alice, world.draft(**TOMORROW))


@pytest.fixture
async def watched(alice: httpx.AsyncClient, waiting: Post) -> Watched:
    """Its page, open."""
    page = Watched(alice, waiting)
    await page.read()
    return page


@pytest.fixture
def commands() -> Iterator[list[None]]:
    """Grows with each command to the database, and with each of its answers."""
    counted: list[None] = []
    LISTENER.witness = lambda: counted.append(None)
    yield counted
    LISTENER.witness = lambda: None


async def test_while_nothing_is_new_there_is_no_answer_and_three_questions(watched: Watched, commands: list[None]) -> None:
    for _ in range(2):
        commands.clear()
        answer = await watched.look()
        assert (answer.status_code, answer.content, answer.headers["cache-control"]) == (204, b"", "no-store")
        assert len(commands) == 2 * 3  # session, place, deliveries


# --- news -------------------------------------------------------------------------------------------------------------


async def test_ones_own_action_is_on_the_page_at_once(watched: Watched) -> None:
    form = {"_csrf_token": await token(watched.alice)}
    answer = await watched.alice.post(f"/posts/{watched.post.id}/cancel", data=form, follow_redirects=True)
    assert "Canceled" in answer.text
    await watched.shows("Canceled")  # another tab
    assert watched.polls is None


async def edit(world: World, post: Post) -> None:
    target = Target(post_id=post.id, base=post.revision)
    await posts.schedule(world.workspace, world.alice, world.draft(text="Other words", **TOMORROW), target)


async def move(world: World, post: Post) -> None:
    await posts.reschedule(world.workspace, post.id, **TOMORROW | {"time": "10:30"})


async def leave_one_out(world: World, post: Post) -> None:
    target = Target(post_id=post.id, base=post.revision)
    await posts.schedule(world.workspace, world.alice, world.draft("bluesky", text="To one only", **TOMORROW), target)


async def drop_one(world: World, post: Post) -> None:
    await remedies.drop(world.workspace, (await of_post(post))[0].id)


async def make_a_draft(world: World, post: Post) -> None:
    draft = world.draft(text="Not yet", **TOMORROW)
    await posts.save_draft(world.workspace, world.alice, draft, Target(post_id=post.id, base=post.revision))


async def disconnect(world: World, post: Post) -> None:
    await profiles.disconnect(world.workspace, world.accounts["bluesky"].id)


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (edit, "Other words"),
        (move, "10:30"),
        (leave_one_out, "To one only"),
        (drop_one, "It will not be sent."),
        (make_a_draft, "Not yet"),
        (disconnect, "was disconnected"),
    ],
)
async def test_what_somebody_else_does_is_seen_at_the_next_look(
    watched: Watched, world: World, act: Callable[[World, Post], Awaitable[None]], words: str
) -> None:
    await act(world, watched.post)
    await settled()
    await watched.shows(words)


async def test_a_publication_is_watched_to_its_end(alice: httpx.AsyncClient, world: World) -> None:
    page = Watched(alice, await world.publish_now())
    await page.read()
    assert (await page.look()).status_code == httpx.codes.NO_CONTENT
    await world.outbox.deliver()
    await page.shows("View on")
    assert page.polls is None


async def test_time_alone_is_news_too(watched: Watched, world: World) -> None:
    await world.pass_time(timedelta(days=2))
    await watched.shows("It is due and waits for its turn.")


async def test_a_post_that_is_gone_is_gone_at_the_next_look(watched: Watched, world: World) -> None:
    await posts.delete(world.workspace, watched.post.id)
    assert (await watched.look()).status_code == httpx.codes.NOT_FOUND


async def test_the_evidence_of_a_try_is_seen(watched: Watched) -> None:
    delivery = (await of_post(watched.post))[0]
    attempt = Attempt(kind=AttemptKind.PUBLISH, number=1, worker="worker-1")
    begun = {"state": State.PUBLISHING, "attempts": 1, "tries": [attempt.model_dump()]}
    await put(delivery, updated_at=now() + timedelta(seconds=1), trouble=TROUBLE, **begun)
    await watched.shows("under way (claimed)")
    attempt.outcome, attempt.finished_at = "retry", now()
    await put(delivery, updated_at=now() + timedelta(seconds=2), tries=[attempt.model_dump()])
    await watched.shows("retry")


async def test_beside_a_failure_the_account_matters_too(watched: Watched, world: World) -> None:
    failed = (await of_post(watched.post))[0]
    await put(failed, state=State.FAILED, updated_at=now() + timedelta(seconds=1), trouble=TROUBLE)
    await watched.shows("Send again")
    await profiles.disconnect(world.workspace, failed.account_id)
    await watched.shows("Reconnect")


# --- doors ------------------------------------------------------------------------------------------------------------


async def test_who_signed_out_or_lost_the_place_is_told_nothing(watched: Watched, world: World) -> None:
    for lost in (Member.find({"user_id": world.alice.id}), LoginSession.find({"user_id": world.alice.id})):
        await lost.delete()
        answer = await watched.look()
        assert answer.status_code != httpx.codes.NO_CONTENT
        assert "status" not in answer.text
        assert "/sign-in" in answer.headers.get("hx-redirect", answer.headers.get("location", ""))


async def test_the_mark_of_another_workspaces_post_opens_nothing(watched: Watched, world: World) -> None:
    await put(watched.post, workspace_id=world.elsewhere.id)
    for delivery in await of_post(watched.post):
        await put(delivery, workspace_id=world.elsewhere.id)
    assert (await watched.look()).status_code == httpx.codes.NOT_FOUND
    assert watched.polls is not None
    assert "There is nothing here" in (await watched.alice.get(watched.polls)).text  # as a page of its own


async def test_the_mark_of_a_page_without_deliveries_is_no_key_to_what_is_not_there(
    alice: httpx.AsyncClient, world: World
) -> None:
    draft = await posts.save_draft(world.workspace, world.alice, world.draft())
    mark = watching.mark(await posts.view(world.workspace, draft.id), now())
    for post_id, status in ((draft.id, httpx.codes.NO_CONTENT), (Id(), httpx.codes.NOT_FOUND)):
        assert (await alice.get(f"/posts/{post_id}/status", params={"seen": mark})).status_code == status
