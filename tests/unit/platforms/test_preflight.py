"""Which files a network takes: kinds, mixtures and measures of each."""

from datetime import timedelta
from typing import Any

import pytest

from platforms import preflight
from platforms.base import NO_MEDIA, Media, MediaFacts, MediaKind, MediaRule, MediaRules
from tests.contract.harness import Pieces

MIXED = frozenset({MediaKind.IMAGE, MediaKind.VIDEO})
CAROUSEL = MediaRules(
    (
        MediaRule(MediaKind.IMAGE, 10, frozenset({"image/jpeg"}), 8_000_000, shapes=(0.8, 1.91), alt_limit=1000),
        MediaRule(
            MediaKind.VIDEO,
            10,
            frozenset({"video/mp4", "video/quicktime"}),
            300_000_000,
            smallest=(540, 960),
            largest=(1920, 1920),
            durations=(timedelta(seconds=3), timedelta(minutes=15)),
        ),
    ),
    max_count=10,
    min_count=1,
    mixed=(MIXED,),
)
"""Like Instagram's."""
ONE_OF = MediaRules(
    (
        MediaRule(MediaKind.IMAGE, 4, frozenset({"image/png"}), 5_000_000, max_pixels=1_000_000),
        MediaRule(MediaKind.GIF, 1, frozenset({"image/gif"}), 15_000_000),
        MediaRule(MediaKind.VIDEO, 1, frozenset({"video/mp4"}), 512_000_000),
    ),
    max_count=4,
)
"""Like X's: four pictures, or one GIF, or one video."""


def file(mime: str = "image/jpeg", **facts: Any) -> Media:
    alt = facts.pop("alt", "A bell")
    known = {"size": 1000, "width": 1000, "height": 1000} | facts
    return Media("m", MediaFacts(mime, **known), alt, Pieces(lambda _: b"", 0))


def video(**facts: Any) -> Media:
    return file("video/mp4", **{"width": 1080, "height": 1920, "alt": "", "duration": timedelta(seconds=30)} | facts)


def codes(rules: MediaRules, *media: Media) -> list[str]:
    return [problem.code for problem in preflight.files(media, rules, "this network")]


@pytest.mark.parametrize(
    ("media", "expected"),
    [
        ([file(), video()], []),
        ([file()] * 10, []),
        ([file()] * 11, ["too_many"]),
        ([], ["too_few"]),
        ([file("image/png")], ["wrong_type"]),
        ([file("application/pdf")], ["wrong_type"]),
        ([file(width=700)], ["shape"]),
        ([file(width=1920, height=1000)], ["shape"]),
        ([file(width=0, height=0)], []),
        ([file(alt="x" * 1001)], ["alt_too_long"]),
        ([video(duration=timedelta(seconds=2))], ["duration"]),
        ([video(duration=timedelta(minutes=16))], ["duration"]),
        ([video(duration=None)], []),
        ([video(width=400, height=900)], ["too_small"]),
        ([video(width=1080, height=2000)], ["too_wide"]),
        ([video(size=300_000_001)], ["too_large"]),
    ],
)
def test_a_carousel_takes_pictures_and_videos_of_its_measures(media: list[Media], expected: list[str]) -> None:
    assert codes(CAROUSEL, *media) == expected


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        (["image/png"] * 4, []),
        (["image/gif"], []),
        (["image/gif"] * 2, ["too_many"]),
        (["image/png", "image/gif"], ["mixed"]),
        (["image/png", "video/mp4"], ["mixed"]),
    ],
)
def test_kinds_stand_side_by_side_only_where_the_network_lets_them(kinds: list[str], expected: list[str]) -> None:
    assert codes(ONE_OF, *(file(mime, width=900) for mime in kinds)) == expected


def test_a_network_without_files_takes_none() -> None:
    assert codes(NO_MEDIA) == []
    assert codes(NO_MEDIA, file()) == ["too_many", "wrong_type"]


def test_every_sentence_says_what_to_do_and_begins_like_one() -> None:
    found = list(preflight.files((file("image/png", size=10**9),), CAROUSEL, "this network"))
    assert [problem.message for problem in found] == [
        "Picture 1 has a type that this network does not take. Use JPEG, MP4, MOV.",
        "Picture 1 is larger than 8 MB. Make it smaller.",
    ]
    assert next(preflight.files((), CAROUSEL, "this network")).message == "This network needs 1 file in each post. Add one."
