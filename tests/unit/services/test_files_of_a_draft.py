"""Files in the composer: a form's words become choices that hold, and come back from the post as they went."""

import math
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from litestar.datastructures import FormMultiDict

from app.ids import Id
from app.models import Attachment, MediaFile
from app.pictures import stored
from app.routes import forms
from app.services.writing import choices, drafts
from app.services.writing.drafts import Draft, field_name
from app.services.writing.framing import Framed, framed
from platforms.base import MediaFacts, MediaKind, MediaRule
from platforms.fitting import AS_THEY_ARE, Choices, Ratio, Rendition, Shape, plan

ONE, TWO, THREE = Id("0" * 27 + "1"), Id("0" * 27 + "2"), Id("0" * 27 + "3")
ACCOUNT = Id("a" * 28)

shares = st.floats(0, 1)
times = st.lists(st.floats(0, choices.LONGEST), min_size=2, max_size=2, unique=True).map(lambda pair: tuple(sorted(pair)))
colours = st.text("0123456789abcdef", min_size=6, max_size=6).map(lambda digits: f"#{digits}")
words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r")).map(str.strip)


def chosen(media_id: Id) -> st.SearchStrategy[Attachment]:
    return st.builds(
        Attachment,
        media_id=st.just(media_id),
        alt=words,
        shape=st.sampled_from(Shape),
        ratio=st.sampled_from(Ratio),
        focus=st.none() | st.tuples(shares, shares),
        colour=colours,
        trim=st.none() | times,
    ).filter(lambda each: each.ratio is Ratio.KEEP or each.shape is not Shape.ASK)


some = st.permutations([ONE, TWO, THREE]).flatmap(lambda ids: st.tuples(*map(chosen, ids[:2])))


def fields(draft: Draft) -> FormMultiDict:
    """The form that shows ``draft``, as a browser sends it."""
    found: list[tuple[str, Any]] = []
    for account, files in [(None, draft.attachments), *draft.files.items()]:
        if account:
            found.append((f"files-{account}", "own"))
        for each in files:
            found.append((f"media-{account}" if account else "media", each.media_id))
            for aspect, value in {"alt": each.alt, **choices.written(each)}.items():
                found.append((field_name(aspect, each.media_id, account), value))
    return FormMultiDict(found)


@given(some, some)
def test_a_form_gives_back_exactly_what_it_showed(shared: tuple[Attachment, ...], own: tuple[Attachment, ...]) -> None:
    draft = Draft(attachments=shared, files={ACCOUNT: own})
    assert forms.draft(fields(draft)) == draft


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(choices.ASPECTS, st.text(max_size=70) | st.floats().map(str))))
def test_whatever_is_typed_gives_choices_that_hold_or_words_beside_the_field(typed: dict[str, str]) -> None:
    found, refused = choices.read(ONE, "", typed)
    assert set(refused) <= set(typed)
    assert all(refused[aspect].value == typed[aspect] for aspect in refused)
    assert all(0 <= share <= 1 for share in found.focus or ())
    assert len(found.colour) == len("#rrggbb")
    assert found.trim is None or (0 <= found.trim[0] < found.trim[1] < math.inf)
    assert choices.read(ONE, "", choices.written(found)) == (found, {})


@pytest.mark.parametrize(
    ("aspect", "value", "words"),
    [
        ("ratio", "2:1", "offered"),
        ("shape", "stretch", "offered"),
        ("focus", "left", "inside the picture"),
        ("focus", "nan,0.5", "inside the picture"),
        ("focus", "0.1,0.2,0.3", "inside the picture"),
        ("colour", "red", "six digits"),
        ("colour", "#12345", "six digits"),
        ("colour", "#fff;}", "six digits"),
        ("from", "soon", "number"),
        ("from", "-1", "number"),
        ("to", "inf", "number"),
        ("to", "0", "after the beginning"),
    ],
)
def test_what_cannot_be_meant_is_told_and_kept(aspect: str, value: str, words: str) -> None:
    draft = forms.draft(FormMultiDict([("media", ONE), (f"{aspect}-{ONE}", value)]))
    assert draft.attachments == (Attachment(media_id=ONE),)
    assert draft.refused[f"{aspect}-{ONE}"].value == value
    assert words in draft.faults()[f"{aspect}-{ONE}"]


def test_who_chose_a_shape_and_not_how_to_get_there_gets_a_crop() -> None:
    found, refused = choices.read(ONE, "", {"ratio": "4:5", "shape": "ask"})
    assert (found.ratio, found.shape, refused) == (Ratio.PORTRAIT, Shape.CROP, {})
    assert choices.read(ONE, "", {"ratio": "4:5", "shape": "pad"})[0].shape is Shape.PAD


def test_a_good_beginning_is_kept_beside_a_bad_end() -> None:
    _, refused = choices.read(ONE, "", {"from": "2.5", "to": "x"})
    assert (refused["from"].value, refused["from"].message, refused["to"].value) == ("2.5", "", "x")


