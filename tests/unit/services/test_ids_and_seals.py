"""Ids that sort by age, and seals that only their own key opens."""

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from app.ids import Id
from app.sealing import SealBroken, Sealer

SEALER = Sealer("k" * 32)
OTHER = Sealer("o" * 32)


class Form(BaseModel):
    id: Id


def test_ids_are_all_different_and_have_the_form_of_one() -> None:
    made = {Id() for _ in range(10_000)}
    assert len(made) == 10_000
    assert all(Id.is_valid(one) and Id(one) == one for one in made)


def test_ids_sort_by_age(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(1_800_000_000_000, 1_800_000_000_100))
    monkeypatch.setattr("time.time_ns", lambda: next(clock) * 1_000_000)
    made = [Id() for _ in range(100)]
    assert made == sorted(made)


@pytest.mark.parametrize("text", ["", "0" * 27, "0" * 29, "g" * 28, "A" * 28, f"{'0' * 28}\n", " " + "0" * 27, "٠" * 28])
def test_what_is_no_id_is_refused_everywhere(text: str) -> None:
    assert not Id.is_valid(text)
    with pytest.raises(ValueError, match="is no id"):
        Id(text)
    with pytest.raises(ValidationError):
        Form(id=text)


@pytest.mark.parametrize("thing", [None, 5, b"0" * 28, ["0" * 28]])
def test_only_text_can_be_an_id(thing: object) -> None:
    assert not Id.is_valid(thing)


def test_an_id_stays_one_on_its_way_through_forms_and_pickles() -> None:
    one = Id()
    assert type(Form(id=str(one)).id) is Id
    assert Form.model_validate_json(Form(id=one).model_dump_json()).id == one
    assert pickle.loads(pickle.dumps(one)) == one


@given(st.dictionaries(st.text(), st.text()))
def test_what_is_sealed_opens_with_the_same_key(values: dict[str, str]) -> None:
    assert SEALER.open(SEALER.seal(values)) == values


def test_a_seal_shows_nothing_and_is_never_the_same_twice() -> None:
    one, two = SEALER.seal({"access": "token"}), SEALER.seal({"access": "token"})
    assert one != two
    assert "token" not in one


@pytest.mark.parametrize("sealed", ["", "nonsense", OTHER.seal({"access": "token"}), SEALER.seal({"a": "b"})[:-4] + "AAA="])
def test_a_seal_that_is_broken_or_another_keys_does_not_open(sealed: str) -> None:
    with pytest.raises(SealBroken):
        SEALER.open(sealed)


@given(st.text(), st.text())
def test_a_signature_fits_its_text_and_no_other(text: str, other: str) -> None:
    signature = SEALER.sign(text)
    assert SEALER.signed(text, signature)
    assert SEALER.signed(other, signature) == (text == other)
    assert not OTHER.signed(text, signature)
    assert not SEALER.signed(text, other)


def test_keys_for_sealing_and_signing_are_not_the_secret_itself() -> None:
    assert Sealer("k" * 32).sign("x") == SEALER.sign("x") != OTHER.sign("x")
