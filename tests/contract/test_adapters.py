"""The contract of ``platforms.base``, kept by every adapter against the sandbox over real HTTP."""

import asyncio
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest

from platforms import REGISTRY, uploading
from platforms.base import Absent, Content, MediaFacts, PartKind, Published, Reference
from platforms.errors import (
    Misconfigured,
    PlatformError,
    RateLimited,
    ReconnectNeeded,
    Rejected,
    TimedOut,
    TokenExpired,
    Transient,
    Unavailable,
    Unconfirmed,
)
from platforms.http import open_client
from platforms.sandbox.connect import connect, connect_all
from tests.contract.harness import PIECE, Bench, Diary, Judge, Pieces, picture, whole, words

UNANSWERED = {
    "error_500": (Unconfirmed, 0),
    "error_500_after_accept": (Unconfirmed, 1),
    "timeout_before_accept": (TimedOut, 0),
    "timeout_after_accept": (TimedOut, 1),
}
"""Fault → what ``publish`` raises, and how many posts the network has afterwards."""


# --- connecting -------------------------------------------------------------------------------------------------------


async def test_one_call_connects_an_account_on_every_network(http: httpx.AsyncClient, sandbox_url: str) -> None:
    connected = await connect_all(http, sandbox_url, handle="alice")
    assert [name for name, _ in connected] == list(REGISTRY)
    for _, consent in connected:
        [account] = consent.candidates
        assert "alice" in account.handle
        assert consent.tokens.values
        assert consent.subject == account.remote_id


async def test_connecting_again_reaches_the_same_account(bench: Bench, http: httpx.AsyncClient, sandbox_url: str) -> None:
    again = await connect(http, sandbox_url, bench.adapter)
    [account] = again.candidates
    assert (again.server, account.remote_id, account.handle) == (
        bench.session.server,
        bench.session.remote_id,
        bench.session.handle,
    )


async def test_the_server_of_an_account_is_below_the_address_that_was_typed(bench: Bench, sandbox_url: str) -> None:
    assert bench.session.server == f"{sandbox_url}/{bench.adapter.name}"


async def test_limits_can_be_asked_for_again(bench: Bench) -> None:
    limits = await bench.adapter.limits(bench.session)
    assert limits == bench.session.limits
    assert bench.adapter.capabilities_for(limits) == bench.adapter.capabilities_for(bench.session.limits)


@pytest.mark.parametrize("name", REGISTRY)
async def test_a_private_host_is_refused_unless_it_is_allowed(name: str, sandbox_url: str) -> None:
    async with open_client() as guarded:
        with pytest.raises(Misconfigured) as refusal:
            await connect(guarded, sandbox_url, REGISTRY[name])
    assert refusal.value.code == "host_refused"


# --- publishing -------------------------------------------------------------------------------------------------------


async def test_a_published_post_is_the_one_the_network_shows(bench: Bench) -> None:
    content = words()
    published = await bench.publish(content)
    assert isinstance(published, Published)
    [post] = await bench.judge.posts()
    assert (post["platform"], post["id"], post["text"]) == (bench.adapter.name, published.remote_id, content.text)
    page = await bench.session.http.get(published.url)
    assert page.status_code == 200
    assert content.text in page.text


async def test_the_same_key_twice_is_one_post_with_one_receipt(bench: Bench) -> None:
    content = words()
    assert await bench.publish(content) == await bench.publish(content)
    assert len(await bench.judge.posts()) == 1
    assert (await bench.judge.sent(content.text))["sent"] == 2


async def test_two_workers_at_the_same_time_with_one_key_make_one_post(bench: Bench) -> None:
    content = words()
    first, second = await asyncio.gather(bench.publish(content), bench.publish(content))
    assert first == second
    assert len(await bench.judge.posts()) == 1


async def test_another_key_is_another_post(bench: Bench) -> None:
    content = words()
    first, second = await bench.publish(content, key="key-1"), await bench.publish(content, key="key-2")
    assert first != second
    assert len(await bench.judge.posts()) == 2


