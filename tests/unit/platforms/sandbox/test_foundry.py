"""The foundry over HTTP: containers, publication in two steps, the daily quota, and what quirks make of them."""

from datetime import UTC, datetime

import httpx
import pytest

from tests.unit.platforms.sandbox.conftest import PNG, Clock, Founder

DAY = 24 * 3600


def refusal(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["reason"]


async def accepted(founder: Founder) -> list[str]:
    """What the judge says was accepted there."""
    posts = (await founder.http.get("/api/posts")).json()
    return [post["text"] for post in posts if post["platform"] == "foundry"]


# --- two steps --------------------------------------------------------------------------------------------------------


async def test_a_post_is_cast_and_then_published_with_an_id_of_its_own(founder: Founder) -> None:
    container = await founder.cast()
    assert await founder.status(container) == ("FINISHED", None)
    assert await founder.listed() == await accepted(founder) == []
    published = (await founder.publish(container)).json()
    assert published["id"] != container
    assert await founder.status(container) == ("PUBLISHED", None)
    assert await founder.listed() == await accepted(founder) == ["Bong"]
    assert (await founder.get(f"posts/{published['id']}")).json() == published
    assert "Bong" in (await founder.http.get(published["url"])).text


async def test_a_picture_is_cast_from_its_bytes_and_shown(founder: Founder) -> None:
    published = (await founder.publish(await founder.cast_file(PNG, text="Look", alt="A bell"))).json()
    page = (await founder.http.get(published["url"])).text
    assert published["files"] == 1
    assert 'alt="A bell"' in page


@pytest.mark.parametrize(
    "media_url",
    [
        "https://media.test/bell.jpg",
        "https://media.test/files/bell.jpg",
        "http://127.0.0.1:9/secret",
        "http://127.0.0.1:9/files/../secret",
        "http://[",
    ],
)
async def test_an_address_that_is_not_ours_is_taken_and_not_fetched(founder: Founder, media_url: str) -> None:
    container = await founder.cast(media_url=media_url)
    assert (await founder.publish(container)).json()["files"] == 1


async def test_a_file_that_is_no_picture_is_refused_when_it_has_been_worked_on(founder: Founder) -> None:
    container = await founder.cast_file(b"no picture", text="Look")
    assert await founder.status(container) == ("ERROR", "UNKNOWN_FORMAT")
    assert refusal(await founder.publish(container)) == (400, "container_failed")


@pytest.mark.parametrize(("sent", "reason"), [({"text": "x" * 501}, "text_too_long"), ({"text": " "}, "nothing_to_cast")])
async def test_what_breaks_the_rules_is_not_cast(founder: Founder, sent: dict[str, str], reason: str) -> None:
    assert refusal(await founder.post("containers", **sent)) == (400, reason)


async def test_a_container_is_published_once(founder: Founder) -> None:
    container = await founder.cast()
    await founder.publish(container)
    assert refusal(await founder.publish(container)) == (400, "already_published")
    assert await accepted(founder) == ["Bong"]


async def test_a_container_expires_after_a_day(founder: Founder, clock: Clock) -> None:
    container, published = await founder.cast(), await founder.cast()
    await founder.publish(published)
    clock.sleep(DAY)
    assert [await founder.status(each) for each in (container, published)] == [("EXPIRED", None), ("PUBLISHED", None)]
    assert refusal(await founder.publish(container)) == (400, "container_expired")


async def test_the_containers_and_posts_of_others_do_not_exist(founder: Founder) -> None:
    container = await founder.cast()
    post = (await founder.publish(await founder.cast())).json()["id"]
    await founder.sign_in("bob")
    assert refusal(await founder.publish(container)) == (400, "no_such_container")
    assert refusal(await founder.get(f"posts/{post}")) == (400, "no_such_post")
    assert await founder.listed() == []


async def test_a_deleted_post_is_gone_and_the_judge_still_knows_it(founder: Founder) -> None:
    published = (await founder.publish(await founder.cast())).json()
    headers = {"Authorization": f"Bearer {founder.access}"}
    await founder.http.delete(f"/foundry/v1/posts/{published['id']}", headers=headers)
    assert await founder.listed() == []
    assert await accepted(founder) == ["Bong"]


# --- quirks -----------------------------------------------------------------------------------------------------------


async def test_it_can_take_its_time_to_cast(founder: Founder, clock: Clock) -> None:
    await founder.quirk("processes", seconds=30)
    container = await founder.cast()
    clock.sleep(29)
    assert await founder.status(container) == ("IN_PROGRESS", None)
    assert refusal(await founder.publish(container)) == (400, "not_ready")
    clock.sleep(1)
    assert await founder.status(container) == ("FINISHED", None)
    assert (await founder.publish(container)).status_code == 200


async def test_it_can_refuse_while_it_casts(founder: Founder, clock: Clock) -> None:
    await founder.quirk("processes", seconds=30)
    await founder.quirk("refuses_processed")
    container = await founder.cast()
    assert await founder.status(container) == ("IN_PROGRESS", None)
    clock.sleep(30)
    assert await founder.status(container) == ("ERROR", "AGAINST_RULES")


async def test_it_can_publish_without_telling_the_id(founder: Founder) -> None:
    await founder.quirk("no_id")
    container = await founder.cast()
    assert (await founder.publish(container)).json() == {}
    assert await founder.status(container) == ("PUBLISHED", None)
    assert await founder.listed() == ["Bong"]


async def test_it_can_accept_a_publication_and_carry_it_out_later(founder: Founder, clock: Clock) -> None:
    await founder.quirk("publishes_late", seconds=20)
    container = await founder.cast()
    assert (await founder.publish(container)).json() == {"status": "PUBLISHING"}
    assert (await founder.status(container), await founder.listed()) == (("PUBLISHING", None), [])
    assert await accepted(founder) == ["Bong"]
    assert refusal(await founder.publish(container)) == (400, "already_published")
    clock.sleep(20)
    assert (await founder.status(container), await founder.listed()) == (("PUBLISHED", None), ["Bong"])


async def test_it_can_refuse_what_it_had_accepted(founder: Founder, clock: Clock) -> None:
    await founder.quirk("publishes_late", seconds=20)
    await founder.quirk("refuses_published")
    container = await founder.cast()
    assert (await founder.publish(container)).json() == {"status": "PUBLISHING"}
    assert await founder.status(container) == ("PUBLISHING", None)
    clock.sleep(20)
    assert await founder.status(container) == ("ERROR", "WITHDRAWN")
    assert await founder.listed() == await accepted(founder) == []


async def test_it_can_publish_a_container_as_often_as_it_is_told_to(founder: Founder) -> None:
    await founder.quirk("repeats")
    container = await founder.cast()
    first, second = [(await founder.publish(container)).json()["id"] for _ in range(2)]
    assert first != second
    assert await accepted(founder) == ["Bong", "Bong"]


async def test_its_list_can_lag(founder: Founder, clock: Clock) -> None:
    await founder.quirk("lags", seconds=60)
    await founder.publish(await founder.cast())
    assert await founder.listed() == []
    clock.sleep(60)
    assert await founder.listed() == ["Bong"]


async def test_a_quirk_of_one_account_is_not_anothers(founder: Founder) -> None:
    await founder.quirk("no_id")
    await founder.sign_in("bob")
    assert "id" in (await founder.publish(await founder.cast())).json()


# --- the quota --------------------------------------------------------------------------------------------------------


async def test_the_daily_quota_is_refused_with_a_code_and_begins_anew_at_midnight_where_the_foundry_is(
    founder: Founder, clock: Clock
) -> None:
    clock.now = datetime(2026, 11, 24, 20, 0, tzinfo=UTC).timestamp()  # noon in Los Angeles
    await founder.sign_in()
    await founder.quirk("quota", seconds=2)
    for _ in range(2):
        await founder.publish(await founder.cast())
    waiting = await founder.cast()
    told = (await founder.get("quota")).json()
    assert told == {"used": 2, "total": 2, "zone": "America/Los_Angeles", "resets_at": "2026-11-25T08:00:00.000Z"}
    refused = await founder.publish(waiting)
    assert (refused.json()["error"]["code"], *refusal(refused)) == (9, 400, "daily_quota")
    clock.sleep(12 * 3600 - 1)
    assert refusal(await founder.publish(waiting)) == (400, "daily_quota")
    clock.sleep(1)
    assert (await founder.publish(waiting)).status_code == 200
    assert (await founder.get("quota")).json()["used"] == 1


@pytest.mark.parametrize(
    ("now", "resets_at"),
    [("2026-03-08T20:00Z", "2026-03-09T07:00:00.000Z"), ("2026-11-01T20:00Z", "2026-11-02T08:00:00.000Z")],
    ids=["a day of 23 hours", "a day of 25 hours"],
)
async def test_a_day_is_as_long_as_the_clocks_there_make_it(founder: Founder, clock: Clock, now: str, resets_at: str) -> None:
    clock.now = datetime.fromisoformat(now).timestamp()
    await founder.sign_in()
    assert (await founder.get("quota")).json()["resets_at"] == resets_at


# --- tokens, faults and the judge -------------------------------------------------------------------------------------


async def test_a_token_renews_itself_while_it_is_good_and_not_after(founder: Founder, clock: Clock) -> None:
    clock.sleep(59 * DAY)
    founder.access = (await founder.post("tokens/renew")).json()["access"]
    clock.sleep(59 * DAY)
    assert (await founder.get("me")).json()["name"] == "you"
    clock.sleep(DAY)
    assert [refusal(await founder.post("tokens/renew")), refusal(await founder.get("me"))] == [(401, "token_expired")] * 2


async def test_a_wrong_password_opens_nothing(founder: Founder) -> None:
    assert refusal(await founder.sign_in("eve", "wrong")) == (401, "wrong_password")
    assert refusal(await Founder(founder.http, "made up").get("me")) == (401, "token_invalid")


async def test_faults_are_told_in_its_own_words(founder: Founder) -> None:
    for kind in ("rate_limited", "error_500_after_accept"):
        await founder.http.post("/api/faults", json={"platform": "foundry", "kind": kind, "times": 1})
    container = await founder.cast()
    limited = await founder.publish(container)
    assert (*refusal(limited), limited.headers["x-quiet-until"][-3:]) == (429, "too_many_calls", "GMT")
    assert refusal(await founder.publish(container)) == (500, "unknown")
    assert await accepted(founder) == ["Bong"]


async def test_the_judge_knows_which_text_a_publication_was_about(founder: Founder, clock: Clock) -> None:
    await founder.publish(await founder.cast("by name"))
    asked = (await founder.http.get("/api/requests")).json()
    assert asked["first"] == [{"platform": "foundry", "at": clock.now, "text": "by name", "status": 200, "sent": 1}]
    assert asked["counters"]["foundry"] == {"other": 1, "upload": 1, "publish": 1}


async def test_newcomers_do_not_see_it_until_something_is_there(founder: Founder) -> None:
    assert "foundry" not in (await founder.http.get("/")).text
    await founder.publish(await founder.cast())
    assert "The foundry" in (await founder.http.get("/")).text
