"""The emulated video service: who may upload, a job on its way through its states, and films in records."""

from typing import Any

import httpx
import pytest

from platforms.sandbox import gate
from platforms.sandbox.bluesky import videos
from platforms.sandbox.values import cid
from tests.unit.platforms.sandbox.conftest import MP4, PNG, Clock, Pds
from tests.unit.platforms.sandbox.test_bluesky import refusal

HOUR = 3600


# --- tokens -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        ({"exp": "1800003600"}, None),
        ({"exp": "1800003601"}, "BadExpiration"),
        ({"exp": "1799999999"}, "BadExpiration"),
        ({"exp": "1800000060.5"}, "InvalidRequest"),
        ({"aud": "video.bsky.app"}, "InvalidRequest"),
    ],
)
async def test_a_token_for_a_service_ends_within_the_hour(pds: Pds, asked: dict[str, str], error: str | None) -> None:
    answer = await pds.get("server.getServiceAuth", **{"aud": "did:web:sandbox.test"} | asked)
    assert (answer.status_code, answer.json().get("error")) == ((400, error) if error else (200, None))


@pytest.mark.parametrize(
    ("asked", "waited", "error"),
    [
        ({"aud": "did:web:elsewhere.test"}, 0, "BadJwtAudience"),
        ({"lxm": "app.bsky.video.uploadVideo"}, 0, "BadJwtLexiconMethod"),
        ({}, 60, "JwtExpired"),
        ({"exp": "1800001800"}, 1799, None),
    ],
)
async def test_a_token_is_good_for_one_method_of_one_host_while_it_lasts(
    pds: Pds, clock: Clock, asked: dict[str, str], waited: int, error: str | None
) -> None:
    token = await pds.service(**asked)
    clock.sleep(waited)
    answer = await pds.film(token=token)
    assert (answer.status_code, answer.json().get("error")) == ((401, error) if error else (200, None))


async def test_a_session_is_no_token_for_the_service_and_the_other_way_round(pds: Pds) -> None:
    assert refusal(await pds.film(token=pds.access))[:2] == (401, "BadJwt")
    assert (await pds.post("repo.uploadBlob", token=await pds.service(), content=PNG)).status_code == 400


@pytest.mark.parametrize(
    ("more", "status"), [({"did": "did:plc:bob"}, 403), ({"name": ""}, 400), ({"mime": "video/quicktime"}, 415)]
)
async def test_a_film_is_the_callers_own_and_an_mp4_with_a_name(pds: Pds, more: dict[str, Any], status: int) -> None:
    assert (await pds.film(**more)).status_code == status


async def test_what_is_signed_for_the_service_is_an_upload_and_may_be_long(pds: Pds, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "BODY_LIMIT", len(MP4) - 1)
    assert (await pds.film(token="nobody's")).status_code == 413
    assert (await pds.film()).status_code == 200
    assert (await pds.http.get("/api/requests")).json()["counters"]["bluesky"]["upload"] == 1


# --- jobs -------------------------------------------------------------------------------------------------------------


async def test_a_job_goes_through_its_states_one_of_them_unknown_and_ends_with_the_films_blob(pds: Pds, clock: Clock) -> None:
    made = (await pds.film()).json()
    assert (made["state"], made["did"], "jobStatus" in made) == ("JOB_STATE_CREATED", pds.did, False)
    states = []
    for _ in range(9):
        states.append((await pds.job(made["jobId"]))["state"].removeprefix("JOB_STATE_"))
        clock.sleep(videos.WORKS / 8)
    steps = ["CREATED", "ENCODING", "ENCODED", "POLISHING", "SCANNING", "SCANNED", "UPLOADING", "UPLOADED", "COMPLETED"]
    assert states == steps
    blob = (await pds.job(made["jobId"]))["blob"]
    assert (blob["ref"]["$link"], blob["mimeType"], blob["size"]) == (cid(MP4), "video/mp4", len(MP4))


async def test_the_film_is_on_the_server_when_the_job_is_done_and_not_before(pds: Pds, clock: Clock) -> None:
    job = (await pds.film()).json()["jobId"]
    blob = {"$type": "blob", "ref": {"$link": cid(MP4)}, "mimeType": "video/mp4", "size": len(MP4)}
    record = {"embed": {"$type": "app.bsky.embed.video", "video": blob}}
    assert refusal(await pds.write(record=record))[:2] == (400, "BlobNotFound")
    clock.sleep(videos.WORKS)
    assert (await pds.job(job))["blob"] == blob
    assert (await pds.write(record=record)).status_code == 200


async def test_the_same_film_again_is_the_job_that_there_is(pds: Pds, clock: Clock) -> None:
    job = (await pds.film()).json()["jobId"]
    clock.sleep(videos.WORKS)
    again = await pds.film()
    told = again.json()
    assert (again.status_code, told["error"], told["jobId"]) == (409, "already_exists", job)
    assert (told["state"], told["blob"]["size"]) == ("JOB_STATE_COMPLETED", len(MP4))
    await pds.sign_in("bob.sandbox.test")
    assert (await pds.film()).json()["jobId"] != job


