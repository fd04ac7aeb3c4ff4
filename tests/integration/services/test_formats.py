"""What people really bring arrives right on both networks; what only pretends is told in words, and the process lives."""

import re
from collections.abc import Callable
from datetime import timedelta
from io import BytesIO
from pathlib import Path

import av
import httpx
import pytest
from PIL import Image

from app.models import Attachment, State
from app.services.media import files
from platforms import REGISTRY
from tests.integration.services.places import Place
from tests.integration.services.test_films import brought, here
from tests.integration.services.test_media import photo
from tests.integration.services.world import World, of_post, until
from tests.photos import encoded, film, landscape
from tests.unit.darkroom.test_films import endless
from tests.unit.darkroom.test_pictures import moving

__all__ = ["here"]

SIDES = (320, 240)


def _see_through() -> Image.Image:
    image = landscape(*SIDES)
    image.putalpha(Image.linear_gradient("L").resize(SIDES))
    return image


def _phone(folder: Path) -> bytes:
    quiet = {"preset": "ultrafast", "x265-params": "log-level=none"}
    return film(folder / "phone.mov", size=SIDES, codec="libx265", container="mov", options=quiet).read_bytes()


BROUGHT: dict[str, Callable[[Path], bytes]] = {
    "a phone's photo": lambda _: photo(),
    "HEIC": lambda _: encoded(landscape(*SIDES), "HEIF"),
    "a see-through PNG": lambda _: encoded(_see_through(), "PNG"),
    "a GIF that moves": lambda _: moving("GIF"),
    "a WebP that moves": lambda _: moving("WEBP"),
    "a printer's JPEG": lambda _: encoded(landscape(*SIDES).convert("CMYK"), "JPEG"),
    "a PNG of 16 bits": lambda _: encoded(Image.new("I;16", SIDES, 0x8000), "PNG"),
    "a phone's film": _phone,
    "a film in WebM": lambda folder: film(folder / "a.webm", size=SIDES, codec="libvpx", sound="", container="webm").read_bytes(),
}
MOVES = {"a GIF that moves", "a WebP that moves", "a phone's film", "a film in WebM"}


@pytest.mark.parametrize("kind", BROUGHT)
async def test_it_is_right_on_both_networks(world: World, tmp_path: Path, kind: str) -> None:
    file = await files.add(world.workspace, BROUGHT[kind](tmp_path))
    post = await world.publish_now("bluesky", "mastodon", attachments=(Attachment(media_id=file.id, alt="A bell"),))
    await world.outbox.deliver()

    async def arrived() -> bool:
        await world.pass_time(timedelta(seconds=4))
        await world.dispatch()
        found = await of_post(post)
        assert not [one.trouble for one in found if one.trouble]
        return all(one.state == State.PUBLISHED for one in found)

    await until(arrived)
    accepted = {one["platform"]: one for one in await world.judge.posts()}
    assert set(accepted) == {"bluesky", "mastodon"}
    for platform, one in accepted.items():
        received = await what_came(world, one["url"])
        account = world.accounts[platform]
        limits = REGISTRY[platform].capabilities_for(account.limits).media
        assert received.headers["content-type"] in limits.mimes
        assert moves(received) == (kind in MOVES)


async def what_came(world: World, url: str) -> httpx.Response:
    """The bytes that the network shows."""
    page = (await world.judge.http.get(url)).text
    [path] = set(re.findall(r'src="[^"]*(/media/\w+)"', page))
    return await world.judge.http.get(str(httpx.URL(url).copy_with(path=path)))


def moves(received: httpx.Response) -> bool:
    """Decoded by other eyes than the pipeline's own look at it."""
    if received.headers["content-type"].startswith("video/"):
        with av.open(BytesIO(received.content)) as shown:
            return sum(1 for _ in shown.decode(video=0)) > 1
    with Image.open(BytesIO(received.content)) as image:
        image.load()
        return getattr(image, "n_frames", 1) > 1


# --- hostile ones -----------------------------------------------------------------------------------------------------

HOSTILE: dict[str, tuple[Callable[[Path], bytes], str]] = {
    "a part of a photo": (lambda _: photo()[:300], "cannot be read"),
    "a program": (lambda _: b"MZ\x90\0" + bytes(3000), "program"),
    "a drawing with a script": (
        lambda _: b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        "can carry programs",
    ),
    "a pixel bomb": (lambda _: encoded(Image.new("1", (20_000, 20_000)), "PNG"), "megapixels"),
    "a playlist": (lambda _: b"#EXTM3U\n#EXTINF:9,\nhttp://169.254.169.254/latest/meta-data/\n", "list of addresses"),
    "an empty container": (lambda _: b"\0\0\0\x18ftypisom\0\0\0\0isom" + bytes(4000), "cannot be read"),
}


@pytest.mark.parametrize("kind", HOSTILE)
async def test_a_hostile_file_is_told_in_words_and_the_next_one_goes_well(
    here: Place, world: World, tmp_path: Path, kind: str
) -> None:
    made, words = HOSTILE[kind]
    for name in ("bell.jpg", "bell.mp4"):
        file = await brought(world, here, made(tmp_path), name)
        assert (file.state, words in file.reason) == ("failed", True), file.reason
    assert (await brought(world, here, photo(), "bell.jpg")).state == "ready"


async def test_a_film_that_says_it_has_a_million_pictures_is_kept_with_those_that_it_has(
    here: Place, world: World, tmp_path: Path
) -> None:
    file = await brought(world, here, endless(tmp_path / "endless.mp4", 1_000_000).read_bytes())
    assert (file.state, file.facts["frames"]) == ("ready", 2)
