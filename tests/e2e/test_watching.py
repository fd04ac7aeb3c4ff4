"""After writing: planning, changing one's mind, and seeing what happens as it happens."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from playwright.async_api import BrowserContext, expect

from tests.e2e.visitor import Visitor
from tests.servers.process import Server


def unique(text: str) -> str:
    return f"{text} {uuid4().hex[:8]}"


def in_minutes(number: int) -> datetime:
    return datetime.now(UTC) + timedelta(minutes=number)


async def test_a_post_is_scheduled_moved_and_canceled(alice: Visitor) -> None:
    text, later = unique("In good time"), in_minutes(60 * 24 * 3)
    await alice.compose(text, accounts=1)
    await alice.plan(in_minutes(60 * 24 * 2))
    await alice.press("Schedule")
    await alice.sees_status("Scheduled")

    await alice.unfold("Reschedule")
    await alice.plan(later)
    await alice.press("Move it there")
    await expect(alice.page.get_by_text(f"Planned for {later.day} {later:%B %Y, %H:%M}.")).to_be_visible()

    await alice.unfold("Cancel the post")
    await alice.press("Cancel it")
    await alice.sees_status("Canceled")
    await alice.page.goto("/posts?status=scheduled")
    await expect(alice.page.get_by_text(text)).to_have_count(0)


async def test_scheduling_is_one_press_away_at_the_next_hour(alice: Visitor) -> None:
    await alice.compose(unique("Some time soon"), accounts=1)
    await alice.press("Schedule")
    await alice.sees_status("Scheduled")
    await expect(alice.page.locator(".status-head time")).to_contain_text(":00")


async def test_what_was_canceled_can_be_sent_after_all(alice: Visitor) -> None:
    await alice.compose(unique("Second thoughts"), accounts=1)
    await alice.plan(in_minutes(60))
    await alice.press("Schedule")
    await alice.unfold("Cancel the post")
    await alice.press("Cancel it")
    await alice.press("Send again")
    await expect(alice.page.get_by_role("alert")).to_contain_text("It was canceled")
    await alice.page.get_by_role("link", name="No, leave it canceled").click()
    await alice.sees_status("Canceled")
    await alice.press("Send again")
    await alice.press("Yes, send it")
    await alice.sees_status("Published")


async def test_a_time_that_has_passed_is_refused_and_the_text_is_kept(alice: Visitor) -> None:
    await alice.compose("Yesterday's news", accounts=1)
    await alice.plan(in_minutes(-60 * 24))
    await alice.press("Schedule")
    await expect(alice.page.get_by_role("alert")).to_contain_text("has passed")
    await expect(alice.page.get_by_label("Text", exact=True)).to_have_value("Yesterday's news")


async def test_moving_a_post_into_the_past_is_refused_on_its_own_page(alice: Visitor) -> None:
    await alice.compose(unique("No way back"), accounts=1)
    await alice.plan(in_minutes(60))
    await alice.press("Schedule")
    await alice.unfold("Reschedule")
    await alice.plan(in_minutes(-60 * 24))
    await alice.press("Move it there")
    await expect(alice.page.get_by_role("alert")).to_contain_text("has passed")
    await alice.sees_status("Scheduled")


@pytest.mark.parametrize("scripting", [True], indirect=True, ids=["with scripts"])
async def test_a_scheduled_post_goes_out_by_itself_in_front_of_the_eyes(alice: Visitor) -> None:
    await alice.compose(unique("On the minute"), accounts=1)
    await alice.plan(in_minutes(1) + timedelta(seconds=25))  # a minute is picked: 25 to 85 s from now
    await alice.press("Schedule")
    await alice.sees_status("Scheduled")
    await expect(alice.page.locator(".status-head .pill")).to_have_text("Published", timeout=120_000)


async def test_a_network_that_asks_to_wait_is_shown_with_the_next_try(
    alice: Visitor, context: BrowserContext, installation: Server
) -> None:
    fault = {"platform": "mastodon", "kind": "rate_limited", "seconds": 8, "times": 1}
    assert (await context.request.post(f"{installation.url}/sandbox/api/faults", data=fault)).ok
    await alice.compose(unique("Patience"))
    await alice.press("Publish now")
    await expect(alice.page.get_by_text("Retrying at")).to_be_visible(timeout=30_000)
    await alice.sees_status("Published")
    await alice.page.locator(".timeline summary").nth(1).click()
    await expect(alice.page.locator(".timeline").nth(1).locator("li")).to_have_count(2)


@pytest.mark.parametrize("scripting", [True], indirect=True, ids=["with scripts"])
async def test_an_unchanged_page_keeps_what_is_unfolded_and_half_typed(alice: Visitor) -> None:
    await alice.compose(unique("Stay open"), accounts=1)
    await alice.plan(in_minutes(2))
    await alice.press("Schedule")
    await alice.unfold("Reschedule")
    await alice.page.get_by_label("Time", exact=True).fill("23:45")
    async with alice.page.expect_response(lambda response: "/status" in response.url) as first:
        pass
    assert (await first.value).status == 204
    await expect(alice.page.get_by_role("button", name="Move it there")).to_be_visible()
    await expect(alice.page.get_by_label("Time", exact=True)).to_have_value("23:45")
    await expect(alice.page.get_by_label("Time", exact=True)).to_be_focused()
    await alice.unfold("Cancel the post")
    await alice.press("Cancel it")


@pytest.mark.parametrize("scripting", [True], indirect=True, ids=["with scripts"])
async def test_what_happens_in_another_window_is_seen_without_reloading(alice: Visitor) -> None:
    await alice.compose(unique("In two windows"), accounts=1)
    await alice.plan(in_minutes(2))
    await alice.press("Schedule")
    await alice.sees_status("Scheduled")
    other = Visitor(await alice.page.context.new_page(), scripting=True)
    await other.page.goto(alice.page.url)
    await other.unfold("Cancel the post")
    await other.press("Cancel it")
    await other.sees_status("Canceled")
    await alice.sees_status("Canceled")
    await expect(alice.page.locator("#status[hx-get]")).to_have_count(0)


async def test_a_draft_can_be_deleted(alice: Visitor) -> None:
    text = unique("Never mind")
    await alice.compose(text, accounts=1)
    await alice.press("Save draft")
    await alice.unfold("Delete")
    await alice.press("Delete the post")
    await expect(alice.page.get_by_text("The post is deleted.")).to_be_visible()
    await expect(alice.page.get_by_text(text)).to_have_count(0)
