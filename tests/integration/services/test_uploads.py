"""Files on their way: put straight into a folder or a bucket, looked at when they are there, and one truth about each."""

import asyncio
import os
import tracemalloc
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest
from dramatiq.brokers.stub import StubBroker
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from app import migrations, runtime
from app.asgi import create_app
from app.courier import Courier
from app.errors import Invalid, NotFound, TooOften
from app.ids import Id
from app.models import MEDIA_TRANSITIONS, Attachment, MediaFile, MediaState, now
from app.services.media import expiring, files, uploads
from app.services.media.offers import MAX_FILM, MAX_PICTURE, Offer, Rate
from app.services.media.uploads import Arrival
from app.services.writing import posts
from app.storage import Folder, Missing, StorageError, Stored, Upload, pieces
from app.storage.values import MEBIBYTE
from platforms import REGISTRY
from platforms.base import MediaKind, MediaRule, MediaRules
from tests.integration.services.belfry import NAME, Belfry
from tests.integration.services.places import Place, bucket_settings
from tests.integration.services.test_forms import token
from tests.integration.services.test_media import photo
from tests.integration.services.world import World, put
from tests.servers import s3

DAY = timedelta(days=1, minutes=1)
LARGE = 17 * MEBIBYTE
"""More than comes as a whole."""


@pytest.fixture
def here(place: Place, world: World, monkeypatch: pytest.MonkeyPatch) -> Place:
    """The installation keeps its media at ``place``. A test names it before ``world``: who makes a place empties the database."""
    monkeypatch.setattr(runtime, "_current", replace(runtime.current(), storage=place.storage))
    return place


def large_photo() -> bytes:
    """A picture with a long tail, as cameras append them; it is not kept."""
    return photo() + bytes(LARGE - len(photo()))


async def begun(world: World, data: bytes, name: str = "bell.jpg", mime: str = "image/jpeg") -> Arrival:
    return await uploads.begin(world.workspace, world.alice, Offer(name, mime, len(data)))


async def sent(world: World, here: Place, data: bytes, name: str = "bell.jpg") -> Id:
    """A file that has come as a whole, and that nobody has looked at."""
    arrival = await begun(world, data, name)
    assert arrival.put is not None
    (await here.put(arrival.put, data)).raise_for_status()
    return arrival.file.id


async def put_parts(world: World, here: Place, arrival: Arrival, data: bytes, *numbers: int) -> None:
    assert arrival.sizes is not None
    starts = {number: sum(size for other, size in arrival.sizes.items() if other < number) for number in arrival.sizes}
    for number, signed in (await uploads.part_urls(world.workspace, arrival.file.id, numbers)).items():
        body = data[starts[number] : starts[number] + arrival.sizes[number]]
        (await here.put(signed, body)).raise_for_status()


async def lies(here: Place, key: str) -> bool:
    try:
        await here.storage.head(key)
    except Missing:
        return False
    return True


async def left_of(here: Place, file: MediaFile) -> list[str]:
    """Everything that the storage holds because of the file."""
    found = [one.key async for one in here.storage.listed(f"media/{file.workspace_id}/{file.id}/")]
    found += [file.incoming] if await lies(here, file.incoming) else []
    return found + [one.key async for one in here.storage.unfinished(file.incoming)]


# --- the way of a file ------------------------------------------------------------------------------------------------


async def test_a_picture_that_was_put_and_confirmed_is_a_file_as_any_other(here: Place, world: World) -> None:
    media_id = await sent(world, here, photo(), "C:\\Tower\\bell.jpg")
    with pytest.raises(NotFound):
        await files.get(world.workspace, media_id)
    confirmed = (await uploads.confirm(world.workspace, media_id)).file
    file = await files.get(world.workspace, media_id)
    assert confirmed == file
    assert (file.state, file.name, file.mime, file.width, file.height) == (MediaState.READY, "bell.jpg", "image/jpeg", 20, 40)
    assert file.path == f"media/{world.workspace.id}/{file.id}/original.jpg"
    assert b"ALICE" not in await here.all_of(file.path)
    assert await left_of(here, file) == [file.path]


