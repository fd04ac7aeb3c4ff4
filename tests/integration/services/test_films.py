"""Films: from the browser into the storage with a picture that stands for them, played from our pages, and out to a network."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from io import BytesIO
from pathlib import Path

import httpx
import pytest
from PIL import Image

from app import runtime
from app.engine import publishing
from app.engine.faultpoints import CLAIMED
from app.models import Attachment, MediaFile, MediaState, State
from app.services.media import files, uploads
from app.services.media.offers import Offer
from tests.integration.services.places import Place
from tests.integration.services.test_publishing import hold, release
from tests.integration.services.test_uploads import left_of
from tests.integration.services.world import World, fresh, of_post, settings, until
from tests.photos import film
from tests.unit.darkroom.test_pictures import moving

SIZE = (128, 72)
TELLING = {"title": "ALICE", "location": "+52.0+013.0/"}


@pytest.fixture
def here(place: Place, world: World, monkeypatch: pytest.MonkeyPatch) -> Place:
    """The installation keeps its media at ``place``."""
    monkeypatch.setattr(runtime, "_current", replace(runtime.current(), storage=place.storage))
    return place


async def brought(world: World, here: Place, data: bytes, name: str = "bell.mp4") -> MediaFile:
    """What becomes of a file that a browser brings."""
    arrival = await uploads.begin(world.workspace, world.alice, Offer(name, "", len(data)))
    assert arrival.put is not None
    assert (await here.put(arrival.put, data)).status_code < 300
    return (await uploads.confirm(world.workspace, arrival.file.id)).file


async def kept(world: World, path: Path, **more: object) -> MediaFile:
    """A film of Alice's, in the folder."""
    made = film(path / "bell.mp4", size=SIZE, **more)  # type: ignore[arg-type]
    return await files.add(world.workspace, made.read_bytes())


async def test_a_film_is_kept_as_it_came_with_a_poster_and_tells_nothing(here: Place, world: World, tmp_path: Path) -> None:
    data = film(tmp_path / "bell.mp4", size=SIZE, metadata=TELLING).read_bytes()
    assert b"ALICE" in data
    file = await brought(world, here, data)
    assert (file.state, file.mime, file.width, file.height) == (MediaState.READY, "video/mp4", *SIZE)
    assert file.facts["duration"] == pytest.approx(1, abs=0.1)
    assert b"ALICE" not in await here.all_of(file.path)
    assert Image.open(BytesIO(await here.all_of(file.poster))).size == SIZE
    assert sorted(await left_of(here, file)) == sorted([file.path, file.poster, file.thumb])


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1/secret.ts\n", "list of addresses"),
        (b"\0\0\0\x18ftypisom" + bytes(2000), "video cannot be read"),
        (b"MZ" + bytes(2000), "program"),
    ],
)
async def test_what_only_calls_itself_a_film_fails_in_words_and_leaves_nothing(
    here: Place, world: World, data: bytes, words: str
) -> None:
    file = await brought(world, here, data)
    assert file.state is MediaState.FAILED
    assert words in file.reason
    assert await left_of(here, file) == []


