"""Films against a fake server and a fake video service: what is asked of whom, and what each answer means."""

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import httpx
import pytest

from platforms.base import Captions, Content, Media, Published, Session, Waiting
from platforms.bluesky.adapter import Bluesky
from platforms.bluesky.video_errors import failed, refused
from platforms.errors import (
    MediaRejected,
    Misconfigured,
    PlatformError,
    QuotaExhausted,
    RateLimited,
    TokenExpired,
    Unavailable,
)
from tests.unit.platforms.bluesky.fake_pds import DID, FILM, FakePds, SavedCheckpoint
from tests.unit.platforms.bluesky.fake_pds import refused as refusal

KEY = "delivery-1"
JOB = {"jobId": "job-7", "did": DID, "state": "JOB_STATE_CREATED"}
Make = Callable[..., Content]
Picture = Callable[..., Media]
bluesky = Bluesky()


@pytest.fixture
def film(picture: Picture) -> Callable[..., Media]:
    return partial(picture, mime="video/mp4", size=len(b"bytes of a"))


# --- what is asked ----------------------------------------------------------------------------------------------------


async def test_each_service_gets_a_token_of_its_own_and_the_film_goes_to_blueskys(
    session: Session, checkpoint: SavedCheckpoint, pds: FakePds, content: Make, film: Picture
) -> None:
    session = replace(session, server="https://pds.test:8443")
    await bluesky.publish(session, content("x", film()), key=KEY, checkpoint=checkpoint)
    limits, upload, status = pds.video_requests
    assert {request.url.host for request in pds.video_requests} == {"video.bsky.app"}
    assert limits.headers["Authorization"] == "Bearer did:web:video.bsky.app app.bsky.video.getUploadLimits"
    method, end = upload.headers["Authorization"].removeprefix("Bearer did:web:pds.test ").split()
    assert method == "com.atproto.repo.uploadBlob"
    assert 15 * 60 < int(end) - time.time() < 3600
    assert "Authorization" not in status.headers
    assert (upload.url.params["did"], upload.url.params["name"]) == (DID, "video.mp4")
    assert (upload.headers["Content-Type"], upload.headers["Content-Length"]) == ("video/mp4", "10")
    assert pds.films == [b"bytes of a"]


async def test_a_sandbox_takes_its_films_itself(
    session: Session, checkpoint: SavedCheckpoint, pds: FakePds, content: Make, film: Picture
) -> None:
    session = replace(session, limits={"web": "http://pds.test/bluesky"})
    await bluesky.publish(session, content("x", film()), key=KEY, checkpoint=checkpoint)
    assert set(pds.asked_hosts) == {"pds.test"}


async def test_captions_come_first_and_everything_is_saved_before_the_fence(
    session: Session, checkpoint: SavedCheckpoint, pds: FakePds, content: Make, film: Picture
) -> None:
    one = replace(film(), captions=(Captions("en", "WEBVTT ü"), Captions("de", "WEBVTT")))
    await bluesky.publish(session, content("x", one), key=KEY, checkpoint=checkpoint)
    uploaded = ["uploadBlob", "save"] * 2 + ["getServiceAuth", "getUploadLimits", "getServiceAuth", "uploadVideo", "save"]
    assert pds.journal == [*uploaded, "getJobStatus", "save", "fence", "putRecord"]
    assert list(pds.blobs.values()) == [("text/vtt", "WEBVTT ü".encode()), ("text/vtt", b"WEBVTT")]


async def test_the_record_says_what_the_film_is(
    session: Session, checkpoint: SavedCheckpoint, pds: FakePds, content: Make, film: Picture
) -> None:
    one = replace(film(loops=True, alt="A bell"), captions=(Captions("pt-BR", "WEBVTT"),))
    await bluesky.publish(session, content("x", one), key=KEY, checkpoint=checkpoint)
    [record] = pds.records.values()
    [cid] = pds.blobs
    vtt = {"$type": "blob", "ref": {"$link": cid}, "mimeType": "text/vtt", "size": 6}
    assert record["embed"] == {
        "$type": "app.bsky.embed.video",
        "video": FILM,
        "alt": "A bell",
        "aspectRatio": {"$type": "app.bsky.embed.defs#aspectRatio", "width": 640, "height": 480},
        "captions": [{"$type": "app.bsky.embed.video#caption", "lang": "pt-BR", "file": vtt}],
        "presentation": "gif",
    }


async def test_a_film_of_which_nothing_is_known_has_nothing_but_itself(
    session: Session, checkpoint: SavedCheckpoint, pds: FakePds, content: Make, film: Picture
) -> None:
    await bluesky.publish(session, content("x", film(alt="", width=0, height=0)), key=KEY, checkpoint=checkpoint)
    [record] = pds.records.values()
    assert record["embed"] == {"$type": "app.bsky.embed.video", "video": FILM}


