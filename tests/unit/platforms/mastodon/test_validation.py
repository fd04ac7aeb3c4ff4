import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platforms.base import Content, Media
from platforms.mastodon.adapter import Mastodon
from tests.unit.platforms.mastodon.instance import Picture, post

mastodon = Mastodon()


def codes(content: Content, **limits: Any) -> list[str]:
    return [problem.code for problem in mastodon.validate(content, mastodon.capabilities_for(limits))]


def picture(*, alt: str = "A bell", **changes: Any) -> Media:
    media = Picture("m1", alt).media
    return dataclasses.replace(media, facts=dataclasses.replace(media.facts, **changes))


def test_an_ordinary_post_has_no_problems() -> None:
    assert codes(post("Hello https://a.example", media=(picture(),), options={"visibility": "private"})) == []


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (post(""), ["empty"]),
        (post(" \n"), ["empty"]),
        (post("", options={"warning": "Bells"}), ["empty"]),
        (post("", media=(picture(),)), []),
        (post("x" * 500), []),
        (post("x" * 501), ["too_long"]),
        (post("x" * 496, options={"warning": "Bells"}), ["too_long"]),
        (post("👨‍👩‍👧‍👦" * 500), []),
        (post(options={"visibility": "direct"}), ["unknown"]),
        (post(media=(picture(),) * 5), ["too_many"]),
        (post(media=(picture(mime="application/pdf"),)), ["wrong_type"]),
        (post(media=(picture(mime="video/mp4", size=99 * 1024 * 1024),)), []),
        (post(media=(picture(mime="video/mp4", size=99 * 1024 * 1024 + 1),)), ["too_large"]),
        (post(media=(picture(mime="video/mp4"), picture())), ["mixed"]),
        (post(media=(picture(size=16 * 1024 * 1024 + 1),)), ["too_large"]),
        (post(media=(picture(width=10_000, height=4_000),)), ["pixels"]),
        (post(media=(picture(mime="image/gif", width=1280, height=720),)), []),
        (post(media=(picture(mime="image/gif", width=1281, height=720),)), ["pixels"]),
        (post(media=(picture(alt="x" * 1501),)), ["alt_too_long"]),
        (post(media=(picture(alt=" "),)), ["alt_missing"]),
    ],
)
def test_each_problem_is_found_before_the_server_finds_it(content: Content, expected: list[str]) -> None:
    assert codes(content) == expected


def test_this_servers_own_limits_are_the_ones_that_count() -> None:
    assert codes(post("x" * 4000), max_characters=5000) == []
    assert codes(post(media=(picture(mime="image/webp"),)), supported_mime_types=["image/png"]) == ["wrong_type"]
    assert codes(post(media=(picture(),) * 5), max_media_attachments=6) == []


def test_a_person_is_told_by_how_much_the_text_is_too_long() -> None:
    (problem,) = mastodon.validate(post("x" * 512), mastodon.capabilities)
    assert problem.message == "12 characters too many: this server allows 500."


def test_a_missing_description_is_advice_and_comes_after_what_blocks() -> None:
    content = post("x" * 501, media=(picture(alt=""), picture(alt="", size=10**9)))
    found = mastodon.validate(content, mastodon.capabilities)
    assert [problem.blocks for problem in found] == [True, True, False, False]


contents = st.builds(
    lambda text, warning, visibility, mime, width: post(
        text, options={"warning": warning, "visibility": visibility}, media=(picture(mime=mime, width=width),)
    ),
    st.text(),
    st.text(),
    st.text(),
    st.text(),
    st.integers(),
)


@given(contents)
def test_validation_never_raises_and_agrees_with_the_count(content: Content) -> None:
    too_long = "too_long" in codes(content, max_characters=10)
    capabilities = mastodon.capabilities_for({"max_characters": 10})
    assert too_long == (mastodon.count(content, capabilities) > 10)