async def test_a_picture_arrives_with_its_description(bench: Bench) -> None:
    published = await bench.publish(words(media=(picture("A bronze bell & its rope"),)))
    assert isinstance(published, Published)
    [post] = await bench.judge.posts()
    assert post["media"] == 1
    page = await bench.session.http.get(published.url)
    assert 'alt="A bronze bell &amp; its rope"' in page.text


async def test_uploads_come_before_the_fence_and_one_mutation_after_it(bench: Bench) -> None:
    await bench.publish(words("With @you.sandbox.test and #bells on example.org", media=(picture(), picture())))
    fence = bench.diary.entries.index("fence")
    assert bench.diary.entries.count("fence") == 1
    assert len(bench.diary.entries[fence + 1 :]) == 1
    assert bench.diary.entries[:fence].count("save") >= 2
    counted = await bench.judge.counted(bench.adapter.name)
    assert (counted["upload"], counted["publish"]) == (2, 1)


async def test_a_second_attempt_uploads_nothing_again(bench: Bench) -> None:
    content = words(media=(picture(),))
    await bench.fault("error_500", times=1)
    with pytest.raises(Unconfirmed):
        await bench.publish(content)
    await bench.publish(content)
    counted = await bench.judge.counted(bench.adapter.name)
    assert (counted["upload"], counted["publish"]) == (1, 2)
    assert len(await bench.judge.posts()) == 1


async def test_a_file_is_asked_for_as_the_network_takes_it(bench: Bench, stalled: str) -> None:
    """64 MB for a server that takes none of them: what was asked for lies in the kernel's buffers."""
    source = Pieces(lambda _: bytes(PIECE), size=64 * 1024 * 1024)
    large = replace(picture(), facts=MediaFacts("image/png", source.size), source=source)
    async with open_client(allow=[stalled], read_timeout=0.5) as http:
        session = replace(bench.session, server=stalled, http=http)
        with pytest.raises(Unavailable):
            await bench.adapter.publish(session, words(media=(large,)), key="key-1", checkpoint=bench.diary)
    assert source.opened == 1
    assert 0 < source.asked < source.size / 2


async def test_a_file_that_breaks_off_proves_that_nothing_was_sent_and_is_opened_anew(bench: Bench) -> None:
    bell = picture()
    cut = Unavailable(bench.adapter.name, "storage_unavailable", "The disk is away.")
    data = await whole(bell)
    source = Pieces(lambda at: data[at : at + 16], bell.size, failures=[cut])
    content = words(media=(replace(bell, source=source),))
    with pytest.raises(Transient) as failure:
        await bench.publish(content)
    assert failure.value is cut
    assert "fence" not in bench.diary.entries
    assert (await bench.judge.posts(), source.opened) == ([], 1)
    assert isinstance(await bench.publish(content), Published)
    assert (len(await bench.judge.posts()), source.opened) == (1, 2)


async def test_who_lost_the_lease_while_a_file_is_sent_stops_sending_it(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploading, "SIGN_OF_LIFE", 0.0)

    class Lost(Diary):
        async def save(self, **data: Any) -> None:
            raise LookupError("somebody else has it")

    with pytest.raises(LookupError):
        await bench.adapter.publish(bench.session, words(media=(picture(),)), key="key-1", checkpoint=Lost())
    assert await bench.judge.posts() == []


async def test_the_preview_is_cut_from_the_whole_text(bench: Bench) -> None:
    text = "Hear @alice ring #bells 🔔 at https://example.org/tower, now"
    segments = bench.adapter.segments(text)
    assert "".join(segment.text for segment in segments) == text
    assert {segment.kind for segment in segments} >= {"text", "link", "tag"}


# --- threads ----------------------------------------------------------------------------------------------------------


def answering(published: Published, **changes: Any) -> Content:
    """What goes on from ``published``."""
    before = replace(Reference(published.remote_id, published.url, published.data), **changes)
    return replace(words("And another one"), kind=PartKind.REPLY, reply_to=before, root=before)


