"""Pictures: cleaned when they come, and made to fit when they go; and what the process is good for that does it."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from app import darkroom, pictures
from app.errors import Invalid
from platforms.base import MediaKind, MediaRule

MIMES = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}


def encoded(image: Image.Image, form: str, **more: Any) -> bytes:
    file = BytesIO()
    image.save(file, form, **more)
    return file.getvalue()


def noise(side: int = 300) -> Image.Image:
    """A picture that no encoder makes small."""
    return Image.frombytes("RGB", (side, side), os.urandom(3 * side * side))


def fit(data: bytes, mime: str, max_bytes: int = 10_000_000, max_pixels: int | None = None) -> bytes:
    return darkroom.fit(data, mime, max_bytes, max_pixels)


def rule(max_bytes: int = 10_000_000, max_pixels: int | None = None) -> MediaRule:
    return MediaRule(MediaKind.IMAGE, max_count=4, mimes=frozenset(MIMES.values()), max_bytes=max_bytes, max_pixels=max_pixels)


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
    clean, mime, width, height = darkroom.clean(encoded(Image.new("RGB", (40, 20), "red"), form, **telling()))
    assert b"ALICE" not in clean
    with Image.open(BytesIO(clean)) as image:
        assert (image.format, len(image.getexif())) == (form, 0)
        assert image.size == (width, height) == (20, 40)
    assert mime == MIMES[form]


def test_a_phones_picture_with_a_second_one_behind_it_is_a_jpeg() -> None:
    two = encoded(noise(40), "MPO", save_all=True, append_images=[noise(40)], exif=telling()["exif"])
    clean, mime, _, _ = darkroom.clean(two)
    with Image.open(BytesIO(clean)) as image:
        assert (mime, image.format, getattr(image, "n_frames", 1)) == ("image/jpeg", "JPEG", 1)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "L", "1", "I;16"])
def test_every_kind_of_png_is_taken_and_keeps_its_transparency(mode: str) -> None:
    clean, _, _, _ = darkroom.clean(encoded(Image.new(mode, (40, 20)), "PNG"))
    with Image.open(BytesIO(clean)) as image:
        assert image.mode == mode


def test_a_printers_jpeg_is_made_one_for_screens() -> None:
    clean, _, _, _ = darkroom.clean(encoded(Image.new("CMYK", (40, 20)), "JPEG"))
    with Image.open(BytesIO(clean)) as image:
        assert image.mode == "RGB"


def test_an_animation_keeps_moving() -> None:
    frames = [Image.new("L", (20, 20), shade) for shade in (0, 120, 240)]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    clean, mime, _, _ = darkroom.clean(data)
    assert (clean, mime) == (data, "image/gif")


def test_a_picture_larger_than_any_network_shows_is_stored_smaller() -> None:
    clean, _, width, height = darkroom.clean(encoded(Image.new("L", (8192, 1024)), "PNG"))
    assert (width, height) == (4096, 512)
    with Image.open(BytesIO(clean)) as image:
        assert image.size == (4096, 512)


@pytest.mark.parametrize("side", [10_001, 20_000])
def test_a_small_file_that_unpacks_to_a_huge_picture_is_refused_unread(side: int) -> None:
    bomb = encoded(Image.new("1", (side, side)), "PNG")
    assert len(bomb) < 100_000
    with pytest.raises(darkroom.Refused):
        darkroom.clean(bomb)


@pytest.mark.parametrize("form", ["TIFF", "BMP", "ICO", "PPM"])
def test_other_formats_are_refused_in_words(form: str) -> None:
    with pytest.raises(darkroom.Refused) as refusal:
        darkroom.clean(encoded(Image.new("RGB", (32, 32)), form))
    assert "JPEG, PNG, WebP or GIF" in str(refusal.value)


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
        clean, mime, _, _ = darkroom.clean(bytes(data[: end or None]))
    except darkroom.Refused:
        return
    with Image.open(BytesIO(clean)) as image:
        image.load()
        assert mime in MIMES.values() or mime == "image/gif"


# --- going out --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", MIMES)
def test_what_fits_goes_as_it_is(form: str) -> None:
    data = encoded(noise(50), form)
    assert fit(data, MIMES[form]) is data


@pytest.mark.parametrize("form", MIMES)
@pytest.mark.parametrize("max_bytes", [60_000, 20_000, 3_000])
def test_what_is_too_large_is_made_to_fit_and_keeps_its_type_and_shape(form: str, max_bytes: int) -> None:
    fitted = fit(encoded(noise(), form, quality=100), MIMES[form], max_bytes)
    assert len(fitted) <= max_bytes
    with Image.open(BytesIO(fitted)) as image:
        assert image.format == form
        assert image.width == image.height


@pytest.mark.parametrize("form", MIMES)
def test_what_has_too_many_pixels_gets_fewer(form: str) -> None:
    fitted = fit(encoded(Image.new("RGB", (400, 100)), form), MIMES[form], max_pixels=10_000)
    with Image.open(BytesIO(fitted)) as image:
        assert 9_000 < image.width * image.height <= 10_000
        assert image.width / image.height == pytest.approx(4, rel=0.05)


def test_transparency_survives() -> None:
    see_through = noise().convert("RGBA")
    see_through.putalpha(100)
    with Image.open(BytesIO(fit(encoded(see_through, "PNG"), "image/png", 50_000))) as image:
        assert image.mode == "RGBA"


def test_animations_are_left_alone() -> None:
    data = encoded(Image.new("L", (50, 50)), "GIF")
    assert fit(data, "image/gif", 1, 1) is data


@pytest.mark.parametrize("form", MIMES)
def test_a_limit_that_nothing_keeps_ends_with_the_smallest_picture(form: str) -> None:
    with Image.open(BytesIO(fit(encoded(noise(40), form), MIMES[form], 0))) as image:
        assert image.size == (1, 1)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "L", "1", "I;16"])
def test_every_kind_of_png_can_be_made_smaller(mode: str) -> None:
    data = encoded(noise().convert("L" if ";" in mode else mode).convert(mode), "PNG")
    with Image.open(BytesIO(fit(data, "image/png", len(data) // 3))) as image:
        assert image.width < 300


def test_a_large_png_is_made_to_fit_in_a_few_steps() -> None:
    data = encoded(noise(2000), "PNG", compress_level=1)
    began = time.process_time()
    fitted = fit(data, "image/png", 500_000)
    assert time.process_time() - began < 1
    assert 250_000 < len(fitted) <= 500_000


# --- the process ------------------------------------------------------------------------------------------------------


def darkrooms(parent: int | None = None) -> list[psutil.Process]:
    """The pictures' processes that ``parent`` (or this process) has now."""
    return [child for child in psutil.Process(parent).children() if "darkroom" in " ".join(_command(child))]