async def test_neither_name_nor_type_are_trusted(here: Place, world: World) -> None:
    arrival = await begun(world, photo(), "bell.png", "image/png")
    assert arrival.put is not None
    assert arrival.put.headers == {"Content-Type": "image/png"}
    await here.put(arrival.put, photo())
    file = (await uploads.confirm(world.workspace, arrival.file.id)).file
    assert (file.mime, file.path.endswith("/original.jpg")) == ("image/jpeg", True)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"no picture at all", "no picture or video we can read"),
        (b"\0\0\0\x18ftypisom" + bytes(100), "video"),
        (b"\xff\xd8\xff" + bytes(100), "picture"),
    ],
)
async def test_what_is_no_picture_fails_with_the_reason_and_leaves_nothing(
    here: Place, world: World, data: bytes, words: str
) -> None:
    media_id = await sent(world, here, data)
    for _ in range(2):
        file = (await uploads.confirm(world.workspace, media_id)).file
        assert file.state is MediaState.FAILED
        assert words in file.reason
    assert await left_of(here, file) == []


async def test_a_large_file_comes_in_parts_and_goes_on_where_it_was_cut(here: Place, world: World) -> None:
    data = large_photo()
    arrival = await begun(world, data)
    assert arrival.sizes == {1: 8 * MEBIBYTE, 2: 8 * MEBIBYTE, 3: MEBIBYTE}
    await put_parts(world, here, arrival, data, 3, 1)
    again = await uploads.get(world.workspace, arrival.file.id)
    assert sorted(again.there) == [1, 3]
    early = await uploads.confirm(world.workspace, arrival.file.id)
    assert (early.file.state, sorted(early.there)) == (MediaState.UPLOADING, [1, 3])
    await put_parts(world, here, arrival, data, 2)
    file = (await uploads.confirm(world.workspace, arrival.file.id)).file
    assert (file.state, file.size < MEBIBYTE) == (MediaState.READY, True)
    assert await left_of(here, file) == [file.path]


async def test_what_was_put_together_before_a_crash_is_not_sent_again(here: Place, world: World) -> None:
    data = large_photo()
    arrival = await begun(world, data)
    await put_parts(world, here, arrival, data, 1, 2, 3)
    file = arrival.file
    upload = Upload(file.incoming, file.upload_id, file.created_at)
    await here.storage.complete(upload, await here.storage.parts(upload))
    assert list((await uploads.get(world.workspace, file.id)).there) == [1, 2, 3]
    assert (await uploads.confirm(world.workspace, file.id)).file.state is MediaState.READY


async def test_an_upload_that_the_storage_dropped_says_so(here: Place, world: World) -> None:
    arrival = await begun(world, bytes(LARGE))
    file = arrival.file
    await here.storage.abort(Upload(file.incoming, file.upload_id, file.created_at))
    found = (await uploads.get(world.workspace, file.id)).file
    assert (found.state, "Upload it again" in found.reason) == (MediaState.FAILED, True)


async def test_confirmed_before_it_is_there_it_is_still_on_its_way(here: Place, world: World) -> None:
    arrival = await begun(world, photo())
    early = await uploads.confirm(world.workspace, arrival.file.id)
    assert (early.file.state, early.put is not None) == (MediaState.UPLOADING, True)


async def test_pressed_several_times_at_once_it_is_looked_at_once(here: Place, world: World) -> None:
    media_id = await sent(world, here, photo())
    answers = await asyncio.gather(*[uploads.confirm(world.workspace, media_id) for _ in range(6)])
    assert {answer.file.state for answer in answers} <= {MediaState.READY, MediaState.CHECKING}
    assert [answer.file.state for answer in answers].count(MediaState.READY) >= 1
    assert (await uploads.confirm(world.workspace, media_id)).file.state is MediaState.READY


async def test_a_canceled_upload_is_gone_and_an_address_of_it_brings_nothing_back(here: Place, world: World) -> None:
    data = large_photo()
    arrival = await begun(world, data)
    await put_parts(world, here, arrival, data, 1)
    signed = (await uploads.part_urls(world.workspace, arrival.file.id, [2]))[2]
    assert (await uploads.cancel(world.workspace, arrival.file.id)).state is MediaState.DELETED
    assert await left_of(here, arrival.file) == []
    assert (await here.put(signed, data[: 8 * MEBIBYTE])).status_code == 404
    assert (await uploads.confirm(world.workspace, arrival.file.id)).file.state is MediaState.DELETED
    with pytest.raises(Invalid):
        await uploads.part_urls(world.workspace, arrival.file.id, [2])