async def test_half_a_film_is_refused(here: Place, world: World, tmp_path: Path) -> None:
    data = film(tmp_path / "bell.mp4", size=SIZE).read_bytes()
    assert (await brought(world, here, data[: len(data) // 2])).state is MediaState.FAILED


async def test_a_film_is_played_from_where_somebody_clicks(world: World, alice: httpx.AsyncClient, tmp_path: Path) -> None:
    file = await kept(world, tmp_path)
    whole = await alice.get(files.film_url(file))
    assert (whole.status_code, whole.headers["content-type"], len(whole.content)) == (200, "video/mp4", file.size)
    assert whole.headers["accept-ranges"] == "bytes"
    part = await alice.get(files.film_url(file), headers={"Range": "bytes=100-199"})
    assert (part.status_code, part.content) == (206, whole.content[100:200])
    assert part.headers["content-range"] == f"bytes 100-199/{file.size}"
    beyond = await alice.get(files.film_url(file), headers={"Range": f"bytes={file.size}-"})
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{file.size}")
    for answer in (whole, part):
        assert (answer.headers["x-content-type-options"], answer.headers["content-security-policy"]) == ("nosniff", "sandbox")


async def test_its_poster_is_shown_where_a_picture_would_be(world: World, alice: httpx.AsyncClient, tmp_path: Path) -> None:
    file = await kept(world, tmp_path)
    poster = await alice.get(files.url(file))
    assert (poster.status_code, poster.headers["content-type"]) == (200, "image/jpeg")
    assert Image.open(BytesIO(poster.content)).size == SIZE
    item = (await alice.get(f"/compose/media/{file.id}")).text
    assert "Description of video" in item
    assert "0:01" in item


@pytest.mark.parametrize("path", ["/file/x", "/original", "/..", "/poster"])
async def test_other_addresses_of_a_film_show_nothing(world: World, alice: httpx.AsyncClient, tmp_path: Path, path: str) -> None:
    file = await kept(world, tmp_path)
    signed = files.film_url(file)
    assert (await alice.get(signed.replace("/file?", f"{path}?"))).status_code == 404


async def published(world: World, file: MediaFile, platform: str = "mastodon") -> Mapping[str, object]:
    """The film on a network, which takes its time."""
    attachment = Attachment(media_id=file.id, alt="A bell that rings")
    post = await world.publish_now(platform, attachments=(attachment,))
    await world.outbox.deliver()
    [delivery] = await of_post(post)
    assert delivery.state == State.SCHEDULED, "the worker is free while the server works"
    assert delivery.strikes == 0

    async def arrived() -> bool:
        await world.pass_time(timedelta(seconds=3))
        await world.dispatch()
        [delivery] = await of_post(post)
        return delivery.state == State.PUBLISHED

    await until(arrived)
    [accepted] = await world.judge.posts()
    return accepted


async def test_a_film_goes_out_with_its_description_and_is_uploaded_once(world: World, tmp_path: Path) -> None:
    accepted = await published(world, await kept(world, tmp_path))
    assert accepted["media"] == 1
    page = (await world.judge.http.get(str(accepted["url"]))).text
    assert "<video" in page
    assert 'aria-label="A bell that rings"' in page
    assert (await world.judge.counted("mastodon"))["upload"] == 1


@pytest.mark.parametrize("platform", ["bluesky", "mastodon"])
async def test_a_worker_that_slept_through_its_lease_uploads_nothing(world: World, tmp_path: Path, platform: str) -> None:
    """Another one has done it all meanwhile, and the film may have a gigabyte."""
    attachment = Attachment(media_id=(await kept(world, tmp_path)).id, alt="A bell that rings")
    [delivery] = await of_post(await world.publish_now(platform, attachments=(attachment,)))
    asleep = await hold(world, delivery, CLAIMED)
    [line] = publishing._running.values()

    async def arrived() -> bool:
        await world.pass_time(settings().lease_time + timedelta(seconds=2))
        await world.dispatch()
        return (await fresh(delivery)).state == State.PUBLISHED

    await until(arrived)
    line.at._lease_ends = 0.0
    await release(asleep)
    assert (await world.judge.counted(platform))["upload"] == 1
    assert len(await world.texts()) == 1


async def test_a_film_that_the_network_cannot_show_is_made_one_that_it_can(world: World, tmp_path: Path) -> None:
    file = await kept(world, tmp_path, codec="libx265", options={"preset": "ultrafast", "x265-params": "log-level=none"})
    assert file.facts["video_codec"] == "hevc"
    accepted = await published(world, file)
    assert accepted["media"] == 1
    [made] = [
        key
        for key in await left_of(Place(runtime.current().storage, "", world.judge.http, file.workspace_id), file)
        if key not in (file.path, file.poster, file.thumb)
    ]
    assert made.endswith(".mp4")


async def test_bluesky_prepares_a_film_before_its_post_is_written(world: World, tmp_path: Path) -> None:
    accepted = await published(world, await kept(world, tmp_path), "bluesky")
    assert accepted["media"] == 1
    assert 'aria-label="A bell that rings"' in (await world.judge.http.get(str(accepted["url"]))).text


async def test_a_gif_that_moves_goes_out_moving(world: World) -> None:
    file = await files.add(world.workspace, moving("GIF", 24, 5))
    accepted = await published(world, file, "bluesky")
    page = (await world.judge.http.get(str(accepted["url"]))).text
    assert "<video" in page
    assert "loop" in page
