"""Ranges of a file, as browsers and players ask for them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.routes.ranges import Range, parse

WHOLE = Range(0, 100, 100, whole=True)


@pytest.mark.parametrize(
    ("header", "start", "end"),
    [
        ("bytes=0-", 0, 100),
        ("bytes=0-0", 0, 1),
        ("bytes=99-", 99, 100),
        ("bytes=10-19", 10, 20),
        ("bytes=90-500", 90, 100),
        ("bytes=-1", 99, 100),
        ("bytes=-100", 0, 100),
        ("bytes=-999", 0, 100),
        (" bytes=5-6 ", 5, 7),
    ],
)
def test_a_single_range_is_understood(header: str, start: int, end: int) -> None:
    found = parse(header, 100)
    assert found == Range(start, end, 100)
    assert (found.length, found.content_range) == (end - start, f"bytes {start}-{end - 1}/100")


@pytest.mark.parametrize(
    "header", ["", "bytes=-", "bytes=5-1", "bytes=0-1,5-6", "lines=1-2", "bytes=a-b", "bytes=٣-٤", "bytes 0-1"]
)
def test_what_is_no_single_range_is_ignored(header: str) -> None:
    assert parse(header, 100) == WHOLE


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=100-200", "bytes=-0", "bytes=9999999999999999999-"])
def test_a_range_behind_the_end_asks_for_nothing(header: str) -> None:
    assert parse(header, 100) is None


def test_an_empty_file_has_no_range() -> None:
    assert parse("bytes=0-", 0) is None
    assert parse("bytes=-5", 0) is None
    assert parse("", 0) == Range(0, 0, 0, whole=True)


@given(st.text(max_size=40) | st.from_regex(r"\Abytes=[0-9]{0,25}-[0-9]{0,25}\Z"), st.integers(0, 10**13))
def test_no_header_leads_out_of_the_file(header: str, size: int) -> None:
    found = parse(header, size)
    assert found is None or 0 <= found.start <= found.end <= size
