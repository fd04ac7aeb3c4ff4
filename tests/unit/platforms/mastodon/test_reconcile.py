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


# --- absent means that sending again is safe --------------------------------------------------------------------------

PLEROMA = "2.7.2 (compatible; Pleroma 2.4.0)"
HOME = "/api/v1/timelines/home"
PRIVATE = {"visibility": "private"}


async def doubt(scene: Scene, text: str = "Ding dong", **fields: object) -> UnexpectedReply:
    scene.clock.advance(LATER)
    with pytest.raises(UnexpectedReply) as caught:
        await scene.reconcile(post(text, **fields), sent_at=NOW)
    return caught.value


CHANGED = {
    "Markdown": ("**Ding** dong, _dear_ all", "<p><strong>Ding</strong> dong, <em>dear</em> all</p>"),
    "emoji pictures": ("Ding dong 🔔, dear all", '<p>Ding dong <img src="bell.png">, dear all</p>'),
    "links": ("See bell.example, dear all", '<p>See <a href="https://bell.example/">bell.example</a>, dear all</p>'),
    "tags": ("Ding #dong, dear all", "<p>Ding dong, dear all</p>"),
    "an added tag": ("Ding dong, dear all", '<p>Ding dong, dear all <a href="/t" class="hashtag">#bells</a></p>'),
    "typography": ('It\'s "ding" dong -- all', "<p>It’s “ding” dong – all</p>"),
    "cut": ("Ding dong, dear all, and a very long tail of words", "<p>Ding dong, dear all…</p>"),
    "nothing left": ("Ding dong, dear all", ""),
    "no letters": ("🔔🔔🔔", "<p><img><img><img></p>"),
}


@pytest.mark.parametrize("change", CHANGED)
@pytest.mark.parametrize("version", ["4.5.0", PLEROMA])
async def test_words_that_the_server_may_have_changed_are_for_a_person_to_compare(
    scene: Scene, change: str, version: str
) -> None:
    text, content = CHANGED[change]
    scene.server.keeps_source = False
    status = scene.server.publish("as it was typed is not kept", content=content)
    error = await doubt(scene.running(version), text)
    assert error.code == "maybe_ours"
    assert status["url"] in error.message


@pytest.mark.parametrize("keeps_source", [True, False])
@pytest.mark.parametrize("version", ["4.5.0", PLEROMA])
async def test_other_posts_of_the_same_minute_leave_no_doubt(scene: Scene, keeps_source: bool, version: str) -> None:
    scene.server.keeps_source = keeps_source
    for text in ("The tower is closed for repairs", "Tickets on sale now", "Join our choir on Sunday https://a.example/x"):
        scene.server.publish(text)
    scene.clock.advance(LATER)
    assert await scene.running(version).reconcile(post("Ding dong, the bells are ringing again"), sent_at=NOW) == Absent()


@pytest.mark.parametrize("version", ["4.5.0", PLEROMA])
async def test_a_number_that_differs_in_the_source_leaves_no_doubt(scene: Scene, version: str) -> None:
    scene.server.publish("Ding dong, number 1 of many")
    scene.clock.advance(LATER)
    assert await scene.running(version).reconcile(post("Ding dong, number 2 of many"), sent_at=NOW) == Absent()


@pytest.mark.parametrize("text", ["Ding dong!", "ding *dong*", "Ding dong :bell:", "Ding dong\n\n#bells"])
async def test_only_mastodon_is_known_to_keep_the_source_as_it_was_typed(scene: Scene, text: str) -> None:
    scene.server.publish(text)
    assert (await doubt(scene.running(PLEROMA))).code == "maybe_ours"
    assert await scene.reconcile(post(), sent_at=NOW) == Absent()


async def test_what_is_certainly_ours_is_found_among_what_may_be(scene: Scene) -> None:
    scene.server.publish("Ding dong!")
    status = scene.server.publish("Ding dong", at=NOW + timedelta(seconds=9))
    assert (await scene.running(PLEROMA).reconcile(post(), sent_at=NOW)).remote_id == status["id"]


@pytest.mark.parametrize("change", [{"by": "Web"}, {"media_ids": []}, {"created_at": None}, {"url": None, "uri": None}], ids=str)
async def test_our_words_with_something_odd_about_them_are_for_a_person(scene: Scene, change: dict) -> None:
    content = post(media=(Picture("m1").media,))
    files = change.get("media_ids", ["5"])
    status = scene.server.publish("Ding dong", by=change.get("by", "Carillon"), media_ids=files)
    status |= {name: value for name, value in change.items() if name in status}
    scene.clock.advance(LATER)
    with pytest.raises(UnexpectedReply) as caught:
        await scene.running(PLEROMA).reconcile(content, sent_at=NOW)
    assert caught.value.code == "maybe_ours"


async def test_changed_words_and_something_odd_are_for_a_person_too(scene: Scene) -> None:
    scene.server.keeps_source = False
    scene.server.publish("", content="<p><b>Ding</b> dong</p>", by="Web")
    assert (await doubt(scene.running(PLEROMA), "**Ding** dong")).code == "maybe_ours"


