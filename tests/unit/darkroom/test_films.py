"""Films: looked at, repacked or encoded anew. Short ones; ``python -m tests.bench.media`` has a phone's."""

import struct
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import av
import pytest
from PIL import Image

from app.darkroom.protocol import Refused
from platforms.base import MediaFacts
from platforms.fitting import Choices, Shape
from tests.photos import alike, film, landscape
from tests.unit.darkroom.room import Room, seen
from tests.unit.platforms.test_fitting import VIDEOS

RULE = replace(VIDEOS, durations=None)
HEVC: dict[str, Any] = {
    "codec": "libx265",
    "options": {"preset": "ultrafast", "x265-params": "log-level=none"},
    "container": "mov",
    "sound": "pcm_s16le",
    "pixels": "yuv420p10le",
}
TELLING = {"location": "+52.5200+013.4050/", "title": "ALICE"}


def seconds(facts: MediaFacts) -> float:
    assert facts.duration is not None
    return facts.duration.total_seconds()


def shown(data: bytes, folder: Path, at: int = 0) -> Image.Image:
    """The film's picture number ``at``."""
    path = folder / "shown.mp4"
    path.write_bytes(data)
    with av.open(str(path)) as container:
        return next(frame for number, frame in enumerate(container.decode(video=0)) if number == at).to_image()


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    return film(tmp_path / "plain.mp4", flags="+faststart")


def test_a_films_facts(room: Room, tmp_path: Path) -> None:
    facts = room.probe(film(tmp_path / "phone.mov", **HEVC), poster=str(tmp_path / "poster.jpg"))
    assert (facts.mime, facts.width, facts.height) == ("video/quicktime", 320, 180)
    assert (facts.video_codec, facts.audio_codec, facts.pixels) == ("hevc", "pcm_s16le", "yuv420p10le")
    assert (facts.frames, facts.frame_rate, seconds(facts), facts.fast_start) == (30, 30.0, pytest.approx(1, abs=0.05), False)
    poster = seen((tmp_path / "poster.jpg").read_bytes())
    assert (poster.format, poster.size) == ("JPEG", (320, 180))
    assert alike(poster, landscape(384, 180).crop((0, 0, 320, 180))) > 0.8


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("a.mp4", {}),
        ("a.mov", HEVC),
        ("a.webm", {"container": "webm", "codec": "libvpx-vp9", "options": {"deadline": "realtime"}, "sound": "libopus"}),
        ("a.mkv", {"container": "matroska"}),
    ],
)
def test_what_a_film_tells_about_its_maker_is_gone_and_nothing_else(
    name: str, more: dict[str, Any], room: Room, tmp_path: Path
) -> None:
    source = film(tmp_path / name, metadata=TELLING, **more)
    assert b"ALICE" in source.read_bytes()
    clean, facts = room.clean(source)
    before = room.probe(source)
    assert b"ALICE" not in clean
    assert b"+52.5" not in clean
    assert (facts.mime, facts.fast_start) == (before.mime, True)
    assert (facts.video_codec, facts.audio_codec, facts.frames) == (before.video_codec, before.audio_codec, before.frames)
    assert shown(clean, tmp_path).tobytes() == shown(source.read_bytes(), tmp_path).tobytes()


def test_what_fits_goes_as_it_is(plain: Path, room: Room) -> None:
    assert room.fit(plain, RULE)[0] == plain.read_bytes()


def test_only_the_container_is_changed_where_only_that_is_wrong(room: Room, tmp_path: Path) -> None:
    source = film(tmp_path / "a.mkv", container="matroska")
    fitted, facts = room.fit(source, RULE)
    assert (facts.mime, facts.fast_start) == ("video/mp4", True)
    assert shown(fitted, tmp_path, 7).tobytes() == shown(source.read_bytes(), tmp_path, 7).tobytes()


def test_a_phones_film_becomes_one_that_every_network_plays(room: Room, tmp_path: Path) -> None:
    source = film(tmp_path / "phone.mov", **HEVC)
    fitted, facts = room.fit(source, RULE)
    assert (facts.mime, facts.video_codec, facts.audio_codec, facts.pixels) == ("video/mp4", "h264", "aac", "yuv420p")
    assert (facts.frames, facts.fast_start, seconds(facts)) == (30, True, pytest.approx(1, abs=0.05))
    assert alike(shown(fitted, tmp_path, 9), shown(source.read_bytes(), tmp_path, 9)) > 0.9


_MATRICES = {
    6: (0, 1, -1, 0),
    3: (-1, 0, 0, -1),
    8: (0, -1, 1, 0),
}
"""By Exif's number: how an MP4 says that its picture is to be turned (tkhd)."""


