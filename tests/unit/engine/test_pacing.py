"""The rate buckets never let more through in an hour than they promise."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from actors.engine import share
from app.engine.pacing import after_one, wait
from app.models import EPOCH

START = datetime(2026, 11, 22, 12, tzinfo=UTC)


def send_all(pauses: list[float], per_hour: int) -> list[datetime]:
    """Times at which posts leave when each is asked for ``pause`` seconds after the one before it left."""
    at, full_at, sent = START, EPOCH, []
    for pause in pauses:
        at += timedelta(seconds=pause)
        at += wait(full_at, at)
        full_at = after_one(full_at, at, per_hour)
        sent.append(at)
    return sent


@given(st.lists(st.floats(0, 900), max_size=200), st.integers(1, 60))
def test_no_hour_sees_more_than_the_limit(pauses: list[float], per_hour: int) -> None:
    sent = send_all(pauses, per_hour)
    for first in sent:
        within = [at for at in sent if first <= at < first + timedelta(minutes=59, seconds=59)]
        assert len(within) <= per_hour + 1  # a window closed on both sides may hold the one that opens the next hour


def test_half_of_the_allowance_may_go_at_once() -> None:
    sent = send_all([0] * 60, per_hour=100)
    assert [at for at in sent if at == START] == sent[:51]
    assert sent[51] > START


def test_an_idle_bucket_fills_again() -> None:
    full_at = after_one(EPOCH, START, per_hour=2)
    assert wait(full_at, START + timedelta(days=1)) == timedelta()


def test_one_lane_never_takes_all_threads() -> None:
    assert [share(64, platforms) for platforms in (1, 2, 3, 10)] == [64, 32, 25, 10]
    assert share(1, 10) == 1
