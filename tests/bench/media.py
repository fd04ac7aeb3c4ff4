"""``python -m tests.bench.media``: a phone's photo and a phone's film (60 s, 4K, HEVC), made to fit both networks; what it took.

It takes some minutes and needs no servers.
"""

import asyncio
import resource
import tempfile
import time
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import psutil
from PIL import Image, ImageOps

from app import pictures
from platforms.base import MediaRule
from platforms.bluesky import files as bluesky
from platforms.fitting import Rendition, plan
from platforms.mastodon import files as mastodon
from platforms.mastodon.limits import BOUNDS
from tests.photos import alike, encoded, film, landscape, repeated

_SECONDS, _SCENE = 60, 2
_NUMBERS = {name: bound.default for name, bound in BOUNDS.items()}
_NETWORKS = {
    "bluesky": (bluesky.PICTURES, bluesky.FILMS),
    "mastodon": (mastodon.rules(_NUMBERS, mastodon.IMAGE_MIMES).rules[0], mastodon.films(_NUMBERS, mastodon.FILM_MIMES)),
}


def photo(path: Path) -> Path:
    """12 megapixels, held sideways."""
    exif = Image.Exif()
    exif[0x0112] = 6
    exif.get_ifd(0x8825)[2] = (52.0, 31.0, 12.0)
    path.write_bytes(encoded(landscape(4032, 3024), "JPEG", quality=95, exif=exif.tobytes()))
    return path


def phone_film(path: Path) -> Path:
    """Two seconds, over and over: the encoder takes longer than all that is measured here."""
    options = {"preset": "ultrafast", "x265-params": "log-level=none:open-gop=0:keyint=60:bframes=0"}
    scene = film(
        path.with_name("scene.mov"),
        seconds=_SCENE,
        size=(3840, 2160),
        codec="libx265",
        container="mov",
        options=options | {"crf": "12"},
    )
    return repeated(scene, path, times=_SECONDS // _SCENE, seconds=Fraction(_SCENE), container="mov")


async def measure(source: Path, rule: MediaRule, folder: Path) -> str:
    """One line about one file and one network."""
    facts = await pictures.probe(source)
    planned = plan(facts, rule)
    if not isinstance(planned, Rendition) or not planned.steps:
        return f"{planned}"
    target, before = folder / "made", resource.getrusage(resource.RUSAGE_CHILDREN)
    began, most = time.monotonic(), [0]
    watching = asyncio.create_task(_watch(most))
    made = await pictures.render(source, target, facts, planned)
    watching.cancel()
    took, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    told = f"{made.mime} {made.width} x {made.height}, {made.size / 1e6:.2f} of {rule.max_bytes / 1e6:.0f} MB"
    told += f", {took:.1f} s, {processor:.1f} s of processor, {most[0] / 1e6:.0f} MB of memory"
    if made.is_film:
        return f"{told}, {made.video_codec}, {made.audio_codec}, {made.pixels}, {made.frames} frames"
    with Image.open(source) as original, Image.open(target) as fitted:
        straight = ImageOps.exif_transpose(original).resize(fitted.size, Image.Resampling.LANCZOS)
        return f"{told}, SSIM {alike(fitted, straight):.3f}, Exif {dict(fitted.getexif())}"


async def _watch(most: list[int]) -> None:
    """The most memory that the process took, in bytes, looked at now and then."""
    while True:
        for child in psutil.Process().children():
            with suppress(psutil.NoSuchProcess):
                most[0] = max(most[0], child.memory_info().rss)
        await asyncio.sleep(0.02)


async def main() -> None:
    """Make them, fit them, tell."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sources = photo(folder / "photo.jpg"), phone_film(folder / "phone.mov")
        for source in sources:
            print(source.name, await pictures.probe(source))
        for network, rules in _NETWORKS.items():
            for source, rule in zip(sources, rules, strict=True):
                print(network, source.name, await measure(source, rule, folder))


if __name__ == "__main__":
    asyncio.run(main())
