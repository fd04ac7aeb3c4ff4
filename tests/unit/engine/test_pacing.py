"""The decisions behind pacing: when there is room again, by an hour or by a day."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.engine import share
from app.engine.pacing import begin, hour_of, wait
from platforms.base import Midnight, Quota

START = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def send_all(pauses: list[float], quota: Quota) -> list[datetime]:
    """Times at which posts leave when each is asked for ``pause`` seconds after the one before it left."""
    at, sent = START, []
    for pause in pauses:
        at += timedelta(seconds=pause)
        at += wait([one for one in sent if one > begin(quota, at)], quota.posts, quota, at)
        sent.append(at)
    return sent


@given(st.lists(st.floats(0, 900), max_size=200), st.integers(1, 60), st.integers(1, 7))
def test_no_hour_sees_more_than_the_limit(pauses: list[float], posts: int, cost: int) -> None:
    sent = send_all(pauses, Quota(posts * cost, HOUR, cost=cost))
    for first in sent:
        assert len([at for at in sent if first <= at < first + HOUR]) <= posts


def test_nobody_waits_longer_than_until_the_oldest_one_counts_no_more() -> None:
    quota = Quota(2, HOUR)
    sent = [START - timedelta(minutes=50), START - timedelta(minutes=20), START - timedelta(minutes=10)]
    assert wait(sent, 2, quota, START) == timedelta(minutes=40)
    assert wait(sent[:1], 2, quota, START) == timedelta()


@pytest.mark.parametrize(
    ("at", "since", "until"),
    [
        ("2026-07-01T12:00+00:00", "2026-07-01T07:00+00:00", "2026-07-02T07:00+00:00"),
        ("2026-12-01T07:59+00:00", "2026-11-30T08:00+00:00", "2026-12-01T08:00+00:00"),
        ("2026-11-01T20:00+00:00", "2026-11-01T07:00+00:00", "2026-11-02T08:00+00:00"),  # a day of 25 hours
    ],
)
def test_a_day_begins_at_midnight_of_the_networks_own_clock(at: str, since: str, until: str) -> None:
    quota, now = Quota(1, Midnight("America/Los_Angeles")), datetime.fromisoformat(at)
    assert begin(quota, now) == datetime.fromisoformat(since)
    assert now + wait([now], 1, quota, now) == datetime.fromisoformat(until)


def test_a_post_that_costs_more_than_there_is_can_be_sent_all_the_same() -> None:
    assert Quota(2, HOUR, cost=3).posts == Quota(0, HOUR, cost=0).posts == 1


def test_hours_are_named_so_that_they_sort_and_in_utc() -> None:
    summer = datetime.fromisoformat("2026-07-01T01:30+02:00")
    assert hour_of(summer) == hour_of(datetime.fromisoformat("2026-06-30T23:59+00:00")) == "h495239"
    assert hour_of(summer) < hour_of(summer + HOUR)


def test_one_lane_never_takes_all_threads() -> None:
    assert [share(64, platforms) for platforms in (1, 2, 3, 10)] == [64, 32, 25, 10]
    assert share(1, 10) == 1
