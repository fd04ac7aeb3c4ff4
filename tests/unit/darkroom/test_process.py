"""What the process is good for that opens files: it may be lost, and takes nothing along."""

import asyncio
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import psutil
import pytest

from app import pictures
from app.darkroom import PROGRAM
from app.darkroom.protocol import Job
from app.errors import Invalid
from platforms.base import MediaFacts
from platforms.fitting import Rendition, plan
from tests.photos import encoded, film
from tests.unit.darkroom.room import rule, seen
from tests.unit.darkroom.test_pictures import noise, telling
from tests.unit.platforms.test_fitting import VIDEOS


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


async def clean(folder: Path, data: bytes, name: str = "source") -> MediaFacts:
    (folder / name).write_bytes(data)
    return await pictures.clean(folder / name, folder / f"{name}.clean", "image/jpeg")


async def test_pictures_are_opened_elsewhere_and_nothing_stays_behind(tmp_path: Path) -> None:
    facts = await clean(tmp_path, encoded(noise(600), "JPEG", **telling()))
    assert (facts.mime, facts.orientation) == ("image/jpeg", 6)
    cleaned, fitted = tmp_path / "source.clean", tmp_path / "fitted"
    assert b"ALICE" not in cleaned.read_bytes()
    planned = plan(facts, rule(facts.size // 2))
    assert isinstance(planned, Rendition)
    made = await pictures.render(cleaned, fitted, facts, planned)
    assert made.size == fitted.stat().st_size <= facts.size // 2
    assert made.colour.startswith("#")
    assert pictures.restored(pictures.stored(made)) == made
    assert darkrooms() == []


async def test_a_films_progress_is_told(tmp_path: Path) -> None:
    source = film(tmp_path / "a.mov", container="mov", sound="pcm_s16le")
    poster, copy = tmp_path / "poster", tmp_path / "copy"
    facts = await pictures.clean(source, copy, "video/quicktime", poster=poster)
    assert seen(poster.read_bytes()).size == (facts.width, facts.height)
    planned = plan(facts, replace(VIDEOS, durations=None))
    assert isinstance(planned, Rendition)
    shares: list[float] = []
    made = await pictures.render(copy, tmp_path / "made", facts, planned, progress=shares.append)
    await asyncio.sleep(0)
    assert (made.mime, made.audio_codec) == ("video/mp4", "aac")
    assert len(shares) > 10
    assert shares == sorted(shares)
    assert shares[-1] <= 1


def test_a_longer_film_may_take_longer_but_not_for_ever() -> None:
    short = MediaFacts("video/mp4", 9, 1920, 1080, frames=300)
    planned = plan(replace(short, duration=timedelta(seconds=10), video_codec="hevc"), VIDEOS)
    assert isinstance(planned, Rendition)
    few, many = pictures.limits(short, planned), pictures.limits(replace(short, frames=10**7), planned)
    assert pictures.PICTURE.seconds < few.seconds < many.seconds <= 7200


async def test_at_most_two_are_opened_at_once(tmp_path: Path) -> None:
    data = encoded(noise(), "PNG")
    work = asyncio.gather(*(clean(tmp_path, data, str(number)) for number in range(6)))
    seen = 0
    while not work.done():
        seen = max(seen, len(darkrooms()))
        await asyncio.sleep(0.01)
    assert 1 <= seen <= 2


async def test_what_is_no_picture_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(Invalid) as refusal:
        await clean(tmp_path, b"hello")
    assert "JPEG, PNG, WebP, GIF, MP4" in refusal.value.problems["media"]


def slow() -> bytes:
    """A picture that takes long enough to be caught at it."""
    return encoded(noise(2500), "WEBP", quality=100, method=0)


async def test_a_process_that_is_killed_is_replaced_once(tmp_path: Path) -> None:
    work = asyncio.create_task(clean(tmp_path, slow()))
    (await one_at_work()).kill()
    assert (await work).mime == "image/webp"


async def test_two_that_are_killed_are_a_refusal_and_the_next_picture_goes_well(tmp_path: Path) -> None:
    work = asyncio.create_task(clean(tmp_path, slow()))
    for _ in range(2):
        killed = await one_at_work()
        killed.kill()
        while killed.is_running() and not work.done():
            await asyncio.sleep(0.005)
    with pytest.raises(Invalid) as refusal:
        await work
    assert "too much memory" in refusal.value.problems["media"]
    assert (await clean(tmp_path, encoded(noise(20), "PNG"))).mime == "image/png"


async def test_the_loop_goes_on_while_pictures_are_opened(tmp_path: Path) -> None:
    work = asyncio.create_task(clean(tmp_path, slow()))
    longest, last = 0.0, time.monotonic()
    while not work.done():
        await asyncio.sleep(0.01)
        longest, last = max(longest, time.monotonic() - last), time.monotonic()
    assert longest < 1


@pytest.mark.parametrize(
    ("greedy", "ends"),
    [
        ("bytearray(2 * 10**8)", "MemoryError"),
        ("while True: pass", ""),
        ("open('much', 'wb').write(bytes(10**6))", "File too large"),
    ],
)
def test_its_memory_its_time_and_its_disk_have_an_end(greedy: str, ends: str, tmp_path: Path) -> None:
    limits = f"import os, sys; sys.path.insert(0, {str(PROGRAM.parents[2])!r}); from app.darkroom.confinement import confine"
    script = f"{limits}; confine(os.getppid(), memory=10**8, seconds=1, written=10**5)\n{greedy}"
    done = subprocess.run([sys.executable, "-I", "-c", script], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode != 0
    assert ends in done.stderr


def test_it_reads_no_settings_and_no_network_adapters() -> None:
    """It starts in a moment, and what a hostile file could reach in it is little."""
    names = "app.darkroom.work, app.darkroom.animations, app.darkroom.films"
    script = f"import sys; sys.path.insert(0, {str(PROGRAM.parents[2])!r}); import {names}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-I", "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert {name.partition(".")[0] for name in loaded} & {
        "platforms",
        "beanie",
        "httpx",
        "pydantic",
        "litestar",
        "boto3",
    } == set()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children of their parent's death")
def test_it_dies_with_the_process_that_started_it(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(slow())
    works = f"asyncio.run(pictures.clean(Path({str(source)!r}), Path({str(tmp_path / 'clean')!r}), 'image/webp'))"
    parent = subprocess.Popen(
        [sys.executable, "-c", f"import asyncio; from pathlib import Path; from app import pictures; {works}"]
    )
    while not (children := darkrooms(parent.pid)):
        time.sleep(0.005)
    assert children[0].is_running()
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    assert psutil.wait_procs(children, timeout=5)[1] == []


def test_a_job_is_one_line(tmp_path: Path) -> None:
    job = Job("render", "a\nb", recipe=[{"step": "still"}])
    (tmp_path / "job").write_text(job.write())
    with (tmp_path / "job").open() as file:
        assert Job.read(file) == job
    assert job.write().count("\n") == 1