async def test_a_film_that_the_server_has_dropped_is_uploaded_again(
    session: Session, checkpoint: SavedCheckpoint, pds: FakePds, content: Make, film: Picture
) -> None:
    pds.next_reply("putRecord", lambda: refusal(400, "BlobNotFound", "Could not find blob"))
    with pytest.raises(Unavailable):
        await bluesky.publish(session, content("x", film()), key=KEY, checkpoint=checkpoint)
    assert isinstance(await bluesky.publish(session, content("x", film()), key=KEY, checkpoint=checkpoint), Published)
    assert len(pds.films) == 2


# --- what is answered -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, json=JOB),
        httpx.Response(200, json={"jobStatus": JOB}),
        httpx.Response(409, json=JOB | {"error": "already_exists", "state": "JOB_STATE_COMPLETED"}),
        httpx.Response(409, json={"error": "already_exists", "jobId": "job-7"}),
    ],
)
async def test_an_upload_is_answered_with_a_job_in_one_of_four_ways(
    session: Session, checkpoint: SavedCheckpoint, pds: FakePds, content: Make, film: Picture, answer: httpx.Response
) -> None:
    pds.next_reply("uploadVideo", lambda: answer)
    await bluesky.publish(session, content("x", film()), key=KEY, checkpoint=checkpoint)
    assert checkpoint.saved["jobs"] == {"a": "job-7"}
    assert checkpoint.saved["blobs"] == {"a": {"cid": "bafkreifilm", "mime": "video/mp4", "size": 4321}}


@pytest.mark.parametrize("state", ["JOB_STATE_CREATED", "JOB_STATE_SCANNING", "JOB_STATE_UPLOADED", "JOB_STATE_DREAMING", "?"])
async def test_every_other_state_goes_on(
    session: Session, checkpoint: SavedCheckpoint, pds: FakePds, content: Make, film: Picture, state: str
) -> None:
    pds.job = {"state": state, "progress": "half", "blob": 7}
    assert isinstance(await bluesky.publish(session, content("x", film()), key=KEY, checkpoint=checkpoint), Waiting)
    assert "fence" not in pds.journal


@pytest.mark.parametrize(
    "job",
    [
        {"state": "JOB_STATE_COMPLETED"},
        {"state": "JOB_STATE_COMPLETED", "blob": FILM | {"ref": "bafkreifilm"}},
        {"state": "JOB_STATE_COMPLETED", "blob": {"cid": "bafkreifilm"}},
        {"state": None},
        {"jobId": ""},
        {"jobId": "j" * 201, "state": "JOB_STATE_CREATED"},
    ],
)
async def test_a_job_that_makes_no_sense_is_asked_for_again_later(
    session: Session, checkpoint: SavedCheckpoint, pds: FakePds, content: Make, film: Picture, job: dict[str, Any]
) -> None:
    pds.job = job
    with pytest.raises(Unavailable):
        await bluesky.publish(session, content("x", film()), key=KEY, checkpoint=checkpoint)
    assert checkpoint.saved["jobs"] == {"a": "job-1"}


async def test_a_job_that_the_service_has_forgotten_is_begun_anew(
    session: Session, checkpoint: SavedCheckpoint, pds: FakePds, content: Make, film: Picture
) -> None:
    checkpoint.saved["jobs"] = {"a": "job-0"}
    pds.next_reply("getJobStatus", lambda: refusal(400, "InvalidRequest", "Job not found"))
    with pytest.raises(Unavailable, match="uploaded again"):
        await bluesky.publish(session, content("x", film()), key=KEY, checkpoint=checkpoint)
    await bluesky.publish(session, content("x", film()), key=KEY, checkpoint=checkpoint)
    assert pds.films == [b"bytes of a"]


@pytest.mark.parametrize(
    "answer", [httpx.Response(404, html="?"), refusal(401, "AuthMissing"), refusal(500, "InternalServerError"), refusal(429, "X")]
)
async def test_a_job_that_cannot_be_asked_for_now_is_not_forgotten(
    session: Session, checkpoint: SavedCheckpoint, pds: FakePds, content: Make, film: Picture, answer: httpx.Response
) -> None:
    checkpoint.saved["jobs"] = {"a": "job-0"}
    pds.next_reply("getJobStatus", lambda: answer)
    with pytest.raises((Unavailable, RateLimited)):
        await bluesky.publish(session, content("x", film()), key=KEY, checkpoint=checkpoint)
    assert (checkpoint.saved["jobs"], pds.films) == ({"a": "job-0"}, [])


@pytest.mark.parametrize(
    ("told", "leaf"),
    [
        ({"canUpload": False}, MediaRejected),
        ({"canUpload": False, "message": "User has exceeded daily upload bytes limit"}, QuotaExhausted),
        ({"canUpload": False, "error": "unconfirmed_email"}, MediaRejected),
        ({"canUpload": "?"}, Unavailable),
    ],
)
async def test_limits_are_obeyed(
    session: Session,
    checkpoint: SavedCheckpoint,
    pds: FakePds,
    content: Make,
    film: Picture,
    told: dict[str, Any],
    leaf: type[PlatformError],
) -> None:
    pds.upload_limits = told
    with pytest.raises(leaf):
        await bluesky.publish(session, content("x", film()), key=KEY, checkpoint=checkpoint)
    assert pds.films == []