async def test_what_is_ready_is_not_canceled(here: Place, world: World) -> None:
    media_id = await sent(world, here, photo())
    await uploads.confirm(world.workspace, media_id)
    assert (await uploads.cancel(world.workspace, media_id)).state is MediaState.READY
    file = await files.get(world.workspace, media_id)
    assert await lies(here, file.path)


folder_only = pytest.mark.parametrize("place", ["folder"], indirect=True)


@folder_only
async def test_a_check_that_is_cut_off_can_be_done_again_at_once(here: Place, world: World) -> None:
    media_id = await sent(world, here, photo())
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await uploads.confirm(world.workspace, media_id)
    found = await MediaFile.get(media_id)
    assert found is not None
    assert found.state is MediaState.UPLOADING
    assert (await uploads.confirm(world.workspace, media_id)).file.state is MediaState.READY


@folder_only
async def test_a_check_whose_process_is_gone_is_taken_over_when_its_time_is_up(here: Place, world: World) -> None:
    media_id = await sent(world, here, photo())
    file = await MediaFile.get(media_id)
    assert file is not None
    await put(file, state=MediaState.CHECKING, claim=Id(), claimed_until=now() + timedelta(minutes=1))
    assert (await uploads.confirm(world.workspace, media_id)).file.state is MediaState.CHECKING
    await put(file, claimed_until=now() - timedelta(minutes=1))
    assert (await uploads.confirm(world.workspace, media_id)).file.state is MediaState.READY


class Interrupted(Folder):
    """A folder in which something happens just before a file is written ``below`` a place, and nobody can stop that any more."""

    then: Callable[[], Awaitable[Any]] | None = None
    below = "media/"

    async def write(self, key: str, source: AsyncIterable[bytes], *, mime: str, size: int | None = None) -> Stored:
        if self.then is not None and key.startswith(self.below):
            happens, self.then = self.then, None
            await happens()
        return await super().write(key, source, mime=mime, size=size)


@pytest.fixture
def interrupted(here: Place, world: World, monkeypatch: pytest.MonkeyPatch) -> Interrupted:
    assert isinstance(here.storage, Folder)
    storage = Interrupted(here.storage.root, runtime.current().sealer)
    monkeypatch.setattr(runtime, "_current", replace(runtime.current(), storage=storage))
    return storage


@folder_only
@pytest.mark.parametrize("how", ["canceled", "expired"])
async def test_taken_back_in_the_last_moment_nothing_stays(here: Place, world: World, interrupted: Interrupted, how: str) -> None:
    media_id = await sent(world, here, photo())
    wanted = {
        "canceled": lambda: uploads.cancel(world.workspace, media_id),
        "expired": lambda: expiring.expire(now() + DAY),
    }
    interrupted.then = wanted[how]
    file = (await uploads.confirm(world.workspace, media_id)).file
    assert (file.state, await left_of(here, file)) == (MediaState.DELETED, [])


@folder_only
async def test_what_is_being_looked_at_does_not_expire(here: Place, world: World, interrupted: Interrupted) -> None:
    media_id = await sent(world, here, photo())
    file = await MediaFile.get(media_id)
    assert file is not None
    await put(file, created_at=now() - DAY)
    interrupted.then = lambda: expiring.expire(now())
    assert (await uploads.confirm(world.workspace, media_id)).file.state is MediaState.READY


@folder_only
async def test_of_two_that_look_at_it_the_later_one_writes_it_down(here: Place, world: World, interrupted: Interrupted) -> None:
    media_id = await sent(world, here, photo())
    file = await MediaFile.get(media_id)
    assert file is not None
    second: list[MediaFile] = []

    async def overtake() -> None:
        await put(file, claimed_until=now() - timedelta(minutes=1))
        second.append((await uploads.confirm(world.workspace, media_id)).file)

    interrupted.then = overtake
    first = (await uploads.confirm(world.workspace, media_id)).file
    assert [first] == second
    assert (first.state, await left_of(here, first)) == (MediaState.READY, [first.path])