async def test_a_part_that_goes_on_from_another_is_found_again_and_is_no_other_post(bench: Bench) -> None:
    first = await bench.publish(words())
    assert isinstance(first, Published)
    reply = answering(first)
    published = await bench.publish(reply, key="key-2")
    assert await bench.adapter.reconcile(bench.session, bench.attempt(reply, key="key-2")) == published
    assert len(await bench.judge.posts()) == 2
    with suppress(Unconfirmed):  # the words are there, but not by themselves
        alone = replace(reply, kind=PartKind.POST, reply_to=None, root=None)
        assert await bench.adapter.reconcile(bench.session, bench.attempt(alone, key="key-2")) == Absent()


async def test_a_post_whose_address_a_person_pasted_can_be_gone_on_from(bench: Bench) -> None:
    first = await bench.publish(words())
    assert isinstance(first, Published)
    assert isinstance(await bench.publish(answering(first, data={}), key="key-2"), Published)


async def test_a_part_that_goes_on_from_what_is_gone_is_refused(bench: Bench) -> None:
    first = await bench.publish(words())
    assert isinstance(first, Published)
    gone = first.remote_id[:-1] + ("3" if first.remote_id[-1] == "2" else "2")
    with pytest.raises(Rejected) as refusal:
        await bench.publish(answering(first, remote_id=gone, data={}), key="key-2")
    assert refusal.value.code == "parent_gone"
    assert len(await bench.judge.posts()) == 1


@pytest.mark.parametrize("name", REGISTRY)
def test_every_kind_of_part_has_rules_of_its_own(name: str) -> None:
    capabilities = REGISTRY[name].capabilities
    assert capabilities.for_part(PartKind.POST) == capabilities
    for rule in capabilities.parts:
        found = capabilities.for_part(rule.kind)
        assert found is not None
        assert (found.text, found.media, rule.max_count > 0) == (rule.text, rule.media, True)
    missing = set(PartKind) - {PartKind.POST} - {rule.kind for rule in capabilities.parts}
    assert all(capabilities.for_part(kind) is None for kind in missing)


# --- metrics ----------------------------------------------------------------------------------------------------------


async def test_what_people_did_is_counted_for_each_post_and_what_is_unknown_is_not_zero(bench: Bench) -> None:
    posts = [await bench.publish(words(), key=f"key-{number}") for number in range(3)]
    ids = [post.remote_id for post in posts if isinstance(post, Published)]
    gone = ids[0][:-1] + ("3" if ids[0][-1] == "2" else "2")
    found = await bench.adapter.metrics(bench.session, [*ids, gone])
    assert set(found) == set(ids)
    assert {(one.likes, one.reposts, one.replies, one.views) for one in found.values()} == {(0, 0, 0, None)}


async def test_nothing_is_asked_for_no_posts(bench: Bench) -> None:
    before = len(bench.diary.entries)
    assert await bench.adapter.metrics(bench.session, []) == {}
    assert len(bench.diary.entries) == before


async def test_counts_that_cannot_be_asked_for_now_are_asked_for_later(bench: Bench) -> None:
    published = await bench.publish(words())
    assert isinstance(published, Published)
    await bench.fault("error_500", on="read")
    with pytest.raises(Transient):
        await bench.adapter.metrics(bench.session, [published.remote_id])


# --- refusals ---------------------------------------------------------------------------------------------------------


async def test_the_longest_valid_text_is_accepted(bench: Bench) -> None:
    limit = bench.adapter.capabilities_for(bench.session.limits).text.limit
    content = replace(words(), text="é" * limit)
    assert not _blocking(bench, content)
    await bench.publish(content)
    assert len(await bench.judge.posts()) == 1


async def test_a_text_too_long_is_found_before_and_refused_by_the_network(bench: Bench) -> None:
    limit = bench.adapter.capabilities_for(bench.session.limits).text.limit
    content = replace(words(), text="é" * (limit + 1))
    assert _blocking(bench, content) == {"text"}
    with pytest.raises(Rejected):
        await bench.publish(content)
    assert await bench.judge.posts() == []


def _blocking(bench: Bench, content: object) -> set[str]:
    capabilities = bench.adapter.capabilities_for(bench.session.limits)
    return {problem.field for problem in bench.adapter.validate(content, capabilities) if problem.blocks}  # type: ignore[arg-type]


