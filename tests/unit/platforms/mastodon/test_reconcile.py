from datetime import timedelta

import httpx
import pytest

from platforms.base import Absent
from platforms.errors import TokenRevoked, Unavailable, UnexpectedReply
from tests.unit.platforms.mastodon.instance import ACCOUNT, NOW, Picture, Scene, post, reply

TIMELINE = f"/api/v1/accounts/{ACCOUNT}/statuses"
LATER = 90
"""Seconds after sending; by then a missing status is missing for good."""


def ago(**span: float):
    return NOW - timedelta(**span)


async def test_a_post_whose_answer_was_lost_is_found(scene: Scene) -> None:
    content = post("Read https://a.example/x @bob@remote.example #bells", options={"warning": "Loud"})
    scene.server.lose_replies.add("/api/v1/statuses")
    with pytest.raises(Exception, match="no_answer"):
        await scene.publish(content)
    (status,) = scene.server.statuses
    published = await scene.reconcile(content, sent_at=NOW)
    assert (published.remote_id, published.url) == (status["id"], status["url"])


async def test_reconciling_only_reads(scene: Scene) -> None:
    scene.server.publish("Ding dong")
    await scene.reconcile(post(), sent_at=NOW)
    assert {request.method for request in scene.server.requests} == {"GET"}


async def test_without_a_match_the_post_is_absent_once_the_server_had_time(scene: Scene) -> None:
    scene.server.publish("Something else")
    scene.clock.advance(LATER)
    assert await scene.reconcile(post(), sent_at=NOW) == Absent()


async def test_an_account_without_any_status_is_absent_too(scene: Scene) -> None:
    scene.clock.advance(LATER)
    assert await scene.reconcile(post(), sent_at=NOW) == Absent()


async def test_a_found_post_does_not_have_to_wait(scene: Scene) -> None:
    status = scene.server.publish("Ding dong")
    assert (await scene.reconcile(post(), sent_at=NOW)).remote_id == status["id"]


@pytest.mark.parametrize("earlier", [timedelta(seconds=30), timedelta(minutes=10), timedelta(days=1)])
async def test_an_older_twin_is_not_taken_for_it(scene: Scene, earlier: timedelta) -> None:
    scene.server.publish("Ding dong", at=NOW - earlier)
    scene.clock.advance(LATER)
    assert await scene.reconcile(post(), sent_at=NOW) == Absent()


async def test_of_an_older_twin_and_the_post_itself_the_post_is_found(scene: Scene) -> None:
    scene.server.publish("Ding dong", at=ago(hours=1))
    status = scene.server.publish("Ding dong", at=NOW + timedelta(seconds=1))
    assert (await scene.reconcile(post(), sent_at=NOW)).remote_id == status["id"]


async def test_of_two_matches_the_one_soonest_after_sending_is_taken(scene: Scene) -> None:
    scene.server.publish("Ding dong", at=ago(seconds=1))
    soonest = scene.server.publish("Ding dong", at=NOW + timedelta(seconds=2))
    scene.server.publish("Ding dong", at=NOW + timedelta(seconds=50))
    assert (await scene.reconcile(post(), sent_at=NOW)).remote_id == soonest["id"]


async def test_a_few_seconds_between_the_clocks_do_not_hide_a_post(scene: Scene) -> None:
    status = scene.server.publish("Ding dong", at=ago(seconds=3))
    assert (await scene.reconcile(post(), sent_at=NOW)).remote_id == status["id"]


async def test_a_server_whose_clock_is_behind_is_understood(scene: Scene) -> None:
    scene.server.skew = timedelta(seconds=-90)
    status = scene.server.publish("Ding dong")
    assert (await scene.reconcile(post(), sent_at=NOW)).remote_id == status["id"]


async def test_a_server_that_does_not_tell_its_time_may_be_two_minutes_behind(scene: Scene) -> None:
    status = scene.server.publish("Ding dong", at=ago(seconds=110))
    scene.server.fails("GET", TIMELINE, httpx.Response(200, json=[status]))
    scene.server.fails("GET", TIMELINE, httpx.Response(200, json=[]))
    assert (await scene.reconcile(post(), sent_at=NOW)).remote_id == status["id"]


@pytest.mark.parametrize(
    ("text", "changes"),
    [
        ("Ding dong!", {}),
        ("ding dong", {}),
        ("Ding dong", {"warning": "Loud"}),
        ("Ding dong", {"by": "Another app"}),
        ("Ding dong", {"media_ids": ["5"]}),
    ],
)
async def test_what_differs_is_somebody_elses(scene: Scene, text: str, changes: dict) -> None:
    scene.server.publish(text, **changes)
    scene.clock.advance(LATER)
    assert await scene.reconcile(post(), sent_at=NOW) == Absent()