def test_points_outside_are_brought_in_and_seconds_may_have_a_comma() -> None:
    found, refused = choices.read(ONE, "", {"focus": "-3,7", "from": "1,5", "colour": "#ABCDEF"})
    assert (found.focus, found.trim, found.colour, refused) == ((0.0, 1.0), (1.5, choices.LONGEST), "#abcdef", {})


def film(seconds: float) -> MediaFile:
    facts = MediaFacts("video/mp4", 1000, 640, 360, frames=100, duration=timedelta(seconds=seconds))
    made = MediaFile.model_construct(workspace_id=Id(), mime=facts.mime, size=facts.size, facts=stored(facts))
    assert isinstance(made, MediaFile)
    return made


@pytest.mark.parametrize(
    ("trim", "kept"),
    [((2.0, 90.0), (2.0, 8.0)), ((0.0, 90.0), None), ((0.0, 3.0), (0.0, 3.0)), (None, None), ((8.0, 9.0), (8.0, 9.0))],
)
def test_a_cut_ends_with_the_film(trim: tuple[float, float] | None, kept: tuple[float, float] | None) -> None:
    attachment = Attachment(media_id=ONE, trim=trim)
    assert choices.within(attachment, film(8)).trim == kept
    assert (choices.misses(attachment, film(8)) is not None) == (trim == (8.0, 9.0))


# --- an account's own, and the order ----------------------------------------------------------------------------------

FILES = tuple(Attachment(media_id=each, alt=str(each)) for each in (ONE, TWO, THREE))


def order(draft: Draft, account: Id | None = None) -> list[Id]:
    return [each.media_id for each in (draft.files[account] if account else draft.attachments)]


@pytest.mark.parametrize(
    ("which", "by", "then"),
    [
        (TWO, -1, [TWO, ONE, THREE]),
        (TWO, 1, [ONE, THREE, TWO]),
        (ONE, -1, [ONE, TWO, THREE]),
        (THREE, 1, [ONE, TWO, THREE]),
        (ACCOUNT, 1, [ONE, TWO, THREE]),
    ],
)
def test_a_file_moves_one_place_and_never_out_of_the_row(which: Id, by: int, then: list[Id]) -> None:
    draft = drafts.parted(Draft(attachments=FILES), ACCOUNT)
    assert order(drafts.moved(draft, which, by)) == then
    apart = drafts.moved(draft, which, by, account_id=ACCOUNT)
    assert (order(apart), order(apart, ACCOUNT)) == ([ONE, TWO, THREE], then)


def test_an_accounts_files_begin_as_the_posts_stay_as_they_are_and_can_go_back() -> None:
    draft = drafts.removed(drafts.parted(Draft(attachments=FILES), ACCOUNT), TWO)
    assert (order(draft), order(draft, ACCOUNT)) == ([ONE, THREE], [ONE, TWO, THREE])
    assert drafts.parted(draft, ACCOUNT) == draft
    assert drafts.rejoined(draft, ACCOUNT) == replace(draft, files={})


def test_no_file_is_there_twice() -> None:
    assert drafts.added(Draft(attachments=FILES[:2]), FILES) == Draft(attachments=FILES)


def test_too_many_files_of_one_account_are_too_many() -> None:
    many = tuple(Attachment(media_id=Id()) for _ in range(41))
    assert "media" in Draft(files={ACCOUNT: many}).faults()


# --- how a preview draws it -------------------------------------------------------------------------------------------

BANNER = MediaFacts("image/png", 5_000, 400, 100, pixels="RGBA", alpha=True)
SQUARE = MediaRule(MediaKind.IMAGE, 4, frozenset({"image/jpeg"}), 100_000, shapes=(1.0, 1.0), transparency=False)


def look(rule: MediaRule, given: Choices) -> Framed | None:
    planned = plan(BANNER, rule, given)
    assert isinstance(planned, Rendition)
    return framed(BANNER, planned)


def test_a_crop_is_a_window_on_the_picture() -> None:
    shown = look(SQUARE, Choices(Shape.CROP, (0.0, 0.5), "#102030"))
    assert shown == Framed((0, 0, 100, 100), (0, 0, 400, 100), "#102030")


def test_a_border_is_a_sheet_behind_the_picture() -> None:
    shown = look(SQUARE, Choices(Shape.PAD, colour="#102030"))
    assert shown == Framed((0, 0, 400, 400), (0, 150, 400, 100), "#102030")


def test_a_crop_that_is_made_smaller_shows_the_same_part() -> None:
    shown = look(replace(SQUARE, largest=(50, 50)), Choices(Shape.CROP, (1.0, 0.5)))
    assert shown == Framed((300, 0, 100, 100), (0, 0, 400, 100), "#ffffff")


def test_what_only_gets_smaller_looks_as_it_is() -> None:
    assert (
        look(replace(SQUARE, shapes=None, transparency=True, mimes=frozenset({"image/png"}), max_pixels=400), AS_THEY_ARE) is None
    )
