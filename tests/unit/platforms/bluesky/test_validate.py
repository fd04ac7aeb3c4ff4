from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from platforms.base import Captions, Content, Media
from platforms.bluesky.adapter import Bluesky

FAMILY = "👩‍👩‍👧‍👦"
Make = Callable[..., Content]
Picture = Callable[..., Media]


def codes(content: Content) -> list[str]:
    adapter = Bluesky()
    return [problem.code for problem in adapter.validate(content, adapter.capabilities)]


def test_three_hundred_characters_fit_and_one_more_does_not(content: Make) -> None:
    adapter = Bluesky()
    assert codes(content("é" * 300)) == []
    (problem,) = adapter.validate(content("x" * 301), adapter.capabilities)
    assert (problem.field, problem.code, problem.blocks) == ("text", "too_long", True)
    assert problem.message.startswith("1 character too long")


def test_characters_are_counted_as_people_see_them(content: Make) -> None:
    adapter = Bluesky()
    assert adapter.count(content(FAMILY + "e\u0301"), adapter.capabilities) == 2


def test_many_bytes_in_few_characters_are_too_many(content: Make) -> None:
    assert codes(content(FAMILY * 120)) == []
    assert codes(content(FAMILY * 120 + "a")) == ["too_many_bytes"]


@pytest.mark.parametrize("text", ["", " \n\u3000"])
def test_a_post_needs_a_word_or_a_file(content: Make, picture: Picture, text: str) -> None:
    assert codes(content(text)) == ["empty"]
    assert codes(content(text, picture())) == []


def test_a_broken_character_is_told_and_does_not_raise(content: Make) -> None:
    assert codes(content("\ud800")) == ["not_text"]


def test_four_pictures_fit_and_five_do_not(content: Make, picture: Picture) -> None:
    pictures = [picture(name) for name in "abcde"]
    assert codes(content("x", *pictures[:4])) == []
    assert codes(content("x", *pictures)) == ["too_many"]


@pytest.mark.parametrize(
    ("facts", "code"),
    [
        ({"mime": "image/tiff"}, "wrong_type"),
        ({"mime": "video/mp4"}, "mixed"),
        ({"mime": "image/gif"}, None),
        ({"size": 2_000_001}, "too_large"),
        ({"alt": FAMILY * 2001}, "alt_too_long"),
        ({"size": 2_000_000, "alt": FAMILY * 2000}, None),
    ],
)
def test_each_file_is_looked_at(content: Make, picture: Picture, facts: dict[str, object], code: str | None) -> None:
    found = codes(content("x", picture("fine"), picture("b", **facts)))
    assert found == ([code] if code else [])


def test_a_missing_description_is_advice_and_comes_last(content: Make, picture: Picture) -> None:
    adapter = Bluesky()
    post = content("x", picture(alt=" "), picture("b", size=3_000_000))
    first, last = adapter.validate(post, adapter.capabilities)
    assert (first.code, first.blocks, last.code, last.blocks) == ("too_large", True, "alt_missing", False)
    assert first.message == "Picture 2 is larger than 2 MB. Make it smaller."


def test_a_server_that_takes_less_narrows_the_files(content: Make, picture: Picture) -> None:
    adapter = Bluesky()
    narrow = adapter.capabilities_for({"blob_bytes": 1_000_000})
    wide = adapter.capabilities_for({"blob_bytes": 50_000_000})
    post = content("x", picture(size=1_500_000))
    assert [problem.code for problem in adapter.validate(post, narrow)] == ["too_large"]
    assert adapter.validate(post, wide) == []
    assert adapter.capabilities == adapter.capabilities_for({}) == adapter.capabilities_for({"blob_bytes": 10**15})


# --- films, and pictures that move ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("facts", "code"),
    [
        ({}, None),
        ({"mime": "video/quicktime"}, "wrong_type"),
        ({"size": 300_000_001}, "too_large"),
        ({"duration": timedelta(minutes=10, seconds=1)}, "duration"),
    ],
)
def test_one_film_stands_by_itself(content: Make, picture: Picture, facts: dict[str, Any], code: str | None) -> None:
    film = picture("a", **{"mime": "video/mp4", "duration": timedelta(minutes=10)} | facts)
    assert codes(content("x", film)) == ([code] if code else [])
    assert "too_many" in codes(content("x", film, film))


def test_the_server_that_keeps_a_film_limits_it(content: Make, picture: Picture) -> None:
    adapter = Bluesky()
    film = picture("a", mime="video/mp4", size=60_000_000)
    small = adapter.capabilities_for({"blob_bytes": 50_000_000})
    assert [problem.code for problem in adapter.validate(content("x", film), small)] == ["too_large"]
    assert codes(content("x", film)) == []


def test_a_gif_that_would_stand_still_is_told_and_one_that_does_not_move_is_a_picture(content: Make, picture: Picture) -> None:
    assert codes(content("x", picture("a", mime="image/gif", frames=2))) == ["unfit"]
    assert codes(content("x", picture("a", mime="image/gif", size=2_000_001))) == ["too_large"]
    assert codes(content("x", picture("a", mime="image/gif"), picture("b"))) == []


@pytest.mark.parametrize(
    ("captions", "code"),
    [
        ([Captions("en", "x" * 20_000)] * 20, None),
        ([Captions("en", "x")] * 21, "too_many_captions"),
        ([Captions("en", "é" * 10_001)], "captions_too_large"),
        ([Captions("English, I think", "x")], "captions_language"),
        ([Captions("", "x")], "captions_language"),
        ([Captions("pt-BR", "x")], None),
    ],
)
def test_captions_are_looked_at(content: Make, picture: Picture, captions: list[Captions], code: str | None) -> None:
    film = replace(picture("a", mime="video/mp4"), captions=tuple(captions))
    assert codes(content("x", film)) == ([code] if code else [])
