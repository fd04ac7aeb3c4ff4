"""Times that people type, in every zone, through every change of the clocks."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import Invalid
from app.zones import ZONES, local, next_full_hour, parse

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("date", "time", "zone", "expected"),
    [
        ("2026-11-30", "14:05", "UTC", "2026-11-30T14:05"),
        ("2026-11-30", "14:05", "Europe/Berlin", "2026-11-30T13:05"),
        ("2026-07-01", "14:05", "Europe/Berlin", "2026-07-01T12:05"),
        ("2026-11-30", "00:10", "Asia/Kathmandu", "2026-11-29T18:25"),
        ("2026-12-31", "23:30", "America/St_Johns", "2027-01-01T03:00"),
        ("2028-02-29", "09:00", "Pacific/Auckland", "2028-02-28T20:00"),
    ],
)
def test_a_wall_clock_means_one_instant(date: str, time: str, zone: str, expected: str) -> None:
    assert parse(date, time, zone) == instant(expected)


@pytest.mark.parametrize(
    ("date", "time", "zone"),
    [
        ("2027-03-28", "02:30", "Europe/Berlin"),
        ("2027-03-28", "02:00", "Europe/Berlin"),
        ("2027-03-14", "02:59", "America/New_York"),
        ("2026-10-04", "02:15", "Australia/Lord_Howe"),
        ("2027-03-28", "00:30", "Asia/Beirut"),
    ],
)
def test_a_time_that_the_spring_change_skips_is_refused_in_words(date: str, time: str, zone: str) -> None:
    with pytest.raises(Invalid) as refusal:
        parse(date, time, zone)
    assert set(refusal.value.problems) == {"time"}
    assert time in refusal.value.problems["time"]


@pytest.mark.parametrize(
    ("date", "time", "zone", "expected"),
    [
        ("2027-03-28", "01:59", "Europe/Berlin", "2027-03-28T00:59"),
        ("2027-03-28", "03:00", "Europe/Berlin", "2027-03-28T01:00"),
    ],
)
def test_the_minutes_around_the_gap_exist(date: str, time: str, zone: str, expected: str) -> None:
    assert parse(date, time, zone) == instant(expected)


@pytest.mark.parametrize(
    ("date", "time", "zone", "expected"),
    [
        ("2026-10-25", "02:30", "Europe/Berlin", "2026-10-25T00:30"),
        ("2026-11-01", "01:30", "America/New_York", "2026-11-01T05:30"),
        ("2027-04-04", "01:45", "Australia/Lord_Howe", "2027-04-03T14:45"),
    ],
)
def test_of_a_time_that_comes_twice_the_first_is_meant(date: str, time: str, zone: str, expected: str) -> None:
    assert parse(date, time, zone) == instant(expected)


@pytest.mark.parametrize(
    ("date", "time", "zone", "field"),
    [
        ("", "", "UTC", "date"),
        ("2026-11-30", "", "UTC", "date"),
        ("", "14:05", "UTC", "date"),
        ("2026-02-29", "14:05", "UTC", "date"),
        ("tomorrow", "noon", "UTC", "date"),
        ("0001-01-01", "00:00", "Asia/Tokyo", "date"),
        ("9999-12-31", "23:59", "America/New_York", "date"),
        ("2026-11-30", "14:05Z", "UTC", "time"),
        ("2026-11-30", "14:05+05:30", "UTC", "time"),
        ("2026-11-30", "14:05", "", "zone"),
        ("2026-11-30", "14:05", "CET", "zone"),
        ("2026-11-30", "14:05", "../UTC", "zone"),
    ],
)
def test_what_is_no_time_names_its_field(date: str, time: str, zone: str, field: str) -> None:
    with pytest.raises(Invalid) as refusal:
        parse(date, time, zone)
    assert set(refusal.value.problems) == {field}


@given(
    at=st.integers(0, 5 * 366 * 24 * 60).map(lambda minutes: NEW_YEAR + timedelta(minutes=minutes)),
    zone=st.sampled_from(ZONES),
)
def test_what_a_clock_shows_is_read_back_as_the_same_time_or_its_first_coming(at: datetime, zone: str) -> None:
    shown = local(at, zone)
    read = parse(f"{shown:%Y-%m-%d}", f"{shown:%H:%M}", zone)
    assert local(read, zone).replace(tzinfo=None) == shown.replace(tzinfo=None)
    assert read == at or (shown.fold == 1 and timedelta() < at - read <= timedelta(hours=3))


def test_the_list_offers_places_and_utc() -> None:
    assert {"UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Pacific/Chatham"} <= set(ZONES)
    assert not {"CET", "EST5EDT", "Etc/GMT+5", "posix/UTC", "localtime"} & set(ZONES)
    assert list(ZONES) == sorted(ZONES)


@given(
    at=st.integers(0, 20 * 366 * 24 * 60).map(lambda minutes: NEW_YEAR + timedelta(minutes=minutes)),
    zone=st.sampled_from(ZONES),
)
def test_the_next_full_hour_exists_and_is_near(at: datetime, zone: str) -> None:
    hour = next_full_hour(at, zone)
    assert (hour.minute, hour.second) == (0, 0)
    assert timedelta(minutes=9) <= hour.astimezone(UTC) - at <= timedelta(minutes=131)
    assert local(parse(f"{hour:%Y-%m-%d}", f"{hour:%H:%M}", zone), zone).replace(tzinfo=None) == hour.replace(tzinfo=None)


def test_where_the_clocks_are_put_forward_the_hour_that_is_skipped_is_not_proposed() -> None:
    """Half past one in Berlin on the night of 29 March 2026: two o'clock does not exist."""
    assert f"{next_full_hour(datetime(2026, 3, 29, 0, 30, tzinfo=UTC), 'Europe/Berlin'):%H:%M}" == "03:00"
