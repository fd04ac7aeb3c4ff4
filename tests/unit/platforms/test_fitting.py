"""Plans: what is decided about a file from its facts and a network's rule, before anybody opens it."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platforms.base import MediaFacts, MediaKind, MediaRule, Problem
from platforms.bluesky import files as bluesky
from platforms.fitting import Choices, Crop, Pad, Ratio, Rendition, Scale, Shape, Transcode, Trim, kept, plan
from platforms.mastodon import files as mastodon
from platforms.mastodon import limits

STILLS = ("image/jpeg", "image/png", "image/webp", "image/heic")
FILMS = ("video/mp4", "video/quicktime", "video/webm", "video/x-matroska")
PHOTO = MediaFacts("image/jpeg", 5_000_000, 4032, 3024, pixels="RGB")
FILM = MediaFacts(
    "video/mp4",
    50_000_000,
    1920,
    1080,
    pixels="yuv420p",
    frames=1800,
    duration=timedelta(seconds=60),
    frame_rate=30.0,
    bitrate=6_500_000,
    video_codec="h264",
    audio_codec="aac",
)
PICTURES = MediaRule(MediaKind.IMAGE, 4, frozenset({"image/jpeg", "image/png", "image/webp"}), 2_000_000)
VIDEOS = MediaRule(
    MediaKind.VIDEO,
    1,
    frozenset({"video/mp4"}),
    100_000_000,
    largest=(1920, 1920),
    frame_rates=(23, 60),
    durations=(timedelta(seconds=1), timedelta(minutes=5)),
    video_codecs=frozenset({"h264"}),
    audio_codecs=frozenset({"aac"}),
    max_bitrate=25_000_000,
)
PORTRAITS = replace(PICTURES, mimes=frozenset({"image/jpeg"}), shapes=(0.8, 1.91))


def rendition(facts: MediaFacts, rule: MediaRule, **chosen: Any) -> Rendition:
    found = plan(facts, rule, Choices(**chosen))
    assert isinstance(found, Rendition), found
    return found


def problem(facts: MediaFacts, rule: MediaRule, **chosen: Any) -> str:
    found = plan(facts, rule, Choices(**chosen))
    assert isinstance(found, Problem), found
    assert found.field == "media"
    assert found.message.endswith(".")
    return found.code


def steps(found: Rendition) -> list[str]:
    return [step["step"] for step in found.recipe]


# --- whatever the numbers are -----------------------------------------------------------------------------------------


def mostly(sensible: st.SearchStrategy[Any], anything: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """What networks and cameras say, and now and then what a broken one might."""
    return st.integers(0, 19).flatmap(lambda dice: sensible if dice else anything)


sides = mostly(st.integers(200, 9000), st.integers(0, 9000))
spans = mostly(st.floats(1, 900), st.floats(0, 40_000)).map(lambda each: timedelta(seconds=each))
facts_of_pictures = st.builds(
    MediaFacts,
    mime=mostly(st.sampled_from([*STILLS, "image/gif"]), st.sampled_from(["image/svg+xml", ""])),
    size=st.integers(0, 60_000_000),
    width=sides,
    height=sides,
    orientation=st.integers(1, 8),
    pixels=st.sampled_from(["RGB", "CMYK", "I;16", "RGBA", ""]),
    alpha=st.booleans(),
    frames=st.sampled_from([1, 1, 2, 40, 1_000_000]),
    duration=mostly(spans, st.none()),
)
facts_of_films = st.builds(
    MediaFacts,
    mime=st.sampled_from(FILMS),
    size=st.integers(0, 10**9),
    width=sides,
    height=sides,
    orientation=st.sampled_from([1, 3, 6, 8]),
    pixels=st.sampled_from(["yuv420p", "yuv420p10le", ""]),
    frames=mostly(st.integers(1, 40_000), st.integers(1, 1_000_000)),
    duration=mostly(spans, st.none()),
    frame_rate=st.sampled_from([0.0, 10.0, 29.97, 30.0, 60.0, 240.0]),
    bitrate=st.integers(0, 200_000_000),
    video_codec=st.sampled_from(["h264", "hevc", "prores", ""]),
    audio_codec=st.sampled_from(["aac", "pcm_s16le", ""]),
    fast_start=st.booleans(),
)
facts_of_all = facts_of_pictures | facts_of_films


def pairs(low: st.SearchStrategy[Any], high: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """A range, or none."""
    return st.none() | mostly(st.tuples(low, high), st.tuples(high, low))


codecs = st.booleans().map(lambda named: frozenset({"h264", "aac"} if named else ()))
rules = st.builds(
    MediaRule,
    kind=st.just(MediaKind.IMAGE),
    max_count=st.just(4),
    mimes=mostly(
        st.frozensets(st.sampled_from([*STILLS, *FILMS, "image/gif"])).map(lambda some: some | {"image/jpeg", "video/mp4"}),
        st.frozensets(st.sampled_from([*STILLS, *FILMS, "image/gif"])),
    ),
    max_bytes=mostly(st.integers(500_000, 10**9), st.integers(0, 10**9)),
    max_pixels=st.none() | mostly(st.integers(200_000, 40_000_000), st.integers(0, 40_000_000)),
    smallest=st.none() | st.tuples(st.integers(0, 540), st.integers(0, 540)),
    largest=st.none() | mostly(st.tuples(st.integers(640, 5000), st.integers(640, 5000)), st.tuples(sides, sides)),
    shapes=pairs(st.floats(0.1, 0.8), st.floats(1.0, 10)),
    durations=pairs(st.floats(0, 3).map(lambda each: timedelta(seconds=each)), spans),
    min_bytes=st.sampled_from([0, 0, 75_000]),
    transparency=st.booleans(),
    moves=st.booleans(),
    max_frames=st.none() | mostly(st.integers(10_000, 40_000), st.integers(0, 1000)),
    frame_rates=pairs(st.floats(0, 24), st.floats(25, 120)),
    max_bitrate=st.none() | mostly(st.integers(4_000_000, 50_000_000), st.integers(0, 1000)),
    video_codecs=codecs,
    audio_codecs=codecs,
    sound=st.booleans(),
)
chosen = st.builds(
    Choices,
    shape=st.sampled_from(Shape),
    ratio=st.sampled_from(Ratio),
    focus=st.tuples(st.floats(), st.floats()),
    trim=mostly(st.none() | st.just((1.0, 9.0)), st.tuples(st.floats(), st.floats())),
)


def breaches(facts: MediaFacts, rule: MediaRule) -> list[str]:
    """What ``rule`` says against ``facts``, read from the rule's own words and not from the plan's code."""
    sides, ratio = facts.width * facts.height, facts.width / facts.height if facts.height else 0
    found = {
        "type": facts.mime in rule.mimes,
        "bytes": rule.min_bytes <= facts.size <= rule.max_bytes,
        "pixels": rule.max_pixels is None or sides <= rule.max_pixels,
        "large": rule.largest is None or (facts.width <= rule.largest[0] and facts.height <= rule.largest[1]),
        "small": not sides or rule.smallest is None or (facts.width >= rule.smallest[0] and facts.height >= rule.smallest[1]),
        "shape": not sides or rule.shapes is None or rule.shapes[0] <= ratio <= rule.shapes[1],
        "glass": facts.is_film or rule.transparency or not facts.alpha,
        "frames": facts.frames <= (rule.max_frames or 10**9) or (rule.max_frames is not None and not moving(facts)),
    }
    if facts.is_film and facts.duration is not None:
        least, most = rule.durations or (timedelta(0), timedelta.max)
        slow, quick = rule.frame_rates or (0, 1000)
        found |= {
            "duration": least <= facts.duration <= most,
            "rate": facts.frame_rate == 0 or slow <= facts.frame_rate <= quick,
            "bits": facts.bitrate <= (rule.max_bitrate if rule.max_bitrate is not None else 10**12),
            "video": not rule.video_codecs or facts.video_codec in rule.video_codecs,
            "audio": not facts.audio_codec or not rule.audio_codecs or facts.audio_codec in rule.audio_codecs,
            "sound": rule.sound or not facts.audio_codec,
            "start": facts.fast_start,
        }
    return [name for name, right in found.items() if not right]


def moving(facts: MediaFacts) -> bool:
    return facts.is_film or facts.animated


@given(facts_of_all, rules, chosen)
def test_a_plan_keeps_the_rule_and_never_makes_anything_larger(facts: MediaFacts, rule: MediaRule, choices: Choices) -> None:
    found = plan(facts, rule, choices)
    if isinstance(found, Problem):
        assert found.message
        return
    assert breaches(found.fitted, rule) == []
    scales = [step for step in found.steps if isinstance(step, Scale)]
    assert all(step.width <= facts.width and step.height <= facts.height for step in scales)
    crops = [step for step in found.steps if isinstance(step, Crop)]
    assert all(step.left >= 0 and step.left + step.width <= facts.width for step in crops)
    assert all(step.top >= 0 and step.top + step.height <= facts.height for step in crops)
    if not any(isinstance(step, Pad) for step in found.steps):
        assert found.fitted.width <= facts.width
        assert found.fitted.height <= facts.height


@given(facts_of_all, rules, chosen)
def test_what_was_fitted_goes_as_it_is(facts: MediaFacts, rule: MediaRule, choices: Choices) -> None:
    found = plan(facts, rule, choices)
    if isinstance(found, Rendition):
        assert plan(found.fitted, rule) == Rendition(found.fitted)


@given(facts_of_all, rules, chosen)
def test_equal_rules_share_one_rendition(facts: MediaFacts, rule: MediaRule, choices: Choices) -> None:
    one, other = plan(facts, rule, choices), plan(replace(facts), replace(rule, max_count=7, alt_limit=12), choices)
    assert one == other
    if isinstance(one, Rendition) and isinstance(other, Rendition):
        assert one.key == other.key


# --- pictures ---------------------------------------------------------------------------------------------------------


def test_a_key_is_the_same_in_every_process() -> None:
    assert rendition(PHOTO, PICTURES).key == rendition(PHOTO, PICTURES).key == "3e7c5176e17c04a3"
    assert rendition(PHOTO, replace(PICTURES, max_bytes=1_999_999)).key != "3e7c5176e17c04a3"


@pytest.mark.parametrize(
    ("facts", "rule", "expected"),
    [
        (replace(PHOTO, size=2_000_000), PICTURES, []),
        (PHOTO, PICTURES, ["encode"]),
        (replace(PHOTO, orientation=6), PICTURES, ["turn", "encode"]),
        (replace(PHOTO, size=100, orientation=3), PICTURES, ["turn", "encode"]),
        (replace(PHOTO, size=100, pixels="CMYK"), PICTURES, ["encode"]),
        (replace(PHOTO, size=100), replace(PICTURES, max_pixels=1_000_000), ["scale", "encode"]),
        (replace(PHOTO, mime="image/png", alpha=True), PORTRAITS, ["flatten", "encode"]),
        (replace(PHOTO, mime="image/webp", size=100, frames=9), PORTRAITS, ["still", "encode"]),
        (replace(PHOTO, mime="image/webp", size=100, frames=9), PICTURES, []),
    ],
)
def test_a_pictures_steps(facts: MediaFacts, rule: MediaRule, expected: list[str]) -> None:
    assert steps(rendition(facts, rule)) == expected


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (replace(PHOTO, mime="image/png"), "image/jpeg"),
        (replace(PHOTO, mime="image/png", alpha=True), "image/webp"),
        (replace(PHOTO, mime="image/png", size=9, orientation=3), "image/png"),
        (replace(PHOTO, mime="image/webp"), "image/webp"),
        (replace(PHOTO, mime="image/heic"), "image/jpeg"),
    ],
)
def test_what_is_made_of_a_type(facts: MediaFacts, expected: str) -> None:
    assert rendition(facts, PICTURES).fitted.mime == expected


def test_a_picture_of_the_wrong_shape_waits_for_a_persons_choice() -> None:
    wide = replace(PHOTO, width=4000, height=1000)
    assert problem(wide, PORTRAITS) == "shape"
    cropped = rendition(wide, PORTRAITS, shape=Shape.CROP, focus=(1.0, 0.5))
    crop = cropped.steps[0]
    assert isinstance(crop, Crop)
    assert (crop.left + crop.width, crop.height) == (4000, 1000)
    padded = rendition(wide, PORTRAITS, shape=Shape.PAD, colour="#102030")
    assert padded.steps[0] == Pad(4000, padded.fitted.height, "#102030")
    assert 2095 < padded.fitted.height < 2115


@pytest.mark.parametrize("ratio", [ratio for ratio in Ratio if ratio.number])
@pytest.mark.parametrize("shape", Shape)
def test_a_chosen_ratio_is_made_where_the_network_asks_for_none(ratio: Ratio, shape: Shape) -> None:
    fitted = rendition(PHOTO, PICTURES, ratio=ratio, shape=shape).fitted
    assert fitted.width / fitted.height == pytest.approx(ratio.number, rel=0.005)
    assert (max(fitted.width, fitted.height) > 4032) == (shape is Shape.PAD and ratio is not Ratio.SQUARE)


def test_a_chosen_ratio_goes_as_far_as_the_network_does() -> None:
    fitted = rendition(PHOTO, PORTRAITS, ratio=Ratio.UPRIGHT).fitted
    assert 0.8 <= fitted.width / fitted.height < 0.81
    assert "crop" not in steps(rendition(replace(PHOTO, width=802, height=1000), PORTRAITS, ratio=Ratio.PORTRAIT))


def test_a_crop_keeps_the_point_that_was_chosen() -> None:
    crop = rendition(PHOTO, PICTURES, ratio=Ratio.SQUARE, focus=(0.75, 0.5)).steps[0]
    assert crop == kept(PHOTO, Choices(ratio=Ratio.SQUARE, focus=(0.75, 0.5))) == Crop(1008, 0, 3024, 3024)
    assert kept(PHOTO, Choices()) is kept(PHOTO, Choices(ratio=Ratio.SQUARE, shape=Shape.PAD)) is None
    assert kept(replace(PHOTO, width=0), Choices(ratio=Ratio.SQUARE)) is None


def test_what_has_the_chosen_ratio_goes_as_it_is() -> None:
    for ratio, (width, height) in ((Ratio.SQUARE, (1000, 1001)), (Ratio.WIDE, (1921, 1080))):
        assert steps(rendition(replace(PHOTO, size=100, width=width, height=height), PICTURES, ratio=ratio)) == []


def test_an_animation_is_cropped_only_where_it_becomes_a_film() -> None:
    gif = replace(PHOTO, mime="image/gif", size=100, frames=20, duration=timedelta(seconds=2))
    shows = replace(PICTURES, mimes=frozenset({"image/gif"}), moves=True)
    assert problem(gif, shows, ratio=Ratio.SQUARE) == "shape"
    assert steps(rendition(gif, shows)) == []
    assert "crop" in steps(rendition(gif, replace(VIDEOS, kind=MediaKind.GIF), ratio=Ratio.SQUARE))


@pytest.mark.parametrize(
    ("facts", "rule", "code"),
    [
        (replace(PHOTO, mime="image/svg+xml"), replace(PICTURES, mimes=frozenset({"image/gif"})), "wrong_type"),
        (replace(PHOTO, width=100, height=100), replace(PICTURES, smallest=(320, 320)), "too_small"),
        (PHOTO, replace(PICTURES, max_bytes=0), "too_large"),
        (replace(PHOTO, mime="image/gif", frames=20), replace(PICTURES, mimes=frozenset({"image/gif"}), moves=True), "too_large"),
    ],
)
def test_what_cannot_be_made_to_fit_is_said_in_words(facts: MediaFacts, rule: MediaRule, code: str) -> None:
    assert problem(facts, rule) == code


# --- what moves -------------------------------------------------------------------------------------------------------

GIF = MediaFacts("image/gif", 900_000, 481, 361, frames=30, duration=timedelta(seconds=3))


@pytest.mark.parametrize("mime", ["image/gif", "image/webp", "image/png"])
def test_an_animation_becomes_a_film_where_it_would_stand_still(mime: str) -> None:
    rule = MediaRule(MediaKind.GIF, 1, frozenset({"image/gif", "video/mp4"}), 2_000_000)
    found = rendition(replace(GIF, mime=mime), rule)
    assert (found.fitted.mime, found.fitted.audio_codec, steps(found)[-1]) == ("video/mp4", "", "transcode")
    assert (found.fitted.width, found.fitted.height) == (480, 360)
    assert steps(rendition(replace(GIF), replace(rule, moves=True))) == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, []),
        ({"mime": "video/quicktime"}, ["remux"]),
        ({"fast_start": False}, ["remux"]),
        ({"video_codec": "hevc"}, ["transcode"]),
        ({"pixels": "yuv422p"}, ["transcode"]),
        ({"audio_codec": "pcm_s16le"}, ["transcode"]),
        ({"frame_rate": 120.0, "frames": 7200}, ["transcode"]),
        ({"width": 3840, "height": 2160, "orientation": 6}, ["turn", "scale", "transcode"]),
        ({"bitrate": 50_000_000}, ["transcode"]),
        ({"size": 400_000_000}, ["transcode"]),
    ],
)
def test_a_films_steps(changes: dict[str, Any], expected: list[str]) -> None:
    assert steps(rendition(replace(FILM, **changes), VIDEOS)) == expected


def test_a_film_is_cut_only_when_a_person_asks() -> None:
    long = replace(FILM, duration=timedelta(minutes=9))
    assert problem(long, VIDEOS) == "duration"
    found = rendition(long, VIDEOS, trim=(10.0, 70.0))
    assert found.steps[0] == Trim(10.0, 70.0)
    assert found.fitted.duration == timedelta(seconds=60)


def test_a_films_bits_follow_from_the_bytes_it_may_have() -> None:
    found = rendition(FILM, replace(VIDEOS, max_bytes=10_000_000))
    (coded,) = [step for step in found.steps if isinstance(step, Transcode)]
    assert 9_000_000 < (coded.video_bitrate + coded.audio_bitrate) * 60 / 8 < 10_000_000
    assert found.fitted.height < FILM.height
    assert problem(FILM, replace(VIDEOS, max_bytes=100_000)) == "too_large"


def test_a_film_that_would_take_hours_is_refused_in_words() -> None:
    endless = replace(FILM, frames=1_000_000, video_codec="hevc", duration=timedelta(minutes=4))
    assert problem(endless, VIDEOS) == "duration"


def test_silence_where_a_network_wants_it_costs_no_quality() -> None:
    found = rendition(FILM, replace(VIDEOS, sound=False))
    assert (steps(found), found.fitted.audio_codec) == (["remux"], "")


# --- the networks' own rules ------------------------------------------------------------------------------------------

MASTODON = {name: bound.default for name, bound in limits.BOUNDS.items()}
PHONE = replace(
    FILM,
    mime="video/quicktime",
    size=375_000_000,
    width=3840,
    height=2160,
    video_codec="hevc",
    pixels="yuv420p10le",
    bitrate=5 * 10**7,
)


@pytest.mark.parametrize("rule", [bluesky.FILMS, mastodon.films(MASTODON, mastodon.FILM_MIMES)], ids=["bluesky", "mastodon"])
def test_a_phones_film_is_made_one_that_both_networks_take(rule: MediaRule) -> None:
    found = rendition(PHONE, rule)
    assert (found.fitted.mime, found.fitted.video_codec, found.fitted.audio_codec) == ("video/mp4", "h264", "aac")
    assert (found.fitted.width, found.fitted.height) == (1920, 1080)
    assert steps(rendition(FILM, rule)) == []


def test_networks_that_need_the_same_film_share_it() -> None:
    one, other = (rendition(PHONE, rule) for rule in (bluesky.FILMS, mastodon.films(MASTODON, mastodon.FILM_MIMES)))
    assert one.key == other.key


def test_a_gif_becomes_a_film_on_bluesky_and_stays_one_on_mastodon() -> None:
    film = rendition(GIF, bluesky.GIFS).fitted
    assert (film.mime, film.loops) == ("video/mp4", True)
    assert rendition(film, bluesky.FILMS).fitted.loops
    still = rendition(replace(GIF, frames=1, duration=None), bluesky.GIFS)
    assert (still.steps, still.fitted.mime, still.fitted.loops) == ((), "image/gif", False)
    assert not rendition(PHONE, bluesky.FILMS).fitted.loops
    gifs = mastodon.rules(MASTODON, mastodon.IMAGE_MIMES).of(MediaKind.GIF)
    assert gifs is not None
    assert rendition(GIF, gifs).steps == ()
    assert problem(replace(GIF, width=1281, height=720), gifs) == "too_large"


def test_mastodons_numbers_are_its_servers() -> None:
    rule = mastodon.films(MASTODON | {"video_size_limit": 1_000_000, "video_frame_rate_limit": 25}, frozenset({"video/webm"}))
    assert (rule.max_bytes, rule.frame_rates, rule.mimes) == (1_000_000, (0.0, 25.0), {"video/webm"})
    assert problem(PHONE, rule) == "wrong_type"