def _command(process: psutil.Process) -> list[str]:
    with suppress(psutil.NoSuchProcess):  # or a zombie, which is one
        return process.cmdline()
    return []


async def one_at_work() -> psutil.Process:
    while not (found := darkrooms()):
        await asyncio.sleep(0.005)
    return found[0]


async def test_pictures_are_opened_elsewhere_and_nothing_stays_behind() -> None:
    cleaned, mime, width, height = await pictures.clean(encoded(Image.new("RGB", (40, 20), "red"), "JPEG", **telling()))
    assert (mime, width, height) == ("image/jpeg", 20, 40)
    assert b"ALICE" not in cleaned
    assert len(await pictures.fit(encoded(noise(), "PNG"), "image/png", rule(20_000))) <= 20_000
    assert darkrooms() == []


async def test_at_most_two_are_opened_at_once() -> None:
    work = asyncio.gather(*(pictures.clean(encoded(noise(), "PNG")) for _ in range(6)))
    seen = 0
    while not work.done():
        seen = max(seen, len(darkrooms()))
        await asyncio.sleep(0.01)
    assert 1 <= seen <= 2


async def test_what_is_no_picture_is_refused_in_words() -> None:
    with pytest.raises(Invalid) as refusal:
        await pictures.clean(b"hello")
    assert "JPEG, PNG, WebP or GIF" in refusal.value.problems["media"]


async def test_a_process_that_is_killed_is_replaced_once() -> None:
    data = encoded(noise(1500), "WEBP", quality=100)
    work = asyncio.create_task(pictures.clean(data))
    (await one_at_work()).kill()
    assert (await work)[1] == "image/webp"


async def test_two_that_are_killed_are_a_refusal_and_the_next_picture_goes_well() -> None:
    data = encoded(noise(1500), "WEBP", quality=100)
    work = asyncio.create_task(pictures.clean(data))
    for _ in range(2):
        killed = await one_at_work()
        killed.kill()
        while killed.is_running() and not work.done():
            await asyncio.sleep(0.005)
    with pytest.raises(Invalid) as refusal:
        await work
    assert "too much memory" in refusal.value.problems["media"]
    assert (await pictures.clean(encoded(noise(20), "PNG")))[1] == "image/png"


async def test_the_loop_goes_on_while_pictures_are_opened() -> None:
    work = asyncio.create_task(pictures.fit(encoded(noise(1500), "PNG"), "image/png", rule(100_000)))
    longest, last = 0.0, time.monotonic()
    while not work.done():
        await asyncio.sleep(0.01)
        longest, last = max(longest, time.monotonic() - last), time.monotonic()
    assert longest < 1


def test_its_memory_has_an_end() -> None:
    room = Path(darkroom.__file__)
    greedy = f"import os, sys; sys.path.insert(0, {str(room.parent)!r})\nimport {room.stem} as room\nroom._confine(os.getppid())"
    command = [sys.executable, "-I", "-c", f"{greedy}\nbytearray(2 * 10**9)"]
    assert "MemoryError" in subprocess.run(command, capture_output=True, text=True, check=False).stderr


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children of their parent's death")
def test_it_dies_with_the_process_that_started_it() -> None:
    works = "import asyncio, sys; from app import pictures; asyncio.run(pictures.clean(sys.stdin.buffer.read()))"
    parent = subprocess.Popen([sys.executable, "-c", works], stdin=subprocess.PIPE)
    assert parent.stdin is not None
    parent.stdin.write(encoded(noise(2500), "WEBP", quality=100, method=0))
    parent.stdin.close()
    while not (children := darkrooms(parent.pid)):
        time.sleep(0.005)
    time.sleep(0.4)
    assert children[0].is_running()
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    assert psutil.wait_procs(children, timeout=5)[1] == []
