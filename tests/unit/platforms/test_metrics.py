"""Counts as networks tell them: numbers, numbers as text, and nonsense."""

from collections.abc import AsyncIterator

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from platforms.base import Metrics, Session, counted
from platforms.bluesky.adapter import Bluesky
from platforms.errors import Unavailable
from platforms.mastodon.adapter import Mastodon


class Network:
    """Answers every question with ``answer``, and notes how often it was asked."""

    def __init__(self) -> None:
        self.answer: object = {}
        self.asked: list[httpx.URL] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.url)
        return httpx.Response(200, json=self.answer)


@pytest.fixture
def network() -> Network:
    return Network()


@pytest.fixture
async def session(network: Network) -> AsyncIterator[Session]:
    async with httpx.AsyncClient(transport=httpx.MockTransport(network)) as http:
        yield Session("https://server.test", "alice", "alice", {"access": "token"}, {}, http)


async def test_one_network_counts_under_its_own_names(network: Network, session: Session) -> None:
    network.answer = {"id": "7", "favourites_count": 3, "reblogs_count": 2, "replies_count": "many", "quotes_count": None}
    assert await Mastodon().metrics(session, ["7"]) == {"7": Metrics(likes=3, reposts=2)}
    network.answer = {"id": "8"}
    assert await Mastodon().metrics(session, ["7"]) == {}


async def test_another_counts_many_posts_at_once(network: Network, session: Session) -> None:
    ids = [f"at://did:plc:alice/app.bsky.feed.post/{number}" for number in range(60)]
    counts = {"likeCount": 5, "repostCount": 0, "replyCount": 1, "quoteCount": -1}
    network.answer = {"posts": [{"uri": ids[0], **counts}, {"uri": "at://somebody/else"}, "odd"]}
    assert await Bluesky().metrics(session, ids) == {ids[0]: Metrics(likes=5, reposts=0, replies=1)}
    network.answer = {"posts": None}
    with pytest.raises(Unavailable):
        await Bluesky().metrics(session, ids[:1])
    network.asked.pop()
    assert [len(url.params.get_list("uris")) for url in network.asked] == [25, 25, 10]


@pytest.mark.parametrize(
    ("told", "number"), [(0, 0), ("12", 12), ("", None), ("9" * 20, None), (True, None), (-1, None), (1.5, None), (None, None)]
)
def test_only_a_number_is_a_number(told: object, number: int | None) -> None:
    assert counted(told) == number


@given(st.one_of(st.integers(), st.text(), st.floats(), st.lists(st.text())))
def test_no_count_is_too_odd_or_too_large(told: object) -> None:
    number = counted(told)
    assert number is None or 0 <= number < 2**53