@folder_only
async def test_what_nobody_finishes_is_forgotten_after_a_day(here: Place, world: World) -> None:
    whole, parted = await sent(world, here, photo()), (await begun(world, bytes(LARGE))).file
    failed, ready, canceled = [await sent(world, here, data) for data in (b"no", photo(), photo())]
    for media_id in (failed, ready):
        await uploads.confirm(world.workspace, media_id)
    await uploads.cancel(world.workspace, canceled)
    documents = [file for media_id in (whole, parted.id, failed, canceled) if (file := await MediaFile.get(media_id))]
    assert await expiring.expire(now() + timedelta(hours=23)) == 0
    assert sum(await asyncio.gather(*[expiring.expire(now() + DAY) for _ in range(2)])) >= 4
    for file in documents:
        assert await MediaFile.get(file.id) is None
        assert await left_of(here, file) == []
        with pytest.raises(NotFound):
            await uploads.confirm(world.workspace, file.id)
    assert await lies(here, (await files.get(world.workspace, ready)).path)


@folder_only
async def test_a_storage_that_is_away_leaves_no_upload_behind(here: Place, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    (blocked := runtime.current().settings.data_dir / "blocked").write_text("a file where a folder should be")
    storage = type(here.storage)(blocked, runtime.current().sealer)  # type: ignore[call-arg]
    monkeypatch.setattr(runtime, "_current", replace(runtime.current(), storage=storage))
    with pytest.raises(StorageError):
        await begun(world, bytes(LARGE))
    assert await MediaFile.find({}).to_list() == []


# --- what is refused at once ------------------------------------------------------------------------------------------


@folder_only
@pytest.mark.parametrize(
    ("offer", "words"),
    [
        (Offer("bell.jpg", "image/jpeg", 0), "empty"),
        (Offer("bell.jpg", "image/jpeg", -1), "empty"),
        (Offer("bell.jpg", "image/jpeg", MAX_PICTURE + 1), "100 MB"),
        (Offer("bell.jpg", "image/jpeg", 10**30), "100 MB"),
        (Offer("bell.mp4", "video/mp4", MAX_FILM + 1), "4,096 MB"),
        (Offer("bell.MOV", "", MAX_FILM + 1), "4,096 MB"),
        (Offer("bell.pdf", "application/pdf", 1), "no picture"),
        (Offer("bell", "x" * 10_000, 1), "no picture"),
        (Offer("../../etc/passwd", "../..", 1), "no picture"),
    ],
)
async def test_what_can_never_be_attached_is_not_begun(here: Place, world: World, offer: Offer, words: str) -> None:
    with pytest.raises(Invalid, match=words):
        await uploads.begin(world.workspace, world.alice, offer)
    assert await MediaFile.find({}).to_list() == []


@folder_only
@pytest.mark.parametrize(("name", "mime"), [("bell.JPG", ""), ("bell.jpeg", "image/jpg"), ("bell", "image/jpeg; q=1")])
async def test_a_type_that_a_browser_does_not_know_follows_from_the_name(here: Place, world: World, name: str, mime: str) -> None:
    assert (await begun(world, b"x", name, mime)).file.mime == "image/jpeg"


@folder_only
async def test_what_no_chosen_account_takes_is_not_begun(here: Place, world: World, belfry: Belfry) -> None:
    rule = MediaRule(MediaKind.IMAGE, max_count=1, mimes=frozenset({"image/png"}), max_bytes=1_000_000)
    belfry.capabilities = replace(belfry.capabilities, media=MediaRules((rule,), max_count=1))
    gif, chosen = Offer("bell.gif", "image/gif", 1), [world.accounts[NAME].id]
    with pytest.raises(Invalid, match="None of the chosen accounts takes GIFs"):
        await uploads.begin(world.workspace, world.alice, gif, account_ids=chosen)
    with_one_more = [*chosen, next(one.id for name, one in world.accounts.items() if _takes_gifs(name))]
    await uploads.begin(world.workspace, world.alice, gif, account_ids=with_one_more)
    await uploads.begin(world.workspace, world.alice, gif, account_ids=[Id()])


def _takes_gifs(platform: str) -> bool:
    return REGISTRY[platform].capabilities.media.of(MediaKind.GIF) is not None


@folder_only
async def test_a_person_brings_only_so_many_at_a_time(here: Place, world: World) -> None:
    few = Rate(begun=5, unfinished=3)

    async def bring() -> Arrival:
        return await uploads.begin(world.workspace, world.alice, Offer("bell.jpg", "image/jpeg", 5), rate=few)

    answers = await asyncio.gather(*[bring() for _ in range(6)], return_exceptions=True)
    accepted = [answer for answer in answers if isinstance(answer, Arrival)]
    assert len(accepted) <= 3
    assert all(isinstance(answer, Arrival | TooOften) for answer in answers)
    assert await MediaFile.get_pymongo_collection().count_documents({}) == len(accepted)
    await uploads.begin(world.workspace, world.charlie, Offer("bell.jpg", "image/jpeg", 5), rate=few)
    for arrival in accepted:
        await uploads.cancel(world.workspace, arrival.file.id)
    for _ in range(5 - len(accepted)):
        await uploads.cancel(world.workspace, (await bring()).file.id)
    with pytest.raises(TooOften, match="Wait a minute"):
        await bring()


@folder_only
async def test_another_workspaces_upload_does_not_exist(here: Place, world: World) -> None:
    media_id = await sent(world, here, photo())
    for workspace, wanted in ((world.elsewhere, media_id), (world.workspace, Id())):
        asked: list[Callable[[], Awaitable[Any]]] = [
            lambda w=workspace, m=wanted: uploads.get(w, m),  # type: ignore[misc]
            lambda w=workspace, m=wanted: uploads.part_urls(w, m, [1]),  # type: ignore[misc]
            lambda w=workspace, m=wanted: uploads.confirm(w, m),  # type: ignore[misc]
            lambda w=workspace, m=wanted: uploads.cancel(w, m),  # type: ignore[misc]
        ]
        for ask in asked:
            with pytest.raises(NotFound):
                await ask()
    assert (await uploads.get(world.workspace, media_id)).file.state is MediaState.UPLOADING


# --- the document -----------------------------------------------------------------------------------------------------


@folder_only
async def test_a_post_does_not_take_what_has_not_arrived(here: Place, world: World) -> None:
    arrival = await begun(world, photo())
    attachments = (Attachment(media_id=arrival.file.id),)
    for verb in (posts.publish_now, posts.save_draft):
        with pytest.raises(Invalid, match="has not arrived yet"):
            await verb(world.workspace, world.alice, world.draft(attachments=attachments))


@folder_only
async def test_a_file_has_a_name_a_description_and_a_focal_point(here: Place, world: World) -> None:
    file = await files.add(world.workspace, photo())
    assert (file.name, file.alt, file.focus) == ("", "", (0.5, 0.5))
    await files.describe(world.workspace, file.id, name="a/Bell\n", alt="A bell")
    found = await files.describe(world.workspace, file.id, focus=(0.25, 1))
    assert (found.name, found.alt, found.focus) == ("Bell", "A bell", (0.25, 1))
    for wrong in ({"focus": (0, 1.1)}, {"focus": (float("nan"), 0)}, {"alt": "x" * 5_001}):
        with pytest.raises(Invalid):
            await files.describe(world.workspace, file.id, **wrong)  # type: ignore[arg-type]
    with pytest.raises(NotFound):
        await files.describe(world.elsewhere, file.id, alt="Mine")


@folder_only
async def test_which_posts_hold_a_file_is_asked(here: Place, world: World) -> None:
    one, other = await world.picture(), await world.picture()
    first = await posts.save_draft(world.workspace, world.alice, world.draft(attachments=(one, other)))
    second = await posts.save_draft(world.workspace, world.alice, world.draft(attachments=(one,)))
    assert {post.id for post in await files.used_by(world.workspace, one.media_id)} == {first.id, second.id}
    assert [post.id for post in await files.used_by(world.workspace, other.media_id)] == [first.id]
    assert await files.used_by(world.elsewhere, one.media_id) == []
    assert await files.used_by(world.workspace, Id()) == []


@folder_only
async def test_a_file_from_before_there_were_states_is_ready(here: Place, world: World) -> None:
    file = await files.add(world.workspace, photo())
    media = MediaFile.get_pymongo_collection()
    await media.update_one({"_id": file.id}, {"$unset": {"state": "", "name": "", "focus": ""}})
    assert (await files.get(world.workspace, file.id)).state is MediaState.READY
    await migrations.run()
    assert (await media.find_one({"_id": file.id}) or {})["state"] == "ready"
    assert await expiring.expire(now() + DAY) == 0


# --- in any order -----------------------------------------------------------------------------------------------------

STEPS = ("put", "put wrong", "confirm", "confirm", "cancel", "expire", "cut")


@folder_only
@examples(deadline=None, max_examples=20, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rounds=st.lists(st.lists(st.sampled_from(STEPS), min_size=1, max_size=3), min_size=1, max_size=5))
async def test_in_any_order_there_is_one_truth(here: Place, world: World, rounds: list[list[str]]) -> None:
    arrival = await begun(world, photo())
    file, signed = arrival.file, arrival.put
    assert signed is not None
    right = photo()

    async def step(name: str) -> None:
        if name.startswith("put"):
            await here.put(signed, right if name == "put" else bytes(len(right)))
        elif name == "confirm":
            await uploads.confirm(world.workspace, file.id)
        elif name == "cancel":
            await uploads.cancel(world.workspace, file.id)
        elif name == "expire":
            await expiring.expire(now() + DAY)
        else:
            async with asyncio.timeout(0.02):
                await uploads.confirm(world.workspace, file.id)

    before = MediaState.UPLOADING
    for steps in rounds:
        outcomes = await asyncio.gather(*[step(name) for name in steps], return_exceptions=True)
        assert all(outcome is None or isinstance(outcome, NotFound | TimeoutError) for outcome in outcomes), outcomes
        before = await one_truth(here, file, before)
    await expiring.expire(now() + DAY)
    known = await MediaFile.get(file.id)
    assert known is None or known.state is MediaState.READY


async def one_truth(here: Place, file: MediaFile, before: MediaState) -> MediaState:
    """What the document says is what the storage holds; and it never comes back from an end. The document's state."""
    known = await MediaFile.get(file.id)
    state = known.state if known else MediaState.DELETED
    kept = [one.key async for one in here.storage.listed(f"media/{file.workspace_id}/{file.id}/")]
    if known is not None and state is MediaState.READY:
        assert kept == [known.path]
        assert (await here.storage.head(known.path)).size == known.size
    else:
        assert kept == []
        assert known is None or (known.path, known.claim) == ("", None)
    if before in (MediaState.READY, MediaState.FAILED, MediaState.DELETED):
        assert state == before or state in MEDIA_TRANSITIONS[before]
    return state


# --- over the wire ----------------------------------------------------------------------------------------------------


async def ask(alice: httpx.AsyncClient, method: str, path: str, **more: Any) -> httpx.Response:
    """As the page's own script asks."""
    headers = {"Accept": "application/json", "X-CSRFToken": await token(alice)}
    return await alice.request(method, path, headers=headers, **more)


@folder_only
async def test_a_script_brings_a_file(here: Place, world: World, alice: httpx.AsyncClient) -> None:
    said = {"name": "bell.jpg", "type": "image/jpeg", "size": len(photo()), "accounts": ["x", str(Id())]}
    answer = await ask(alice, "POST", "/media/uploads", json=said)
    assert answer.status_code == 201
    upload = answer.json()
    assert (upload["state"], upload["put"]["headers"]) == ("uploading", {"Content-Type": "image/jpeg"})
    await here.put(upload["put"]["url"], photo(), **upload["put"]["headers"])
    ready = (await ask(alice, "POST", f"/media/uploads/{upload['id']}/confirm")).json()
    assert (ready["state"], ready["width"], ready["height"]) == ("ready", 20, 40)
    assert (await alice.get(ready["url"])).status_code == 200
    item = await alice.get(f"/compose/media/{upload['id']}")
    assert f'name="media" value="{upload["id"]}"' in item.text
    assert (await ask(alice, "GET", f"/media/uploads/{upload['id']}")).json() == ready


@folder_only
async def test_parts_are_asked_for_and_addressed(here: Place, world: World, alice: httpx.AsyncClient) -> None:
    said = {"name": "bell.jpg", "type": "image/jpeg", "size": LARGE}
    upload = (await ask(alice, "POST", "/media/uploads", json=said)).json()
    assert upload["parts"] == {"size": 8 * MEBIBYTE, "count": 3, "there": []}
    path = f"/media/uploads/{upload['id']}"
    signed = (await ask(alice, "POST", f"{path}/parts", json={"numbers": [3, 3, 0, -1, 4, 10**12]})).json()["parts"]
    assert set(signed) == {"3"}
    (await here.put(signed["3"]["url"], os.urandom(MEBIBYTE))).raise_for_status()
    assert (await ask(alice, "GET", path)).json()["parts"]["there"] == [3]
    assert (await ask(alice, "DELETE", path)).json()["state"] == "deleted"
    assert (await ask(alice, "POST", f"{path}/parts", json={"numbers": [1]})).status_code == 422


@folder_only
async def test_refusals_are_sentences(here: Place, world: World, alice: httpx.AsyncClient) -> None:
    for said, status in (
        ({"name": "bell.pdf", "type": "application/pdf", "size": 5}, 422),
        ({"name": "bell.jpg", "size": "much"}, 400),
        ({"size": 5}, 400),
        ([], 400),
    ):
        answer = await ask(alice, "POST", "/media/uploads", json=said)
        assert (answer.status_code, len(answer.json()["error"]) > 20) == (status, True)
    for method, path in (("GET", ""), ("POST", "/confirm"), ("DELETE", "")):
        for media_id in ("no-id", str(Id())):
            answer = await ask(alice, method, f"/media/uploads/{media_id}{path}")
            assert (answer.status_code, "error" in answer.json()) == (404, True)
    assert (await alice.post("/media/uploads", json={"name": "a.jpg", "size": 5})).status_code == 403
    alice.cookies.clear()
    answer = await alice.get(f"/media/uploads/{Id()}", headers={"Accept": "application/json"})
    assert (answer.status_code, "Sign in" in answer.json()["error"]) == (401, True)


@folder_only
async def test_too_many_are_answered_with_when_to_go_on(here: Place, world: World, alice: httpx.AsyncClient) -> None:
    for _ in range(uploads.RATE.unfinished):
        await MediaFile(
            workspace_id=world.workspace.id, uploader_id=world.alice.id, state="uploading", mime="image/png", size=1
        ).insert()
    answer = await ask(alice, "POST", "/media/uploads", json={"name": "a.jpg", "size": 5})
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "60")
    assert "not finished yet" in answer.json()["error"]


