"""Pictures: cleaned when they come, and made to fit when they go."""

import os
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from app import pictures
from app.errors import Invalid
from platforms.base import MediaRule

MIMES = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}


def encoded(image: Image.Image, form: str, **more: Any) -> bytes:
    file = BytesIO()
    image.save(file, form, **more)
    return file.getvalue()


def noise(side: int = 300) -> Image.Image:
    """A picture that no encoder makes small."""
    return Image.frombytes("RGB", (side, side), os.urandom(3 * side * side))


def rule(max_bytes: int = 10_000_000, max_pixels: int | None = None) -> MediaRule:
    return MediaRule(max_count=4, mimes=frozenset(MIMES.values()), max_bytes=max_bytes, max_pixels=max_pixels, alt_limit=100)


def telling() -> dict[str, Any]:
    """Facts that a camera or an editor writes into a file."""
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010E] = "ALICE"
    exif.get_ifd(0x8825)[2] = (52.0, 31.0, 12.0)
    return {"exif": exif.tobytes(), "xmp": b"<x>ALICE</x>", "comment": b"ALICE"}


# --- coming in --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", MIMES)
def test_what_a_file_tells_about_its_maker_is_gone(form: str) -> None:
    clean, mime, width, height = pictures.clean(encoded(Image.new("RGB", (40, 20), "red"), form, **telling()))
    assert b"ALICE" not in clean
    with Image.open(BytesIO(clean)) as image:
        assert (image.format, len(image.getexif())) == (form, 0)
        assert image.size == (width, height) == (20, 40)
    assert mime == MIMES[form]


def test_a_phones_picture_with_a_second_one_behind_it_is_a_jpeg() -> None:
    two = encoded(noise(40), "MPO", save_all=True, append_images=[noise(40)], exif=telling()["exif"])
    clean, mime, _, _ = pictures.clean(two)
    with Image.open(BytesIO(clean)) as image:
        assert (mime, image.format, getattr(image, "n_frames", 1)) == ("image/jpeg", "JPEG", 1)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "L", "1", "I;16"])
def test_every_kind_of_png_is_taken_and_keeps_its_transparency(mode: str) -> None:
    clean, _, _, _ = pictures.clean(encoded(Image.new(mode, (40, 20)), "PNG"))
    with Image.open(BytesIO(clean)) as image:
        assert image.mode == mode


def test_a_printers_jpeg_is_made_one_for_screens() -> None:
    clean, _, _, _ = pictures.clean(encoded(Image.new("CMYK", (40, 20)), "JPEG"))
    with Image.open(BytesIO(clean)) as image:
        assert image.mode == "RGB"


def test_an_animation_keeps_moving() -> None:
    frames = [Image.new("L", (20, 20), shade) for shade in (0, 120, 240)]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    clean, mime, _, _ = pictures.clean(data)
    assert (clean, mime) == (data, "image/gif")


def test_a_picture_larger_than_any_network_shows_is_stored_smaller() -> None:
    clean, _, width, height = pictures.clean(encoded(Image.new("L", (8192, 1024)), "PNG"))
    assert (width, height) == (4096, 512)
    with Image.open(BytesIO(clean)) as image:
        assert image.size == (4096, 512)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("side", [10_001, 20_000])
def test_a_small_file_that_unpacks_to_a_huge_picture_is_refused_unread(side: int) -> None:
    bomb = encoded(Image.new("1", (side, side)), "PNG")
    assert len(bomb) < 100_000
    with pytest.raises(Invalid):
        pictures.clean(bomb)


@pytest.mark.parametrize("form", ["TIFF", "BMP", "ICO", "PPM"])
def test_other_formats_are_refused_in_words(form: str) -> None:
    with pytest.raises(Invalid) as refusal:
        pictures.clean(encoded(Image.new("RGB", (32, 32)), form))
    assert "JPEG, PNG, WebP or GIF" in refusal.value.problems["media"]


SAMPLES = [encoded(Image.new("RGB", (24, 16), "red"), form, **telling()) for form in MIMES]


@settings(deadline=None)
@given(
    st.sampled_from(SAMPLES), st.lists(st.tuples(st.integers(0, 600), st.binary(max_size=8)), max_size=6), st.integers(0, 2000)
)
def test_a_broken_file_is_a_picture_or_a_refusal(sample: bytes, changes: list[tuple[int, bytes]], end: int) -> None:
    data = bytearray(sample)
    for at, junk in changes:
        data[at : at + len(junk)] = junk
    try:
        clean, mime, _, _ = pictures.clean(bytes(data[: end or None]))
    except Invalid:
        return
    with Image.open(BytesIO(clean)) as image:
        image.load()
        assert mime in MIMES.values() or mime == "image/gif"


# --- going out --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", MIMES)
def test_what_fits_goes_as_it_is(form: str) -> None:
    data = encoded(noise(50), form)
    assert pictures.fit(data, MIMES[form], rule()) is data


@pytest.mark.parametrize("form", MIMES)
@pytest.mark.parametrize("max_bytes", [60_000, 20_000, 3_000])
def test_what_is_too_large_is_made_to_fit_and_keeps_its_type_and_shape(form: str, max_bytes: int) -> None:
    fitted = pictures.fit(encoded(noise(), form, quality=100), MIMES[form], rule(max_bytes))
    assert len(fitted) <= max_bytes
    with Image.open(BytesIO(fitted)) as image:
        assert image.format == form
        assert image.width == image.height


@pytest.mark.parametrize("form", MIMES)
def test_what_has_too_many_pixels_gets_fewer(form: str) -> None:
    fitted = pictures.fit(encoded(Image.new("RGB", (400, 100)), form), MIMES[form], rule(max_pixels=10_000))
    with Image.open(BytesIO(fitted)) as image:
        assert 9_000 < image.width * image.height <= 10_000
        assert image.width / image.height == pytest.approx(4, rel=0.05)


def test_transparency_survives() -> None:
    see_through = noise().convert("RGBA")
    see_through.putalpha(100)
    with Image.open(BytesIO(pictures.fit(encoded(see_through, "PNG"), "image/png", rule(50_000)))) as image:
        assert image.mode == "RGBA"


def test_animations_are_left_alone() -> None:
    data = encoded(Image.new("L", (50, 50)), "GIF")
    assert pictures.fit(data, "image/gif", rule(1, 1)) is data


@pytest.mark.parametrize("form", MIMES)
def test_a_limit_that_nothing_keeps_ends_with_the_smallest_picture(form: str) -> None:
    with Image.open(BytesIO(pictures.fit(encoded(noise(40), form), MIMES[form], rule(0)))) as image:
        assert image.size == (1, 1)
