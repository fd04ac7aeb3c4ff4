"""Pictures: without a word about their maker when they come, and within a network's limits when they go."""

import os
import time
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pillow_heif
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageOps

from app.darkroom import pictures
from app.darkroom.protocol import Refused
from platforms.fitting import Choices, Shape
from platforms.mastodon.files import IMAGE_MIMES
from tests.photos import alike, encoded, landscape
from tests.unit.darkroom.room import MIMES, Room, rule, seen

pillow_heif.register_heif_opener()


def noise(side: int = 300) -> Image.Image:
    """A picture that no encoder makes small."""
    return Image.frombytes("RGB", (side, side), os.urandom(3 * side * side))


def telling(orientation: int = 6) -> dict[str, Any]:
    """What a camera or an editor writes into a file."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010E] = "ALICE"
    exif.get_ifd(0x8825)[2] = (52.0, 31.0, 12.0)
    return {"exif": exif.tobytes(), "xmp": b"<x>ALICE</x>", "comment": b"ALICE"}


def marked(size: tuple[int, int] = (40, 20)) -> Image.Image:
    """Red in its upper left quarter, else blue: so one sees how it lies."""
    image = Image.new("RGB", size, "blue")
    image.paste("red", (0, 0, size[0] // 2, size[1] // 2))
    return image


def moving(form: str, side: int = 48, count: int = 5, milliseconds: int = 100) -> bytes:
    frames = [Image.new("RGB", (side, side), (50 * shade, 20, 99)) for shade in range(count)]
    return encoded(frames[0], form, save_all=True, append_images=frames[1:], duration=milliseconds, loop=0)


def profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


# --- coming in --------------------------------------------------------------------------------------------------------


def test_a_jpeg_keeps_every_pixel_its_colours_and_the_way_it_is_held_and_nothing_else(room: Room) -> None:
    data = encoded(landscape(160, 80), "JPEG", icc_profile=profile(), **telling())
    clean, facts = room.clean(data)
    image = seen(clean)
    assert image.tobytes() == seen(data).tobytes()
    assert dict(image.getexif()) == {0x0112: 6}
    assert image.info["icc_profile"] == profile()
    assert b"ALICE" not in clean
    assert (facts.orientation, facts.width, facts.height, facts.size) == (6, 80, 160, len(clean))


@pytest.mark.parametrize("form", ["PNG", "WEBP"])
@pytest.mark.parametrize("orientation", [1, 6])
def test_other_pictures_keep_every_pixel_too_and_are_turned_without_loss(form: str, orientation: int, room: Room) -> None:
    data = encoded(marked(), form, lossless=True, **telling(orientation))
    clean, facts = room.clean(data)
    straight = ImageOps.exif_transpose(seen(data))
    assert straight is not None
    assert facts.orientation == 1
    assert seen(clean).size == (facts.width, facts.height) == straight.size
    assert len(seen(clean).getexif()) == 0
    assert b"ALICE" not in clean
    if form == "PNG" or orientation == 1:
        assert seen(clean).convert("RGB").tobytes() == straight.convert("RGB").tobytes()


@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_of_any_build_survives(progressive: bool, room: Room) -> None:
    data = encoded(noise(), "JPEG", progressive=progressive, restart_marker_rows=2, **telling())
    clean, _ = room.clean(data + b"GPS: behind the end")
    assert seen(clean).tobytes() == seen(data).tobytes()
    assert b"behind" not in clean


def test_a_phones_picture_with_a_second_one_behind_it_is_a_jpeg(room: Room) -> None:
    two = encoded(noise(40), "MPO", save_all=True, append_images=[noise(40)], exif=telling()["exif"])
    clean, facts = room.clean(two)
    assert (facts.mime, seen(clean).format, getattr(seen(clean), "n_frames", 1)) == ("image/jpeg", "JPEG", 1)
    assert len(clean) < len(two) / 1.5


def test_a_picture_that_no_browser_shows_becomes_one_that_all_show(room: Room) -> None:
    photo = landscape(320, 240)
    for form in ("HEIF", "AVIF"):
        clean, facts = room.clean(encoded(photo, form, quality=95, exif=telling(1)["exif"]))
        assert (facts.mime, facts.width, facts.height) == ("image/jpeg", 320, 240)
        assert b"ALICE" not in clean
        assert alike(seen(clean), photo) > 0.95
    see_through = photo.copy()
    see_through.putalpha(Image.linear_gradient("L").resize(photo.size))
    _, facts = room.clean(encoded(see_through, "AVIF"))
    assert (facts.mime, facts.alpha) == ("image/png", True)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "L", "1", "I;16"])
def test_every_kind_of_png_is_taken_as_it_is(mode: str, room: Room) -> None:
    clean, facts = room.clean(encoded(Image.new(mode, (40, 20)), "PNG"))
    assert (seen(clean).mode, facts.pixels, facts.alpha) == (mode, mode, mode.endswith("A"))


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG"])
def test_an_animation_keeps_moving_and_says_how_long(form: str, room: Room) -> None:
    clean, facts = room.clean(moving(form, count=5, milliseconds=120))
    assert (seen(clean).n_frames, facts.frames, facts.animated) == (5, 5, True)  # type: ignore[attr-defined]
    assert facts.duration is not None
    assert facts.duration.total_seconds() == pytest.approx(0.6)


def test_a_gifs_comments_are_gone(room: Room) -> None:
    clean, _ = room.clean(encoded(Image.new("L", (20, 20)), "GIF", comment=b"ALICE"))
    assert b"ALICE" not in clean
    assert seen(clean).size == (20, 20)


def test_the_dominant_colour_is_that_of_most_that_can_be_seen(room: Room) -> None:
    image = Image.new("RGBA", (60, 60), (0, 0, 255, 0))
    image.paste((200, 10, 10, 255), (0, 0, 60, 25))
    image.paste((10, 200, 10, 255), (0, 25, 60, 35))
    red, green, blue = bytes.fromhex(room.probe(encoded(image, "PNG")).colour[1:])
    assert (red > 150, green < 60, blue < 60) == (True, True, True)


SAMPLES = [encoded(Image.new("RGB", (24, 16), "red"), form, **telling()) for form in MIMES] + [moving("GIF", 8, 3)]


@pytest.mark.filterwarnings("ignore:Tag data:UserWarning")
@settings(deadline=None)
@given(
    st.sampled_from(SAMPLES), st.lists(st.tuples(st.integers(0, 600), st.binary(max_size=8)), max_size=6), st.integers(0, 2000)
)
def test_a_broken_file_is_a_picture_or_a_refusal(sample: bytes, changes: list[tuple[int, bytes]], end: int) -> None:
    data = bytearray(sample)
    for at, junk in changes:
        data[at : at + len(junk)] = junk
    with TemporaryDirectory() as folder:
        try:
            clean, facts = Room(Path(folder)).clean(bytes(data[: end or None]))
        except Refused:
            return
    assert seen(clean).size in {(facts.width, facts.height), (facts.height, facts.width)}
    assert facts.mime in MIMES.values() or facts.mime == "image/gif"


# --- going out --------------------------------------------------------------------------------------------------------


def test_a_photo_uses_what_it_may_have_and_looks_like_a_straight_copy(room: Room) -> None:
    data = encoded(landscape(2016, 1512), "JPEG", quality=95, **telling())
    clean, _ = room.clean(data)
    for most in (len(data) // 2, len(data) // 5):
        fitted, facts = room.fit(clean, rule(most))
        assert 0.9 * most <= len(fitted) <= most
        straight = ImageOps.exif_transpose(seen(clean))
        assert straight is not None
        assert alike(seen(fitted), straight.resize((facts.width, facts.height), Image.Resampling.LANCZOS)) >= 0.94
        assert dict(seen(fitted).getexif()) == {}
        assert facts.height > facts.width


@pytest.mark.parametrize("orientation", range(1, 9))
def test_however_it_was_held_it_goes_out_upright(orientation: int, room: Room) -> None:
    data = encoded(marked((48, 32)), "JPEG", quality=95, exif=telling(orientation)["exif"])
    straight = ImageOps.exif_transpose(seen(data))
    assert straight is not None
    fitted, _ = room.fit(data, rule())
    assert alike(seen(fitted), straight) > 0.99


@pytest.mark.parametrize("form", MIMES)
def test_what_fits_goes_as_it_is(form: str, room: Room) -> None:
    data = encoded(noise(50), form)
    assert room.fit(data, rule())[0] == data


@pytest.mark.parametrize("form", MIMES)
@pytest.mark.parametrize("max_bytes", [400_000, 200_000])
def test_what_is_too_large_is_made_to_fit_and_keeps_its_shape(form: str, max_bytes: int, room: Room) -> None:
    fitted, facts = room.fit(encoded(noise(900), form, quality=100), rule(max_bytes))
    assert 0.8 * max_bytes < len(fitted) <= max_bytes
    assert facts.width == facts.height
    assert facts.mime == ("image/jpeg" if form == "PNG" else MIMES[form])


@pytest.mark.parametrize("form", MIMES)
def test_what_has_too_many_pixels_gets_fewer_and_keeps_its_type(form: str, room: Room) -> None:
    _, facts = room.fit(encoded(Image.new("RGB", (400, 100)), form), rule(max_pixels=10_000))
    assert 9_000 < facts.width * facts.height <= 10_000
    assert (facts.mime, facts.width / facts.height) == (MIMES[form], pytest.approx(4, rel=0.05))


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "L", "1", "I;16"])
def test_every_kind_of_png_can_be_made_smaller(mode: str, room: Room) -> None:
    data = encoded(noise().convert("L" if ";" in mode else mode).convert(mode), "PNG")
    _, facts = room.fit(data, rule(mimes=frozenset({"image/png"}), max_pixels=40_000))
    assert facts.width == 200


def test_sixteen_bits_of_grey_stay_the_grey_they_were(room: Room) -> None:
    half = Image.new("I;16", (400, 400), 0x8000)
    fitted, _ = room.fit(encoded(half, "PNG"), rule(mimes=frozenset({"image/jpeg"})))
    assert 126 <= seen(fitted).convert("L").getpixel((9, 9)) <= 130  # type: ignore[operator]


def test_a_printers_jpeg_is_made_one_for_screens(room: Room) -> None:
    fitted, _ = room.fit(encoded(Image.new("CMYK", (40, 20), (0, 255, 255, 0)), "JPEG"), rule())
    assert seen(fitted).mode == "RGB"
    red, green, blue = seen(fitted).getpixel((9, 9))  # type: ignore[misc]
    assert (red > 200, green < 60, blue < 60) == (True, True, True)


def test_what_is_see_through_stays_so_or_lies_on_the_chosen_colour(room: Room) -> None:
    image = noise()
    image.putalpha(0)
    data = encoded(image, "PNG")
    fitted, facts = room.fit(data, rule(50_000))
    assert (seen(fitted).mode, facts.mime) == ("RGBA", "image/webp")
    flat, _ = room.fit(data, rule(mimes=frozenset({"image/jpeg"})), Choices(colour="#ff0000"))
    assert seen(flat).getpixel((9, 9)) in {(254, 0, 0), (255, 0, 0)}


def test_a_picture_is_cropped_about_its_focus_or_padded(room: Room) -> None:
    data = encoded(marked((400, 100)), "PNG")
    square = rule(shapes=(0.9, 1.1))
    left, _ = room.fit(data, square, Choices(shape=Shape.CROP, focus=(0.0, 0.0)))
    right, _ = room.fit(data, square, Choices(shape=Shape.CROP, focus=(1.0, 0.0)))
    assert (seen(left).getpixel((5, 5)), seen(right).getpixel((5, 5))) == ((255, 0, 0), (0, 0, 255))
    padded, facts = room.fit(data, square, Choices(shape=Shape.PAD, colour="#00ff00"))
    assert facts.width == 400
    assert seen(padded).getpixel((5, 5)) == (0, 255, 0)


def test_heic_is_encoded_once_where_a_network_wants_a_jpeg_and_not_at_all_where_it_takes_it(room: Room) -> None:
    photo = landscape(320, 240)
    data = encoded(photo, "HEIF", quality=95)
    fitted, _ = room.fit(data, rule())
    assert alike(seen(fitted), photo) > 0.95
    assert room.fit(data, rule(mimes=IMAGE_MIMES))[0] == data


def test_a_picture_with_more_detail_than_anything_can_hold_is_refused_in_words(room: Room) -> None:
    with pytest.raises(Refused) as refusal:
        room.fit(encoded(noise(400), "JPEG"), rule(2_000))
    assert refusal.value.code == "too_large"


def test_a_large_png_is_made_to_fit_in_a_few_steps(room: Room) -> None:
    data = encoded(noise(2000), "PNG", compress_level=1)
    began = time.process_time()
    fitted, _ = room.fit(data, rule(500_000))
    assert time.process_time() - began < 5
    assert 450_000 < len(fitted) <= 500_000


# --- what moves becomes a film ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG"])
def test_an_animation_becomes_a_film_of_the_same_length(form: str, room: Room) -> None:
    fitted, facts = room.fit(moving(form, 49, 6, 100), rule(mimes=frozenset({"image/gif", "video/mp4"})))
    assert (facts.mime, facts.video_codec, facts.pixels, facts.audio_codec) == ("video/mp4", "h264", "yuv420p", "")
    assert facts.duration is not None
    assert facts.duration.total_seconds() == pytest.approx(0.6, abs=0.05)
    assert (facts.width, facts.height, facts.fast_start) == (48, 48, True)
    assert b"ftyp" in fitted[:12]


def test_an_animation_stays_one_where_it_is_shown_moving(room: Room) -> None:
    data = moving("GIF")
    assert room.fit(data, rule(mimes=frozenset({"image/gif"}), moves=True))[0] == data


def test_an_animation_that_has_to_be_a_still_is_its_first_picture(room: Room) -> None:
    fitted, facts = room.fit(moving("WEBP"), rule(mimes=frozenset({"image/jpeg"})))
    assert (facts.mime, facts.frames) == ("image/jpeg", 1)
    assert Image.open(BytesIO(fitted)).size == (48, 48)


# --- small ones -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "I;16", "F"])
def test_whatever_its_pixels_are_a_picture_has_a_small_one(mode: str) -> None:
    source = landscape(960, 320)
    image = Image.new(mode, source.size) if mode in {"I;16", "F", "PA"} else source.convert(mode)
    small = Image.open(BytesIO(pictures.thumbnail(image, 6)))
    assert (small.format, small.size) == ("WEBP", (160, 480))


def test_a_small_one_keeps_what_is_seen_through_and_how_colours_are_meant() -> None:
    image = landscape(960, 320).convert("RGBA")
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    image.info["icc_profile"] = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    small = Image.open(BytesIO(pictures.thumbnail(image)))
    assert small.mode == "RGBA"
    assert small.info["icc_profile"] == image.info["icc_profile"]
    assert alike(small.convert("RGB"), image.convert("RGB").resize((480, 160))) > 0.7


def test_what_is_small_needs_no_small_one(room: Room) -> None:
    thumb = room.folder / "thumb"
    room.clean(encoded(Image.new("RGB", (30, 20), "navy"), "PNG"), thumb=str(thumb))
    assert not thumb.exists()
    room.clean(encoded(landscape(900, 600), "PNG"), thumb=str(thumb))
    assert 0 < thumb.stat().st_size < 40_000