async def test_an_edited_post_whose_first_version_is_not_kept_may_be_ours(scene: Scene) -> None:
    status = scene.server.publish("Ding dong")
    scene.server.edit(status, "Quite another text")
    scene.server.fails("GET", f"/api/v1/statuses/{status['id']}/history", httpx.Response(404))
    assert (await doubt(scene)).code == "maybe_ours"


async def test_a_page_too_long_to_be_read_may_be_ours(scene: Scene) -> None:
    scene.server.keeps_source = False
    scene.server.publish("", content="<p>Something else</p>" * 20_000)
    assert (await doubt(scene)).code == "maybe_ours"


@pytest.mark.parametrize(
    "url", ["https://evil.example/x", "https://bell.example/@a/1?token=x", "https://bell.example/" + "x" * 500]
)
async def test_a_person_is_sent_to_no_other_address_than_the_servers(scene: Scene, url: str) -> None:
    scene.server.publish("Ding dong!")["url"] = url
    assert url not in (await doubt(scene.running(PLEROMA))).message


@pytest.mark.parametrize("skew", [timedelta(minutes=3), timedelta(minutes=-3), timedelta(days=-400)])
async def test_by_a_clock_that_is_wrong_nothing_is_absent(scene: Scene, skew: timedelta) -> None:
    scene.server.skew = skew
    assert (await doubt(scene)).code == "clock_unknown"


async def test_without_a_clock_nothing_is_absent(scene: Scene) -> None:
    scene.server.tells_time = False
    assert (await doubt(scene)).code == "clock_unknown"


async def test_a_clock_that_is_ahead_does_not_hide_a_post(scene: Scene) -> None:
    scene.server.skew = timedelta(minutes=10)
    status = scene.server.publish("Ding dong")
    assert (await scene.reconcile(post(), sent_at=NOW)).remote_id == status["id"]


async def test_mastodon_lists_an_authors_own_private_posts(scene: Scene) -> None:
    scene.clock.advance(LATER)
    assert await scene.reconcile(post(options=PRIVATE), sent_at=NOW) == Absent()
    assert f"GET {HOME}" not in scene.server.log


@pytest.mark.parametrize("has_home", [True, False])
async def test_where_no_list_is_known_to_show_private_posts_none_is_absent(scene: Scene, has_home: bool) -> None:
    scene.server.hides_private = scene.server.home_hides_private = True
    scene.server.has_home = has_home
    scene.server.publish("Ding dong", visibility="private")
    assert (await doubt(scene.running(PLEROMA), options=PRIVATE)).code == "private_hidden"


async def test_a_private_post_that_only_the_home_timeline_shows_is_found_there(scene: Scene) -> None:
    scene.server.hides_private = True
    status = scene.server.publish("Ding dong", visibility="private")
    found = await scene.running(PLEROMA).reconcile(post(options=PRIVATE), sent_at=NOW)
    assert found.remote_id == status["id"]


async def test_somebody_elses_post_in_the_home_timeline_is_not_ours(scene: Scene) -> None:
    scene.server.others.append(scene.server.publish("Ding dong", visibility="private") | {"account": {"id": "666"}})
    scene.server.statuses.clear()
    assert (await doubt(scene.running(PLEROMA), options=PRIVATE)).code == "private_hidden"


@pytest.mark.parametrize("hides_private", [True, False])
async def test_a_list_that_shows_one_private_post_of_ours_would_show_the_other(scene: Scene, hides_private: bool) -> None:
    scene.server.hides_private = hides_private
    scene.server.publish("The tower is closed", visibility="private", at=ago(hours=1))
    scene.clock.advance(LATER)
    assert await scene.running(PLEROMA).reconcile(post(options=PRIVATE), sent_at=NOW) == Absent()


@pytest.mark.parametrize("visibility", ["public", "unlisted"])
async def test_what_everybody_may_see_is_in_every_servers_list(scene: Scene, visibility: str) -> None:
    scene.clock.advance(LATER)
    content = post(options={"visibility": visibility})
    assert await scene.running(PLEROMA).reconcile(content, sent_at=NOW) == Absent()


async def test_a_list_that_does_not_turn_its_pages_is_given_up_at_once(scene: Scene) -> None:
    scene.server.heeds_max_id = False
    for number in range(100):
        scene.server.publish(f"Later {number}", at=NOW + timedelta(seconds=2 + number))
    assert (await doubt(scene)).code == "too_many_statuses"
    assert scene.server.log.count(f"GET {TIMELINE}") == 2


async def test_a_list_that_reaches_back_far_enough_needs_no_second_page(scene: Scene) -> None:
    scene.server.heeds_max_id = False
    scene.server.publish("Earlier", at=ago(hours=1))
    scene.clock.advance(LATER)
    assert await scene.reconcile(post(), sent_at=NOW) == Absent()


async def test_not_every_post_of_a_busy_account_is_opened(scene: Scene) -> None:
    for number in range(300):
        scene.server.publish(f"Later {number}", at=NOW + timedelta(seconds=2 + number))
    scene.server.publish("Earlier", at=ago(hours=1))
    scene.server.statuses[-1]["id"] = "1"
    assert (await doubt(scene)).code == "too_many_statuses"
    assert len(scene.server.log) < 120


async def test_a_withdrawn_token_asks_for_reconnection(scene: Scene) -> None:
    with pytest.raises(TokenRevoked):
        await scene.signed_out().reconcile(post(), sent_at=NOW)