async def test_a_refusal_with_an_answer_of_success_is_one(
    session: Session, checkpoint: SavedCheckpoint, pds: FakePds, content: Make, film: Picture
) -> None:
    pds.next_reply("uploadVideo", lambda: httpx.Response(200, json={"error": "User is not allowed to upload videos"}))
    with pytest.raises(MediaRejected, match="does not let this account"):
        await bluesky.publish(session, content("x", film()), key=KEY, checkpoint=checkpoint)


@pytest.mark.parametrize(
    ("answer", "leaf"),
    [(refusal(400, "BadExpiration", "expiration is in past"), Misconfigured), (refusal(400, "ExpiredToken"), TokenExpired)],
)
async def test_the_accounts_own_server_may_refuse_the_token(
    session: Session,
    checkpoint: SavedCheckpoint,
    pds: FakePds,
    content: Make,
    film: Picture,
    answer: httpx.Response,
    leaf: type[PlatformError],
) -> None:
    pds.next_reply("getServiceAuth", lambda: answer)
    with pytest.raises(leaf):
        await bluesky.publish(session, content("x", film()), key=KEY, checkpoint=checkpoint)


# --- what it means ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "error", "message", "leaf", "says"),
    [
        (400, "User has exceeded daily upload videos limit", "", QuotaExhausted, "as many videos"),
        (400, "DailyLimitExceeded", "", QuotaExhausted, "as many videos"),
        (401, "unconfirmed_email", "Confirm your email address to upload videos", MediaRejected, "Confirm"),
        (403, "User is not allowed to upload videos", "", MediaRejected, "does not let"),
        (400, "Account is not old enough to upload videos", "", MediaRejected, "too young"),
        (400, "Uploading is disabled at the moment", "", Unavailable, "at the moment"),
        (400, "file size (3 bytes) is larger than the maximum allowed size (2 bytes)", "", MediaRejected, "larger"),
        (400, "VideoTooLong", "", MediaRejected, "Cut it"),
        (400, "BadAspectRatio", "", MediaRejected, "Crop it"),
        (503, "ServiceOverloaded", "", Unavailable, "too much to do"),
        (401, "InvalidToken", "jwt expired", Unavailable, "does not accept this account"),
        (403, "Forbidden", "", Unavailable, "does not accept this account"),
        (413, "PayloadTooLarge", "request entity too large", MediaRejected, "request entity too large."),
        (400, "Moon", "The moon is in the wrong house", MediaRejected, "video: The moon is in the wrong house."),
        (400, "Moon", "See https://evil.test/?token=eyJhbGciOiJIUzI1NiJ9", MediaRejected, "refused this video."),
        (400, "Moon", "eyJhbGciOiJIUzI1NiJ9eyJhbGciOiJIUzI1NiJ9 is bad", MediaRejected, "refused this video."),
        (429, "RateLimitExceeded", "", RateLimited, "slow down"),
        (500, "InternalServerError", "", Unavailable, "problem"),
        (400, "", "", Unavailable, "problem"),
    ],
)
def test_what_the_services_words_mean(status: int, error: str, message: str, leaf: type[PlatformError], says: str) -> None:
    found = refused(refusal(status, error, message))
    assert (type(found), found.status) == (leaf, status)
    assert says in found.message
    assert " " not in found.code


@pytest.mark.parametrize("body", [b"<h1>?</h1>", b"[]", b'{"error": 7}', b"[" * 100_000, b"\xff"])
def test_an_answer_without_words_proves_nothing(body: bytes) -> None:
    assert isinstance(refused(httpx.Response(400, content=body)), Unavailable)


@pytest.mark.parametrize(
    ("code", "error", "leaf", "says"),
    [
        ("validation_failure", "", MediaRejected, "Export it again"),
        ("validation_failure", "bad_aspect_ratio", MediaRejected, "Crop it"),
        ("validation_failure", "video_too_long", MediaRejected, "Cut it"),
        ("validation_failure", "encoded_video_too_large", MediaRejected, "smaller"),
        ("encoding_failure", "ffmpeg: /tmp/x", MediaRejected, "could not convert"),
        ("pds_upload_unsupported_blob_size", "", MediaRejected, "this account's server"),
        ("pds_upload_failure", "bad_aspect_ratio", Unavailable, "store the video"),
        ("generic_failure", "", Unavailable, "could not prepare"),
        ("something new", "", Unavailable, "could not prepare"),
        ("", "boom", Unavailable, "could not prepare"),
    ],
)
def test_what_a_failed_job_means(code: str, error: str, leaf: type[PlatformError], says: str) -> None:
    found = failed(code, error)
    assert type(found) is leaf
    assert says in found.message
    assert " " not in found.code
