"""Films on Bluesky: uploaded once to the video service, waited for without a worker, and embedded when they are ready."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest

from platforms.base import Captions, Content, Media, MediaFacts, MediaKind, Published, Waiting
from platforms.bluesky.adapter import Bluesky
from platforms.errors import MediaRejected, QuotaExhausted, Transient, Unavailable
from platforms.fitting import Rendition, plan
from platforms.sandbox.connect import connect
from tests.contract.harness import Bench, Diary, Judge, media, session_of, words

WORK = 0.4
"""Seconds that the service works on a film here."""
VTT = "WEBVTT\n\n00:00.000 --> 00:01.000\nDing\n"


@pytest.fixture
async def bench(sandbox_url: str, http: httpx.AsyncClient, judge: Judge) -> AsyncIterator[Bench]:
    adapter = Bluesky()
    bench = Bench(adapter, session_of(await connect(http, sandbox_url, adapter), http), judge)
    await quirk(bench, "processes", 0)
    http.event_hooks = {"request": [bench.diary.note]}
    yield bench
    http.event_hooks = {}


async def quirk(bench: Bench, name: str, seconds: float = 0) -> None:
    ordered = {"platform": bench.adapter.name, "quirk": name, "seconds": seconds, "account": bench.session.remote_id}
    (await bench.judge.http.post("/quirks", json=ordered)).raise_for_status()


async def healthy(bench: Bench) -> None:
    await bench.judge.http.delete("/quirks")
    await bench.judge.http.delete("/faults")
    await quirk(bench, "processes", 0)


def film(*captions: Captions, alt: str = "A bell", **facts: Any) -> Media:
    """Something that begins like an MP4, and is unlike all others."""
    data = b"\0\0\0\x18ftypmp42" + words().text.encode() * 2000
    known = {"width": 1280, "height": 720, "frames": 30, "duration": timedelta(seconds=1), "video_codec": "h264"}
    return replace(media(data, "video/mp4", alt=alt, **known | facts), captions=captions)


async def uploads(bench: Bench) -> int:
    return (await bench.judge.counted(bench.adapter.name)).get("upload", 0)


async def page_of(bench: Bench, published: object) -> str:
    assert isinstance(published, Published)
    return (await bench.session.http.get(published.url)).text


def blocking(bench: Bench, content: Content) -> list[str]:
    capabilities = bench.adapter.capabilities_for(bench.session.limits)
    return [problem.code for problem in bench.adapter.validate(content, capabilities) if problem.blocks]


# --- the whole way ----------------------------------------------------------------------------------------------------


async def test_a_film_is_uploaded_waited_for_and_shown(bench: Bench) -> None:
    await quirk(bench, "processes", WORK)
    content = words(media=(film(alt="A bell & its rope"),))
    assert blocking(bench, content) == []
    waiting = await bench.publish(content)
    assert isinstance(waiting, Waiting)
    assert waiting.check_in > timedelta(0)
    assert ("fence" in bench.diary.entries, len(bench.diary.saved["jobs"])) == (False, 1)
    await asyncio.sleep(WORK)
    published = await bench.publish(content)
    assert 'aria-label="A bell &amp; its rope" controls' in await page_of(bench, published)
    [post] = await bench.judge.posts()
    assert (post["text"], post["media"], await uploads(bench)) == (content.text, 1, 1)
    fence = bench.diary.entries.index("fence")
    assert len(bench.diary.entries[fence + 1 :]) == 2  # the record, and our look at the page


async def test_while_the_service_works_one_question_is_all_that_is_sent(bench: Bench) -> None:
    await quirk(bench, "processes", 3600)
    content = words(media=(film(),))
    assert isinstance(await bench.publish(content), Waiting)
    asked = len(bench.diary.entries)
    assert isinstance(await bench.publish(content), Waiting)
    assert bench.diary.entries[asked:] == ["GET /sandbox/bluesky/xrpc/app.bsky.video.getJobStatus"]


async def test_a_large_film_passes(bench: Bench) -> None:
    large = replace(film(), facts=MediaFacts("video/mp4", 40 * 1024 * 1024, 1280, 720))
    piece = b"\0\0\0\x18ftypmp42" + bytes(64 * 1024 - 12)
    source = replace(large.source, piece=lambda _: piece, size=large.size)  # type: ignore[type-var]
    published = await bench.publish(words(media=(replace(large, source=source),)))
    assert "too large to be kept" in await page_of(bench, published)


async def test_a_film_with_captions_in_two_languages(bench: Bench) -> None:
    captions = (Captions("en", VTT), Captions("pt-BR", VTT + "\n"))
    page = await page_of(bench, await bench.publish(words(media=(film(*captions),))))
    assert page.count('<track kind="captions"') == 2
    assert 'srclang="pt-BR"' in page
    assert await uploads(bench) == 3


async def test_a_gif_that_moves_becomes_a_film_that_plays_like_one(bench: Bench) -> None:
    gif = MediaFacts("image/gif", 500_000, 320, 180, frames=20, duration=timedelta(seconds=2), frame_rate=10.0)
    rule = bench.adapter.capabilities_for(bench.session.limits).media.of(MediaKind.GIF)
    assert rule is not None
    made = plan(gif, rule)
    assert isinstance(made, Rendition)
    converted = film()
    converted = replace(converted, facts=replace(made.fitted, size=converted.size))
    content = words(media=(converted,))
    assert blocking(bench, content) == []
    assert "playsinline loop muted" in await page_of(bench, await bench.publish(content))
    other = await bench.publish(words(media=(film(),)), key="key-2")
    assert "playsinline loop" not in await page_of(bench, other)


# --- crashes ----------------------------------------------------------------------------------------------------------


class Crash(Exception):
    """The worker died."""


class Dying(Diary):
    """A checkpoint of a worker that dies at its first save: with it, or just before."""

    def __init__(self, *, saves: bool) -> None:
        super().__init__()
        self.saves = saves

    async def save(self, **data: Any) -> None:
        if self.saves:
            await super().save(**data)
        raise Crash


@pytest.mark.parametrize(("saves", "expected"), [(True, 1), (False, 2)])
async def test_after_a_crash_the_job_is_asked_for_and_only_one_that_nobody_noted_is_uploaded_again(
    bench: Bench, saves: bool, expected: int
) -> None:
    content, dying = words(media=(film(),)), Dying(saves=saves)
    with pytest.raises(Crash):
        await bench.adapter.publish(bench.session, content, key="key-1", checkpoint=dying)
    bench.diary.saved |= dying.saved
    published = await bench.publish(content)  # the service knows the film: 409
    assert "<video" in await page_of(bench, published)
    assert (await uploads(bench), len(await bench.judge.posts())) == (expected, 1)


@pytest.mark.parametrize("kind", ["error_500_after_accept", "timeout_after_accept"])
async def test_an_upload_whose_answer_was_lost_is_the_same_film_next_time(bench: Bench, kind: str) -> None:
    content = words(media=(film(),))
    await bench.fault(kind, on="upload", times=1)
    with pytest.raises(Transient):
        await bench.publish(content)
    assert "fence" not in bench.diary.entries
    assert isinstance(await bench.publish(content), Published)
    assert len(await bench.judge.posts()) == 1


async def test_the_same_film_in_a_second_post_is_not_worked_on_again(bench: Bench) -> None:
    one = film()
    await bench.publish(words(media=(one,)), key="key-1")
    await quirk(bench, "processes", 3600)
    again = replace(one, id="another")
    assert isinstance(await bench.publish(words(media=(again,)), key="key-2"), Published)


async def test_a_failed_question_about_a_job_uploads_nothing_again(bench: Bench) -> None:
    content = words(media=(film(),))
    await quirk(bench, "processes", WORK)
    await bench.publish(content)
    await bench.fault("error_500", on="read", times=1)
    with pytest.raises(Unavailable):
        await bench.publish(content)
    await asyncio.sleep(WORK)
    assert isinstance(await bench.publish(content), Published)
    assert await uploads(bench) == 1


# --- refusals ---------------------------------------------------------------------------------------------------------


async def test_a_film_that_cannot_be_converted_is_for_the_person(bench: Bench) -> None:
    await quirk(bench, "refuses_processed")
    with pytest.raises(MediaRejected, match="could not convert") as refusal:
        await bench.publish(words(media=(film(),)))
    assert refusal.value.code == "encoding_failure"
    assert ("fence" in bench.diary.entries, bench.diary.saved["jobs"]) == (False, {})


async def test_what_is_no_film_is_told_by_its_reason(bench: Bench) -> None:
    text = media(b"words", "video/mp4", width=2, height=2)
    with pytest.raises(MediaRejected, match="Export it again as MP4"):
        await bench.publish(words(media=(text,)))


async def test_a_film_that_could_not_be_stored_is_uploaded_again(bench: Bench) -> None:
    content = words(media=(film(),))
    await quirk(bench, "deactivated")
    with pytest.raises(Unavailable) as failure:
        await bench.publish(content)
    assert failure.value.code == "pds_upload_failure"
    await healthy(bench)
    assert isinstance(await bench.publish(content), Published)
    assert await uploads(bench) == 2


@pytest.mark.parametrize(
    ("name", "leaf", "said"),
    [
        ("quota", QuotaExhausted, "as many videos as Bluesky allows"),
        ("unconfirmed", MediaRejected, "Confirm this account's e-mail"),
    ],
)
async def test_an_account_that_may_upload_no_film_is_told_before_it_does(
    bench: Bench, name: str, leaf: type[Exception], said: str
) -> None:
    content = words(media=(film(),))
    await quirk(bench, name)
    with pytest.raises(leaf, match=said):
        await bench.publish(content)
    assert ("fence" in bench.diary.entries, await uploads(bench)) == (False, 0)
    await healthy(bench)
    assert isinstance(await bench.publish(content), Published)


async def test_captions_too_long_are_found_before_and_refused_by_the_network(bench: Bench) -> None:
    content = words(media=(film(Captions("en", "WEBVTT\n" + "x" * 20_000)),))
    assert blocking(bench, content) == ["captions_too_large"]
    with pytest.raises(MediaRejected):
        await bench.publish(content)
    assert await bench.judge.posts() == []


@pytest.mark.parametrize("kind", ["rate_limited", "error_500", "timeout_before_accept"])
async def test_a_failed_upload_of_a_film_never_reaches_the_fence(bench: Bench, kind: str) -> None:
    await bench.fault(kind, on="upload")
    with pytest.raises(Transient):
        await bench.publish(words(media=(film(),)))
    assert ("fence" in bench.diary.entries, await bench.judge.posts()) == (False, [])