@pytest.mark.parametrize(
    ("quirk", "data", "code"),
    [
        ("refuses_processed", MP4, "encoding_failure"),
        ("deactivated", MP4, "pds_upload_failure"),
        ("", PNG, "validation_failure"),
    ],
)
async def test_a_job_that_fails_says_why_and_the_film_can_be_tried_again(
    pds: Pds, clock: Clock, quirk: str, data: bytes, code: str
) -> None:
    if quirk:
        await pds.quirk(quirk)
    job = (await pds.film(data)).json()["jobId"]
    assert (await pds.film(data)).status_code == 409
    clock.sleep(videos.WORKS)
    found = await pds.job(job)
    assert (found["state"], found["failureCode"], "blob" in found) == ("JOB_STATE_FAILED", code, False)
    assert (await pds.film(data)).json()["jobId"] != job


async def test_how_long_the_work_takes_can_be_ordered(pds: Pds, clock: Clock) -> None:
    await pds.quirk("processes", seconds=0)
    assert (await pds.film()).json()["state"] == "JOB_STATE_COMPLETED"
    await pds.http.post("/api/faults", json={"platform": "bluesky", "kind": "processing", "seconds": 60})
    job = (await pds.film(MP4 + b"x")).json()["jobId"]
    clock.sleep(59)
    assert (await pds.job(job))["state"] == "JOB_STATE_UPLOADED"


async def test_nobody_knows_a_job_that_was_never_made(pds: Pds) -> None:
    answer = await pds.http.get("/bluesky/xrpc/app.bsky.video.getJobStatus", params={"jobId": "nothing"})
    assert refusal(answer)[:2] == (400, "InvalidRequest")


# --- limits -----------------------------------------------------------------------------------------------------------


async def test_so_many_films_a_day(pds: Pds, clock: Clock) -> None:
    await pds.quirk("quota", seconds=2)
    assert await pds.limits() == {"canUpload": True, "remainingDailyVideos": 2, "remainingDailyBytes": videos.DAILY_BYTES}
    await pds.film(MP4 + b"1")
    clock.sleep(HOUR)
    await pds.film(MP4 + b"2")
    limits = await pds.limits()
    assert (limits["canUpload"], limits["message"]) == (False, "User has exceeded daily upload videos limit")
    assert refusal(await pds.film(MP4 + b"3"))[:2] == (400, "User has exceeded daily upload videos limit")
    clock.sleep(23 * HOUR)
    await pds.sign_in()
    assert (await pds.limits())["remainingDailyVideos"] == 1


async def test_an_address_that_nobody_confirmed_uploads_nothing(pds: Pds) -> None:
    await pds.quirk("unconfirmed")
    assert (await pds.limits())["error"] == "unconfirmed_email"
    assert (await pds.film()).status_code == 400


async def test_a_film_that_is_too_large_is_told_its_size(pds: Pds, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(videos, "LARGEST", len(MP4) - 1)
    words = f"file size ({len(MP4)} bytes) is larger than the maximum allowed size ({len(MP4) - 1} bytes)"
    assert refusal(await pds.film())[:2] == (400, words)


# --- records ----------------------------------------------------------------------------------------------------------


async def caption(pds: Pds, text: str = "WEBVTT\n") -> dict[str, Any]:
    return {"lang": "en", "file": await pds.upload(text.encode(), "text/vtt")}


async def post_of(pds: Pds, **embed: Any) -> httpx.Response:
    embed = {"$type": "app.bsky.embed.video", "video": await pds.upload(MP4, "video/mp4"), **embed}
    return await pds.write(record={"embed": embed})


async def test_a_film_is_shown_with_its_captions_and_again_and_again_if_it_plays_like_a_gif(pds: Pds) -> None:
    captions = await caption(pds)
    assert (await post_of(pds, alt="A bell", captions=[captions], presentation="gif")).status_code == 200
    [judged] = (await pds.http.get("/api/posts")).json()
    page = (await pds.http.get(judged["url"])).text
    assert judged["media"] == 1
    assert f'<video src="/media/{cid(MP4)}" aria-label="A bell" controls preload="none" playsinline loop muted>' in page
    address = f"/media/{captions['file']['ref']['$link']}"
    assert f'<track kind="captions" srclang="en" label="en" src="{address}">' in page
    assert (await pds.http.get(address)).text == "WEBVTT\n"


async def test_a_film_and_its_captions_are_checked(pds: Pds) -> None:
    fine, film, png = await caption(pds), await pds.upload(MP4, "video/mp4"), await pds.upload(PNG)
    path = "at $.record.embed"
    for embed, message in [
        ({"video": None}, f"Expected blob value type {path}.video"),
        ({"video": png}, f'Expected "video/mp4" (got "image/png") {path}.video'),
        ({"video": film | {"size": 300_000_001}}, f"blob too big (maximum 300000000, got 300000001) {path}.video"),
        ({"captions": [fine] * 21}, f"array too big (maximum 20, got 21) {path}.captions"),
        ({"captions": [{"file": fine["file"]}]}, f'Missing required key "lang" {path}.captions[0]'),
        ({"captions": [{"lang": "en", "file": png}]}, f'Expected "text/vtt" (got "image/png") {path}.captions[0].file'),
        (
            {"captions": [await caption(pds, "x" * 20_001)]},
            f"blob too big (maximum 20000, got 20001) {path}.captions[0].file",
        ),
    ]:
        assert refusal(await post_of(pds, **embed))[2] == f"Invalid app.bsky.feed.post record: {message}"
