import re
from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from platforms.bluesky.tid import record_key

TID = re.compile(r"[234567abcdefghij][234567abcdefghijklmnopqrstuvwxyz]{12}")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NOON = datetime(2026, 9, 20, 12, 0, tzinfo=UTC)
moments = st.integers(0, 200 * 365 * 86_400_000_000).map(lambda microseconds: EPOCH + timedelta(microseconds=microseconds))


@given(moments, st.text())
def test_every_key_is_a_tid(at: datetime, key: str) -> None:
    assert TID.fullmatch(record_key(at, key))


def test_the_key_of_a_delivery_never_changes_between_releases() -> None:
    assert record_key(NOON, "delivery-1") == "3mvx5jsana7cn"


@given(moments, st.text())
def test_what_a_database_rounds_away_does_not_matter(at: datetime, key: str) -> None:
    stored = at.replace(microsecond=at.microsecond // 1000 * 1000)
    elsewhere = at.astimezone(timezone(timedelta(hours=9)))
    assert record_key(at, key) == record_key(stored, key) == record_key(elsewhere, key)


def test_a_thousand_posts_due_in_the_same_second_get_a_thousand_keys() -> None:
    assert len({record_key(NOON, f"delivery-{number}") for number in range(1000)}) == 1000


@given(moments, st.text(), st.text())
def test_later_seconds_sort_later(at: datetime, key: str, other: str) -> None:
    assert record_key(at, key) < record_key(at + timedelta(seconds=1), other)


@given(moments, st.text())
def test_the_tid_holds_the_second_it_was_made_for(at: datetime, key: str) -> None:
    number = 0
    for digit in record_key(at, key):
        number = number * 32 + "234567abcdefghijklmnopqrstuvwxyz".index(digit)
    assert (number >> 10) // 1_000_000 == int(at.timestamp())
