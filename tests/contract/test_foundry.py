"""The adapter for the foundry against the foundry: a post that is cast first, and may be refused, late or unnamed."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from platforms.base import Absent, Metrics, Midnight, Processing, Profile, Published, Quota, Refused, Unnamed, Waiting
from platforms.errors import (
    ContentRejected,
    MediaRejected,
    QuotaExhausted,
    RateLimited,
    ReconnectNeeded,
    TimedOut,
    Transient,
    UnexpectedReply,
)
from platforms.sandbox.connect import connect
from tests.contract.harness import Bench, Judge, Pieces, picture, session_of, words
from tests.twin.adapter import LISTED_WITHIN, POLLS, Foundry
from tests.twin.errors import NAME, until_midnight

UNANSWERED = {
    "error_500": (UnexpectedReply, 0),
    "error_500_after_accept": (UnexpectedReply, 1),
    "timeout_before_accept": (TimedOut, 0),
    "timeout_after_accept": (TimedOut, 1),
}


@pytest.fixture
async def bench(sandbox_url: str, http: httpx.AsyncClient, judge: Judge) -> AsyncIterator[Bench]:
    """An account of the foundry; the adapter looks at a container three times within 0.3 s."""
    adapter = Foundry(pause=0.1)
    bench = Bench(adapter, session_of(await connect(http, sandbox_url, adapter), http), judge)
    http.event_hooks = {"request": [bench.diary.note]}
    yield bench
    http.event_hooks = {}


async def quirk(bench: Bench, name: str, seconds: float = 0) -> None:
    ordered = {"platform": NAME, "quirk": name, "seconds": seconds, "account": bench.session.remote_id}
    (await bench.judge.http.post("/quirks", json=ordered)).raise_for_status()


def profile(bench: Bench) -> Profile:
    return Profile(bench.session.server, bench.session.remote_id, bench.session.handle, {})


# --- publishing -------------------------------------------------------------------------------------------------------


async def test_a_post_is_cast_before_the_fence_and_published_by_one_request_behind_it(bench: Bench) -> None:
    content = words(media=(picture("A bell"),))
    published = await bench.publish(content)
    assert isinstance(published, Published)
    fence = bench.diary.entries.index("fence")
    assert bench.diary.entries[fence + 1 :] == ["POST /sandbox/foundry/v1/publish"]
    assert "save" in bench.diary.entries[:fence]
    [post] = await bench.judge.posts()
    assert (post["id"], post["text"], post["media"]) == (published.remote_id, content.text, 1)
    assert content.text in (await bench.session.http.get(published.url)).text
    assert bench.adapter.remote_id(published.url, profile(bench)) == published.remote_id


class Elsewhere(Pieces):
    """A file at an address that nobody answers at."""

    async def address(self, lifetime: timedelta) -> str:
        return "http://127.0.0.1:1/files/bell.png"


async def test_a_file_that_cannot_be_fetched_is_refused(bench: Bench) -> None:
    bench.adapter = Foundry(pause=0.1, by_address=True)
    content = words(media=(replace(picture(), source=Elsewhere(lambda _: b"", 0)),))
    with pytest.raises(MediaRejected) as refusal:
        await bench.publish(content)
    assert (refusal.value.code, await bench.judge.posts()) == ("not_fetched", [])


async def test_what_is_cast_slowly_is_waited_for_and_goes_on_where_it_was(bench: Bench) -> None:
    await quirk(bench, "processes", 0.6)
    content = words()
    assert isinstance(await bench.publish(content), Waiting)
    assert "fence" not in bench.diary.entries
    await asyncio.sleep(0.6)
    assert isinstance(await bench.publish(content), Published)
    assert (await bench.judge.counted(NAME))["upload"] == 1


async def test_between_its_looks_at_a_container_it_waits_and_after_the_last_it_gives_the_worker_back(bench: Bench) -> None:
    await quirk(bench, "processes", 3600)
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    bench.adapter = Foundry(pause=1.0, sleep=sleep)
    assert isinstance(await bench.publish(words()), Waiting)
    assert waited == [1.0] * (POLLS - 1)


async def test_what_is_refused_while_it_is_cast_never_reaches_the_fence(bench: Bench) -> None:
    await quirk(bench, "refuses_processed")
    with pytest.raises(ContentRejected) as refusal:
        await bench.publish(words())
    assert refusal.value.code == "against_rules"
    assert "fence" not in bench.diary.entries


async def test_the_daily_quota_says_when_the_foundrys_day_ends(bench: Bench) -> None:
    await quirk(bench, "quota", 1)
    await bench.publish(words(), key="key-1")
    bench.diary.saved.clear()
    with pytest.raises(QuotaExhausted) as refusal:
        await bench.publish(words(), key="key-2")
    told = (await bench.session.http.get(f"{bench.session.server}/v1/quota", headers=signed(bench))).json()["resets_at"]
    waits = refusal.value.retry_after or timedelta()
    assert abs(datetime.now(UTC) + waits - datetime.fromisoformat(told)) < timedelta(minutes=1)
    assert len(await bench.judge.posts()) == 1


def signed(bench: Bench) -> dict[str, str]:
    return {"Authorization": f"Bearer {bench.session.tokens['access']}"}


@pytest.mark.parametrize(
    ("now", "lasts"),
    [
        ("2026-03-08T08:00+00:00", 23),  # clocks go forward there on this day
        ("2026-11-01T07:00+00:00", 25),  # and back on this one
        ("2026-11-24T08:00+00:00", 24),
        ("2026-11-24T07:00+00:00", 1),
    ],
)
def test_the_foundrys_day_is_as_long_as_its_clocks_make_it(now: str, lasts: int) -> None:
    assert until_midnight(datetime.fromisoformat(now)) == timedelta(hours=lasts)


async def test_the_quota_of_an_account_is_among_its_capabilities(bench: Bench) -> None:
    await quirk(bench, "quota", 7)
    limits = await bench.adapter.limits(bench.session)
    assert bench.adapter.capabilities_for(limits).quotas == (Quota(7, Midnight("America/Los_Angeles")),)
    assert bench.adapter.capabilities_for({"daily": "many"}) == bench.adapter.capabilities


async def test_a_rate_limit_says_how_long_to_wait(bench: Bench) -> None:
    await bench.fault("rate_limited", seconds=7, times=1)
    with pytest.raises(RateLimited) as limited:
        await bench.publish(words())
    assert limited.value.retry_after == timedelta(seconds=7)


async def test_a_token_that_has_run_out_asks_for_a_person(bench: Bench) -> None:
    renewed = await bench.adapter.refresh(bench.session)
    assert renewed.values != bench.session.tokens
    assert renewed.refresh_at is not None
    assert datetime.now(UTC) < renewed.refresh_at < (renewed.expires_at or renewed.refresh_at)
    await bench.fault("expired_token", times=1, on="upload")
    with pytest.raises(ReconnectNeeded):
        await bench.publish(words())
    with pytest.raises(ReconnectNeeded):
        await bench.adapter.refresh(bench.session)


async def test_a_text_too_long_is_found_before_and_refused_by_the_foundry(bench: Bench) -> None:
    content = replace(words(), text="x" * 501)
    assert [problem.field for problem in bench.adapter.validate(content, bench.adapter.capabilities)] == ["text"]
    with pytest.raises(ContentRejected):
        await bench.publish(content)
    assert await bench.judge.posts() == []


async def test_views_are_counted_and_what_is_not_told_is_unknown(bench: Bench) -> None:
    published = await bench.publish(words())
    assert isinstance(published, Published)
    assert await bench.adapter.metrics(bench.session, [published.remote_id, "1"]) == {published.remote_id: Metrics(views=0)}
    assert await bench.adapter.metrics(bench.session, []) == {}


# --- asking -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", UNANSWERED)
async def test_what_may_have_been_accepted_is_asked_about_and_never_doubled(bench: Bench, kind: str) -> None:
    leaf, accepted = UNANSWERED[kind]
    content = words()
    await bench.fault(kind, times=1)
    with pytest.raises(leaf):
        await bench.publish(content)
    assert len(await bench.judge.posts()) == accepted
    found = await bench.adapter.reconcile(bench.session, bench.attempt(content))
    assert isinstance(found, Published if accepted else Absent)
    published = await bench.publish(content)
    [post] = await bench.judge.posts()
    assert published == (found if accepted else published)
    assert isinstance(published, Published)
    assert post["id"] == published.remote_id


async def test_a_container_that_could_be_published_twice_is_not(bench: Bench) -> None:
    await quirk(bench, "repeats")
    content = words()
    assert await bench.publish(content) == await bench.publish(content)
    assert len(await bench.judge.posts()) == 1


async def test_a_post_without_an_id_is_found_by_its_words(bench: Bench) -> None:
    await quirk(bench, "no_id")
    content = words()
    assert isinstance(await bench.publish(content), Processing)
    found = await bench.adapter.reconcile(bench.session, bench.attempt(content))
    [post] = await bench.judge.posts()
    assert found == Published(post["id"], post["url"])


async def test_of_two_posts_with_the_same_words_none_is_believed(bench: Bench) -> None:
    await quirk(bench, "no_id")
    content = words()
    await bench.publish(content)
    bench.diary.saved.clear()
    await bench.publish(content)
    unclear = await bench.adapter.reconcile(bench.session, bench.attempt(content))
    assert isinstance(unclear, Unnamed)
    assert "2 posts" in unclear.evidence


async def test_a_post_that_the_list_does_not_show_is_waited_for_and_then_left_to_a_person(bench: Bench) -> None:
    await quirk(bench, "no_id")
    await quirk(bench, "lags", 3600)
    content = words()
    await bench.publish(content)
    asked = replace(bench.attempt(content), sent_at=datetime.now(UTC))
    assert isinstance(await bench.adapter.reconcile(bench.session, asked), Processing)
    long_ago = replace(asked, sent_at=asked.sent_at - LISTED_WITHIN)
    assert isinstance(await bench.adapter.reconcile(bench.session, long_ago), Unnamed)


async def test_what_comes_out_later_is_asked_about_until_it_is_out(bench: Bench) -> None:
    await quirk(bench, "publishes_late", 0.3)
    content = words()
    assert isinstance(await bench.publish(content), Processing)
    assert isinstance(await bench.adapter.reconcile(bench.session, bench.attempt(content)), Processing)
    await asyncio.sleep(0.3)
    assert isinstance(await bench.adapter.reconcile(bench.session, bench.attempt(content)), Published)


async def test_what_is_refused_after_it_was_accepted_is_told_with_the_reason(bench: Bench) -> None:
    await quirk(bench, "refuses_published")
    content = words()
    assert isinstance(await bench.publish(content), Processing)
    told = await bench.adapter.reconcile(bench.session, bench.attempt(content))
    assert isinstance(told, Refused)
    assert (type(told.error), told.error.code) == (ContentRejected, "withdrawn")
    assert await bench.judge.posts() == []


async def test_what_was_never_cast_is_absent_and_what_cannot_be_asked_is_open(bench: Bench) -> None:
    assert await bench.adapter.reconcile(bench.session, bench.attempt(words())) == Absent()
    content = words()
    await bench.publish(content)
    await bench.fault("error_500", on="read")
    with pytest.raises(Transient):
        await bench.adapter.reconcile(bench.session, bench.attempt(content))


# --- processes --------------------------------------------------------------------------------------------------------


def python(code: str) -> list[str]:
    """The words that a process of its own prints."""
    command, root = [sys.executable, "-c", code], Path(__file__).parents[2]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout.split()


@pytest.mark.parametrize(("package", "knows_it"), [("tests.twin.actors", True), ("tests.twin.site", True), ("actors", False)])
def test_only_processes_of_tests_know_the_foundry(package: str, knows_it: bool) -> None:
    assert (NAME in python(f"import {package}, platforms; print(*platforms.REGISTRY)")) == knows_it


def test_its_workers_have_a_queue_for_it() -> None:
    assert f"carillon.{NAME}" in python("from tests.twin.actors import broker; print(*broker.queues)")
