"""What a draft means for one account."""

import pytest

from app.ids import Id
from app.models import Variant
from app.services.writing import composing
from app.services.writing.drafts import Draft
from platforms import REGISTRY
from platforms.base import Option, OptionType, choices_of
from tests.unit.services.documents import account

CHOICES = (
    Option("visibility", "Visibility", OptionType.CHOICE, choices=(("public", "Public"), ("private", "Followers"))),
    Option("warning", "Warning", max_length=20),
    Option("notify", "Notify followers", OptionType.TOGGLE, default="yes"),
)


def test_an_account_without_a_text_of_its_own_follows_the_post() -> None:
    alice = account()
    assert Draft(text="Ring").variant(alice) == Variant(account_id=alice.id, text=None)


@pytest.mark.parametrize("own", ["One\nTwo", "One\r\nTwo", " One\rTwo\n"])
def test_the_posts_own_words_are_no_text_of_ones_own(own: str) -> None:
    alice = account()
    assert Draft(text="One\r\nTwo ", texts={alice.id: own}).variant(alice).text is None


@pytest.mark.parametrize("own", ["Two", "One\n\nTwo", ""])
def test_other_words_are(own: str) -> None:
    alice = account()
    assert Draft(text="One\nTwo", texts={alice.id: own, Id(): "Nobody's"}).variant(alice).text == own


@pytest.mark.parametrize("platform", REGISTRY)
def test_options_a_platform_does_not_know_are_left_out(platform: str) -> None:
    alice = account(platform)
    known = {option.key: "x" for option in REGISTRY[platform].capabilities.options}
    draft = Draft(text="Ring", options={alice.id: {**known, "made_up": "x"}, Id(): {"made_up": "y"}})
    assert draft.variant(alice).options == known


@pytest.mark.parametrize(
    ("values", "wrong"),
    [
        ({}, []),
        ({"visibility": "private"}, []),
        ({"visibility": ""}, []),
        ({"visibility": "direct"}, ["visibility"]),
        ({"warning": "anything"}, []),
        ({"warning": "👩‍👩‍👧‍👦" * 20}, []),
        ({"warning": "x" * 21}, ["warning"]),
        ({"notify": "no"}, []),
        ({"notify": "maybe"}, ["notify"]),
    ],
)
def test_a_value_that_no_form_offers_is_a_problem(values: dict[str, str], wrong: list[str]) -> None:
    found = composing._option_problems(CHOICES, values)
    assert [problem.field for problem in found] == wrong
    assert all(problem.blocks for problem in found)


def test_an_option_that_the_network_demands_must_be_answered() -> None:
    kids = Option("kids", "Made for kids", OptionType.CHOICE, choices=(("yes", "Yes"), ("no", "No")), required=True)
    board = Option("board", "Board", OptionType.CHOICE, required=True)
    assert [one.code for one in composing._option_problems((kids, board), {})] == ["required", "no_choice"]
    assert [one.code for one in composing._option_problems((kids,), {"kids": "no"})] == []


@pytest.mark.parametrize("odd", [None, 7, "ab", b"ab", {"a": "b"}, [["a"]], [["a", 1]], [["", "A"]], ["ab"], [["a", "b", "c"]]])
def test_choices_that_an_account_brings_along_are_believed_only_as_such(odd: object) -> None:
    assert choices_of(odd) == ()
    assert choices_of([["1", "News"], odd, ["2", "x" * 201]]) == (("1", "News"),)
    assert len(choices_of([["1", "News"]] * 1000)) == 200