async def test_a_browser_that_does_not_reach_the_storage_brings_the_file_here(here: Place, world: World) -> None:
    for data in (photo(), large_photo()):
        arrival = await begun(world, data)
        await uploads.take(world.workspace, arrival.file.id, pieces(data))
        file = (await uploads.confirm(world.workspace, arrival.file.id)).file
        assert (file.state, await left_of(here, file)) == (MediaState.READY, [file.path])
        with pytest.raises(Invalid):
            await uploads.take(world.workspace, arrival.file.id, pieces(data))


@folder_only
async def test_what_comes_through_the_pages_is_as_long_as_announced(here: Place, world: World, alice: httpx.AsyncClient) -> None:
    media_id = (await begun(world, photo())).file.id
    path = f"/media/uploads/{media_id}/file"
    for wrong in (photo()[:-1], photo() + b"x", b""):
        assert (await ask(alice, "PUT", path, content=wrong)).status_code == 422
    assert (await alice.put(path, content=photo())).status_code == 403
    assert (await ask(alice, "PUT", path, content=photo())).status_code == 200
    assert (await ask(alice, "POST", f"/media/uploads/{media_id}/confirm")).json()["state"] == "ready"
    with pytest.raises(NotFound):
        await uploads.take(world.elsewhere, media_id, pieces(photo()))


@folder_only
async def test_a_large_file_that_comes_through_this_process_takes_little_memory(here: Place, world: World) -> None:
    async def much() -> AsyncIterator[bytes]:
        yield photo()
        for _ in range(60):
            yield bytes(MEBIBYTE)

    tracemalloc.start()
    try:
        file = await files.receive(world.workspace, much(), name="bell.jpg")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (file.name, file.state) == ("bell.jpg", MediaState.READY)
    assert peak < 16 * MEBIBYTE


@folder_only
async def test_pages_may_speak_to_the_bucket(here: Place, world: World) -> None:
    away = s3.Bucket(name="carillon", endpoint_url="http://127.0.0.1:9")
    settings = bucket_settings(runtime.current().settings, away)
    web = create_app(settings, Courier(StubBroker(middleware=[])), runtime_started=True)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(web), base_url="http://carillon.example") as client:
        policy = (await client.get("/sign-in")).headers["Content-Security-Policy"]
    assert "connect-src 'self' http://127.0.0.1:9;" in policy