@pytest.mark.parametrize(("orientation", "turn"), [(6, "ROTATE_270"), (3, "ROTATE_180"), (8, "ROTATE_90")])
def test_a_film_that_was_held_sideways_is_turned(orientation: int, turn: str, plain: Path, room: Room, tmp_path: Path) -> None:
    source = held(plain, orientation)
    upright = shown(plain.read_bytes(), tmp_path).transpose(Image.Transpose[turn])
    clean, facts = room.clean(source)
    assert (facts.orientation, (facts.width, facts.height)) == (orientation, upright.size)
    (cleaned := tmp_path / "cleaned.mp4").write_bytes(clean)
    fitted, facts = room.fit(cleaned, replace(RULE, frame_rates=(20, 25)))
    assert facts.orientation == 1
    assert alike(shown(fitted, tmp_path), upright) > 0.9


def held(film: Path, orientation: int) -> Path:
    """The same film, as a phone writes it that was held so."""
    data = bytearray(film.read_bytes())
    at = data.index(b"tkhd") + 44
    a, b, c, d = (number << 16 for number in _MATRICES[orientation])
    data[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    (source := film.with_name("held.mp4")).write_bytes(data)
    return source


def test_a_film_is_cut_cropped_and_padded_as_chosen(plain: Path, room: Room, tmp_path: Path) -> None:
    _, cut = room.fit(plain, RULE, Choices(trim=(0.3, 0.8)))
    assert (seconds(cut), cut.frames) == (pytest.approx(0.5, abs=0.05), 15)
    square = replace(RULE, shapes=(0.9, 1.1))
    _, cropped = room.fit(plain, square, Choices(shape=Shape.CROP))
    assert (cropped.width, cropped.height) == (196, 180)
    padded, facts = room.fit(plain, square, Choices(shape=Shape.PAD, colour="#ff0000"))
    assert (facts.width, facts.height) == (320, 292)
    red, green, _ = shown(padded, tmp_path).getpixel((9, 9))  # type: ignore[misc]
    assert (red > 200, green < 60) == (True, True)


@pytest.mark.parametrize("most", [90_000, 70_000])
def test_a_film_keeps_within_the_bytes_it_may_have(most: int, room: Room, tmp_path: Path) -> None:
    source = film(tmp_path / "long.mp4", seconds=3, options={"preset": "ultrafast", "crf": "5"})
    fitted, facts = room.fit(source, replace(RULE, max_bytes=most))
    assert len(fitted) <= most
    assert seconds(facts) == pytest.approx(3, abs=0.05)


def test_fewer_pictures_a_second_where_a_network_wants_them(room: Room, tmp_path: Path) -> None:
    source = film(tmp_path / "quick.mp4", rate=120, sound="")
    _, facts = room.fit(source, replace(RULE, frame_rates=(23, 30)))
    assert (facts.frame_rate, facts.frames) == (30.0, 30)


def test_a_film_without_its_second_half_is_refused_in_words(plain: Path, room: Room) -> None:
    data = plain.read_bytes()
    (cut := room.folder / "cut.mp4").write_bytes(data[: len(data) // 20])
    with pytest.raises(Refused):
        room.clean(cut)


def test_a_film_of_a_million_pictures_is_looked_at_in_a_moment_and_refused_in_words(room: Room, tmp_path: Path) -> None:
    source = endless(tmp_path / "endless.mp4", 1_000_000)
    facts = room.probe(source)
    assert facts.frames == 1_000_000
    problem = room.problem(source.read_bytes(), replace(RULE, max_frames=36_000))
    assert (problem.code, "Cut it" in problem.message) == ("duration", True)


def endless(path: Path, count: int) -> Path:
    """A film of one picture that says it has ``count`` of them, at 30 a second."""
    data = bytearray(film(path, seconds=1 / 30, size=(64, 64), sound="").read_bytes())
    for box, field, value in (("stsz", 8, count), ("stts", 8, count), ("stsc", 12, count), ("mvhd", 16, count * 1000 // 30)):
        at = data.index(box.encode()) + 4 + field
        data[at : at + 4] = value.to_bytes(4, "big")
    at = data.index(b"mdhd") + 16
    scale = int.from_bytes(data[at : at + 4], "big")
    data[at + 4 : at + 8] = (count * scale // 30).to_bytes(4, "big")
    if (at := data.find(b"elst")) > 0:
        data[at + 12 : at + 16] = (count * 1000 // 30).to_bytes(4, "big")
    path.write_bytes(data)
    return path


def test_durations_survive_storing(plain: Path, room: Room) -> None:
    assert isinstance(room.probe(plain).duration, timedelta)