async def test_a_status_without_an_application_can_still_be_ours(scene: Scene) -> None:
    status = scene.server.publish("Ding dong", by=None)
    assert (await scene.reconcile(post(), sent_at=NOW)).remote_id == status["id"]


async def test_white_space_that_the_server_trimmed_does_not_matter(scene: Scene) -> None:
    status = scene.server.publish("Ding\ndong")
    assert (await scene.reconcile(post(" Ding\r\ndong \n"), sent_at=NOW)).remote_id == status["id"]


async def test_a_warning_that_became_the_text_is_recognised(scene: Scene) -> None:
    content = post("", options={"warning": "Loud"}, media=(Picture("m1").media,))
    published = await scene.publish(content)
    scene.checkpoint.saved = {}
    assert await scene.reconcile(content, sent_at=NOW) == published


@pytest.mark.parametrize(
    "text", ["Read https://a.example/long/path?a=1&b=2 now", "Hi @bob@remote.example\n\nand #bells", "a < b & c"]
)
async def test_without_the_source_the_text_is_read_from_the_html(scene: Scene, text: str) -> None:
    scene.server.keeps_source = False
    status = scene.server.publish(text)
    scene.server.publish(text + " not")
    assert (await scene.reconcile(post(text), sent_at=NOW)).remote_id == status["id"]


async def test_a_post_edited_on_the_server_is_recognised_by_its_first_version(scene: Scene) -> None:
    status = scene.server.publish("Ding dong")
    scene.server.edit(status, "Ding dong, corrected")
    assert (await scene.reconcile(post(), sent_at=NOW)).remote_id == status["id"]


async def test_a_post_edited_into_our_words_was_another(scene: Scene) -> None:
    scene.server.edit(scene.server.publish("Before"), "After")
    scene.clock.advance(LATER)
    assert await scene.reconcile(post("After"), sent_at=NOW) == Absent()


async def test_an_upload_of_ours_is_proof_whatever_the_text_says_now(scene: Scene) -> None:
    content = post(media=(Picture("m1").media,))
    published = await scene.publish(content)
    (status,) = scene.server.statuses
    status |= {"content": "<p>rewritten</p>", "application": None}
    scene.server.sources[status["id"]]["text"] = "rewritten"
    assert await scene.reconcile(content, sent_at=NOW) == published


async def test_the_list_is_read_back_past_the_moment_of_sending(scene: Scene) -> None:
    status = scene.server.publish("Ding dong", at=NOW + timedelta(seconds=1))
    for number in range(100):
        scene.server.publish(f"Later {number}", at=NOW + timedelta(seconds=2 + number))
    scene.clock.advance(200)
    assert (await scene.reconcile(post(), sent_at=NOW)).remote_id == status["id"]


async def test_no_more_is_read_than_that(scene: Scene) -> None:
    for number in range(100):
        scene.server.publish(f"Earlier {number}", at=ago(hours=1))
    scene.clock.advance(LATER)
    assert await scene.reconcile(post(), sent_at=NOW) == Absent()
    assert scene.server.log == [f"GET {TIMELINE}"]


async def test_an_account_that_posted_too_much_since_is_left_to_a_person(scene: Scene) -> None:
    for number in range(500):
        scene.server.publish(f"Later {number}", at=NOW + timedelta(seconds=2 + number))
    scene.clock.advance(600)
    with pytest.raises(UnexpectedReply):
        await scene.reconcile(post(), sent_at=NOW)


@pytest.mark.parametrize(
    "answer",
    [
        httpx.ConnectError("down"),
        httpx.Response(502),
        httpx.Response(200, text="<html>"),
        httpx.Response(200, json=[None]),
        reply(200, a=1),
    ],
)
async def test_a_server_that_cannot_be_asked_leaves_it_open(scene: Scene, answer: httpx.Response | Exception) -> None:
    scene.clock.advance(LATER)
    scene.server.fails("GET", TIMELINE, answer)
    with pytest.raises(Unavailable):
        await scene.reconcile(post(), sent_at=NOW)


async def test_a_source_that_cannot_be_read_just_now_leaves_it_open(scene: Scene) -> None:
    status = scene.server.publish("Ding dong")
    scene.clock.advance(LATER)
    scene.server.fails("GET", f"/api/v1/statuses/{status['id']}/source", httpx.Response(503))
    with pytest.raises(Unavailable):
        await scene.reconcile(post(), sent_at=NOW)


async def test_a_withdrawn_token_asks_for_reconnection(scene: Scene) -> None:
    with pytest.raises(TokenRevoked):
        await scene.signed_out().reconcile(post(), sent_at=NOW)
