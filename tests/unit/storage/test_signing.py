"""Signed addresses: they allow what they were made for, until they end, and not a byte besides."""

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from app.sealing import Sealer
from app.storage import TooLarge, part_size
from app.storage.signing import Grant
from app.storage.values import LONGEST, MAX_PARTS, MAX_PUT, MIN_PART, until

OURS, THEIRS = Sealer("k" * 32), Sealer("o" * 32)
AT = datetime(2026, 5, 1, 12, tzinfo=UTC)
END = AT + timedelta(minutes=5)

words = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=12) | st.text(alphabet="\n\\n0", max_size=5)
numbers = st.integers(-1, 10**13)
names = st.from_regex(r"\A[a-z0-9./]{1,12}\Z")
methods = st.sampled_from(["PUT", "GET"])
grants = st.builds(Grant, methods, names, mime=words, size=numbers, upload=words, part=numbers, name=words)


def signature(grant: Grant, end: datetime = END, sealer: Sealer = OURS) -> tuple[int, str]:
    """What stands in the address."""
    query = parse_qs(urlsplit(grant.address(sealer, end)).query)
    return int(query["until"][0]), query["sig"][0]


def allowed(grant: Grant, until: int, sig: str, at: datetime = AT) -> bool:
    return grant.allowed(OURS, until=until, signature=sig, at=at)


@given(grants)
def test_an_address_allows_what_it_was_made_for_until_it_ends(grant: Grant) -> None:
    end, sig = signature(grant)
    assert allowed(grant, end, sig)
    assert allowed(grant, end, sig, END - timedelta(seconds=1))
    assert not allowed(grant, end, sig, END)
    assert not allowed(grant, end + 1, sig)
    assert not allowed(grant, end, sig[:-1])
    assert not allowed(grant, end, "")
    assert not allowed(grant, *signature(grant, sealer=THEIRS))


@given(grants, grants)
def test_an_address_allows_nothing_that_differs_in_anything(grant: Grant, other: Grant) -> None:
    assume(grant != other)
    assert not allowed(other, *signature(grant))


@given(grants, grants, st.sampled_from([field.name for field in fields(Grant)]))
def test_no_part_of_an_address_can_be_exchanged(grant: Grant, other: Grant, name: str) -> None:
    changed = replace(grant, **{name: getattr(other, name)})
    assume(changed != grant)
    assert not allowed(changed, *signature(grant))


def test_what_is_signed_for_files_is_no_signature_for_anything_else() -> None:
    grant = Grant("GET", "media/a.jpg")
    end, sig = signature(grant)
    assert not OURS.signed(f"media:media/a.jpg:{end}", sig)


def test_strangers_may_ask_with_any_number() -> None:
    assert not allowed(Grant("GET", "a.jpg"), 10**400, "x")
    assert not allowed(Grant("GET", "a.jpg"), -(10**400), "ä")


@given(st.timedeltas())
def test_an_address_ends_within_a_week(lasts: timedelta) -> None:
    if timedelta(seconds=1) <= lasts <= LONGEST:
        assert until(lasts, AT) == AT + lasts
    else:
        with pytest.raises(ValueError, match="7 days"):
            until(lasts, AT)


@given(st.integers(0, MAX_PARTS * MAX_PUT))
def test_every_size_is_cut_into_parts_that_every_server_takes(size: int) -> None:
    part = part_size(size)
    assert MIN_PART <= part <= MAX_PUT
    assert -(-size // part) <= MAX_PARTS
    assert part % (1024 * 1024) == 0


def test_what_is_too_large_for_any_number_of_parts_is_refused() -> None:
    with pytest.raises(TooLarge):
        part_size(MAX_PARTS * MAX_PUT + 1)