# --- faults -----------------------------------------------------------------------------------------------------------


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

    assert isinstance(published := await bench.publish(content), Published)
    [post] = await bench.judge.posts()
    assert post["id"] == published.remote_id
    assert found in (published, Absent())


async def test_reconciling_changes_nothing(bench: Bench) -> None:
    content = words(media=(picture(),))
    published = await bench.publish(content)
    before = await bench.judge.posts()
    assert await bench.adapter.reconcile(bench.session, bench.attempt(content)) == published
    assert await bench.judge.posts() == before
    counted = await bench.judge.counted(bench.adapter.name)
    assert (counted["upload"], counted["publish"]) == (1, 1)


async def test_a_post_that_was_never_sent_is_absent(bench: Bench) -> None:
    await bench.publish(words("Another bell"), key="key-2")
    assert await bench.adapter.reconcile(bench.session, bench.attempt(words())) == Absent()


async def test_a_network_that_cannot_be_asked_leaves_the_question_open(bench: Bench) -> None:
    await bench.fault("error_500", on="read")
    with pytest.raises(Transient):
        await bench.adapter.reconcile(bench.session, bench.attempt(words()))


async def test_a_rate_limit_says_how_long_to_wait_and_accepts_nothing(bench: Bench) -> None:
    await bench.fault("rate_limited", seconds=7, times=1)
    with pytest.raises(RateLimited) as limited:
        await bench.publish(words())
    assert limited.value.retry_after == timedelta(seconds=7)
    assert await bench.judge.posts() == []


@pytest.mark.parametrize("kind", ["error_500", "rate_limited", "timeout_before_accept", "timeout_after_accept"])
async def test_a_failed_upload_never_reaches_the_fence(bench: Bench, kind: str) -> None:
    await bench.fault(kind, on="upload")
    with pytest.raises(Transient):
        await bench.publish(words(media=(picture(),)))
    assert "fence" not in bench.diary.entries
    assert await bench.judge.posts() == []


async def test_a_slow_network_is_waited_for(bench: Bench) -> None:
    await bench.fault("slow", ms=50, times=1)
    assert isinstance(await bench.publish(words()), Published)


async def test_a_stalled_network_is_given_up_on(bench: Bench) -> None:
    await bench.fault("stall", on="publish")
    with pytest.raises(TimedOut):
        await bench.publish(words())
    assert await bench.judge.posts() == []


async def test_a_dead_token_is_refreshed_where_the_network_can_and_otherwise_asks_for_a_person(bench: Bench) -> None:
    content = words()
    await bench.fault("expired_token", times=1)
    with pytest.raises(ReconnectNeeded) as refusal:
        await bench.publish(content)
    assert await bench.judge.posts() == []
    if isinstance(refusal.value, TokenExpired):
        bench.session = replace(bench.session, tokens=(await bench.adapter.refresh(bench.session)).values)
        await bench.publish(content)
        assert len(await bench.judge.posts()) == 1
    else:
        with pytest.raises(ReconnectNeeded):
            await bench.adapter.refresh(bench.session)


async def test_a_lost_connection_proves_that_nothing_was_sent(bench: Bench, judge: Judge) -> None:
    nobody = replace(bench.session, server="http://127.0.0.1:1")
    async with open_client(allow=["http://127.0.0.1:1"]) as http:
        with pytest.raises(Transient):
            await bench.adapter.publish(replace(nobody, http=http), words(), key="key-1", checkpoint=bench.diary)
    assert await judge.posts() == []


@pytest.mark.parametrize("kind", ["error_500", "rate_limited", "expired_token", "timeout_before_accept"])
async def test_no_error_shows_a_token_or_an_address(bench: Bench, kind: str) -> None:
    await bench.fault(kind)
    with pytest.raises(PlatformError) as error:
        await bench.publish(words())
    shown = f"{error.value} {error.value.message}"
    assert "http://" not in shown
    assert not any(token in shown for token in bench.session.tokens.values())
