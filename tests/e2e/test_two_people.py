"""Two windows with one post: nothing typed is lost, nothing goes out twice, and the page agrees with the network."""

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from PIL import Image
from playwright.async_api import BrowserContext, expect

from tests.e2e.visitor import Visitor

ACCOUNTS = 2
"""Of the sandbox: what goes out to all is that many posts."""


@pytest.fixture
async def other(context: BrowserContext, scripting: bool) -> AsyncIterator[Visitor]:
    """A second window of the same workspace."""
    visitor = Visitor(await context.new_page(), scripting=scripting)
    yield visitor
    assert visitor.complaints == []


@pytest.fixture
async def reconnected(alice: Visitor) -> AsyncIterator[None]:
    """Whatever the test disconnects is there for the next one, even if the test fails."""
    yield
    await alice.page.goto("/accounts")
    if await alice.page.get_by_role("button", name="Try it with sandbox networks").count():
        await alice.connect_sandbox()


def unique(text: str) -> str:
    return f"{text} {uuid4().hex[:8]}"


def in_hours(number: int) -> datetime:
    return datetime.now(UTC) + timedelta(hours=number)


async def on_the_network(context: BrowserContext, mark: str) -> list[str]:
    """The texts with ``mark`` that the sandbox ever accepted, duplicates too."""
    answer = await context.request.get("/sandbox/api/posts")
    return sorted(post["text"] for post in await answer.json() if mark in post["text"])


async def scheduled(visitor: Visitor, text: str, *, accounts: int | None = None) -> str:
    """The address of a post that waits for tomorrow."""
    await visitor.compose(text, accounts=accounts)
    await visitor.plan(in_hours(24))
    await visitor.press("Schedule")
    await visitor.sees_status("Scheduled")
    return visitor.page.url


async def canceled(visitor: Visitor, text: str) -> str:
    address = await scheduled(visitor, text, accounts=1)
    await visitor.unfold("Cancel the post")
    await visitor.press("Cancel it")
    await visitor.sees_status("Canceled")
    return address


async def press_and_keep(visitor: Visitor, name: str) -> Visitor:
    """The window with the answer, while the form stays as it was: like going back to it.

    A post's page is opened once more: Chromium may read a new window's first page before it knows that scripts are off.
    """
    await visitor.page.locator("#composer").evaluate("form => { form.target = '_blank' }")
    async with visitor.page.context.expect_page() as opened:
        await visitor.press(name)
    answer = Visitor(await opened.value, scripting=visitor.scripting)
    await answer.page.wait_for_load_state()
    if re.search("/posts/[^/]+$", answer.page.url):
        await answer.page.goto(answer.page.url)
    return answer


async def fields_of(visitor: Visitor) -> dict[str, str]:
    """What the composer would send, without files."""
    everything = "form => Object.fromEntries([...new FormData(form)].filter(([name]) => name !== 'images'))"
    return dict(await visitor.page.locator("#composer").evaluate(everything))


# --- both edit --------------------------------------------------------------------------------------------------------


async def test_of_two_who_edit_the_second_sees_both_versions_and_decides(
    alice: Visitor, other: Visitor, context: BrowserContext
) -> None:
    mark = unique("Rehearsal")
    post = await scheduled(alice, f"{mark} on Monday")
    await alice.edit(post)
    await other.edit(post)
    await alice.write(f"{mark} on Tuesday")
    await alice.press("Schedule")
    await alice.sees_status("Scheduled")

    await other.write(f"{mark} on Friday")
    await other.press("Publish now")
    await other.reads_alert("two versions")
    await expect(other.page.get_by_role("region", name="Saved now")).to_contain_text(f"{mark} on Tuesday")
    await other.reads_own_text(f"{mark} on Friday")
    assert await on_the_network(context, mark) == []

    await other.press("Publish now")
    await other.sees_status("Published")
    await alice.page.goto(post)
    await expect(alice.page.get_by_role("article")).to_have_text(f"{mark} on Friday")
    assert await on_the_network(context, mark) == [f"{mark} on Friday"] * ACCOUNTS


async def test_who_came_second_can_take_the_saved_version_instead(alice: Visitor, other: Visitor) -> None:
    mark = unique("Choir")
    post = await scheduled(alice, f"{mark} at six")
    await other.edit(post)
    await alice.edit(post)
    await alice.write(f"{mark} at seven")
    await alice.press("Save draft")
    await alice.sees_status("Draft")
    await other.write(f"{mark} at eight")
    await other.press("Save draft")
    await expect(other.page.get_by_role("region", name="Saved now")).to_contain_text("A draft")
    await other.page.get_by_role("link", name="Drop mine, edit this one").click()
    await other.reads_own_text(f"{mark} at seven")


async def test_a_page_with_two_versions_fits_a_small_phone_and_is_read_first(alice: Visitor, other: Visitor) -> None:
    await other.page.set_viewport_size({"width": 360, "height": 740})
    post = await scheduled(alice, unique("Narrow"))
    await other.edit(post)
    await alice.edit(post)
    await alice.write("longwordwithoutanyspaces" * 8)
    await alice.press("Schedule")
    await alice.sees_status("Scheduled")
    await other.press("Save draft")
    await expect(other.page.get_by_role("alert")).to_be_focused()
    assert await other.page.locator("html").evaluate("html => html.scrollWidth") <= 360


async def test_adding_a_picture_leaves_the_answer_to_two_versions_as_it_was(
    alice: Visitor, other: Visitor, tmp_path: Path
) -> None:
    picture = tmp_path / "bell.png"
    Image.new("RGB", (320, 240), (138, 74, 18)).save(picture)
    mark = unique("With a picture")
    post = await scheduled(alice, mark)
    await other.edit(post)
    stale = await fields_of(other)
    await alice.edit(post)
    await alice.write(f"{mark}, first")
    await alice.press("Schedule")
    await alice.sees_status("Scheduled")

    await other.press("Schedule")
    await other.reads_alert("two versions")
    fresh = await fields_of(other)
    assert fresh["revision"] != stale["revision"]
    await other.attach(str(picture))
    await other.write(f"{mark}, second")
    await other.look()
    await expect(other.previews().first).to_contain_text(f"{mark}, second")
    kept = await fields_of(other)
    assert (kept["revision"], kept["nonce"]) == (fresh["revision"], fresh["nonce"])
    await other.press("Schedule")
    await other.sees_status("Scheduled")
    await expect(other.page.get_by_role("article")).to_contain_text(f"{mark}, second")
    await expect(other.page.locator("article img")).to_have_count(1)


@pytest.mark.parametrize("scripting", [True], indirect=True, ids=["with scripts"])
async def test_an_open_page_shows_the_words_that_another_window_saved(alice: Visitor, other: Visitor) -> None:
    mark = unique("Live")
    post = await scheduled(alice, f"{mark}, old")
    await other.edit(post)
    await other.write(f"{mark}, new")
    await other.press("Schedule")
    await other.sees_status("Scheduled")
    await expect(alice.page.get_by_role("article")).to_have_text(f"{mark}, new", timeout=40_000)


async def test_moving_a_post_that_was_edited_meanwhile_is_refused(alice: Visitor, other: Visitor) -> None:
    mark = unique("Moved")
    post = await scheduled(alice, mark)
    await other.edit(post)
    await other.write(f"{mark}, edited")
    await other.press("Schedule")
    await other.sees_status("Scheduled")
    await alice.unfold("Reschedule")
    await alice.plan(in_hours(72))
    await alice.press("Move it there")
    await alice.reads_alert("meanwhile")
    await expect(alice.page.get_by_role("article")).to_have_text(f"{mark}, edited")


async def test_what_was_typed_into_a_deleted_post_becomes_a_new_one(alice: Visitor, other: Visitor) -> None:
    mark = unique("Deleted")
    await alice.compose(mark, accounts=1)
    await alice.press("Save draft")
    await alice.sees_status("Draft")
    await other.edit(alice.page.url)
    await alice.unfold("Delete")
    await alice.press("Delete the post")
    await expect(alice.page.get_by_text("The post is deleted.")).to_be_visible()

    await other.write(f"{mark}, but kept")
    await other.press("Save draft")
    await other.reads_alert("deleted meanwhile")
    await other.reads_own_text(f"{mark}, but kept")
    await other.press("Save draft")
    await other.sees_status("Draft")


# --- once more --------------------------------------------------------------------------------------------------------


async def test_going_back_and_pressing_again_makes_no_second_post(alice: Visitor, context: BrowserContext) -> None:
    text = unique("Once and for all")
    await alice.compose(text)
    first = await press_and_keep(alice, "Publish now")
    await first.sees_status("Published")
    again = await press_and_keep(alice, "Publish now")
    await again.sees_status("Published")
    assert again.page.url == first.page.url
    assert await on_the_network(context, text) == [text] * ACCOUNTS


async def test_going_back_changing_the_text_and_pressing_again_offers_a_new_post(alice: Visitor, context: BrowserContext) -> None:
    mark = unique("Second edition")
    await alice.compose(mark)
    first = await press_and_keep(alice, "Publish now")
    await first.sees_status("Published")
    await alice.write(f"{mark}, revised")
    offered = await press_and_keep(alice, "Publish now")
    await offered.reads_alert("It went out already")
    await offered.reads_own_text(f"{mark}, revised")
    assert await on_the_network(context, mark) == [mark] * ACCOUNTS

    await offered.press("Publish now")
    await offered.sees_status("Published")
    assert offered.page.url != first.page.url
    assert await on_the_network(context, mark) == [mark] * ACCOUNTS + [f"{mark}, revised"] * ACCOUNTS


async def test_going_back_to_a_planned_post_shows_both_versions(alice: Visitor) -> None:
    mark = unique("Still time")
    await alice.compose(mark)
    await alice.plan(in_hours(24))
    first = await press_and_keep(alice, "Schedule")
    await first.sees_status("Scheduled")
    await alice.write(f"{mark}, corrected")
    second = await press_and_keep(alice, "Schedule")
    await expect(second.page.get_by_role("region", name="Saved now")).to_contain_text(mark)
    await second.press("Schedule")
    await second.sees_status("Scheduled")
    assert second.page.url == first.page.url
    await expect(second.page.get_by_role("article")).to_have_text(f"{mark}, corrected")


async def test_of_two_buttons_pressed_at_once_one_wins_and_all_agree(alice: Visitor, context: BrowserContext) -> None:
    mark = unique("Both")
    await alice.compose(mark)
    fields = await fields_of(alice)
    chosen = [account for account in await alice.page.get_by_role("checkbox").all() if await account.is_checked()]
    assert len(chosen) == ACCOUNTS
    presses = [context.request.post("/compose", form={**fields, "action": what}, max_redirects=0) for what in ("draft", "now")]
    statuses = [answer.status for answer in await asyncio.gather(*presses)]
    assert sorted(statuses) == [303, 409]

    await alice.page.goto("/posts")
    await expect(alice.page.get_by_text(mark)).to_have_count(1)
    await alice.page.get_by_text(mark).click()
    await alice.sees_status("Draft" if statuses[0] == 303 else "Published")
    shown = await alice.page.get_by_role("link", name="View on").count()
    assert await on_the_network(context, mark) == [mark] * shown


# --- it went out ------------------------------------------------------------------------------------------------------


async def test_an_editor_left_open_while_the_post_went_out_keeps_the_words_for_a_new_post(
    alice: Visitor, other: Visitor, context: BrowserContext
) -> None:
    mark = unique("Gone")
    post = await scheduled(alice, mark)
    await other.edit(post)
    await alice.edit(post)
    await alice.press("Publish now")
    await alice.sees_status("Published")

    await other.write(f"{mark}, and more")
    await other.press("Schedule")
    await other.reads_alert("It went out already")
    await other.reads_own_text(f"{mark}, and more")
    await other.press("Save draft")
    await other.sees_status("Draft")
    assert other.page.url != post
    await alice.page.goto(post)
    await expect(alice.page.get_by_role("article")).to_have_text(mark)
    assert await on_the_network(context, mark) == [mark] * ACCOUNTS


async def test_editing_what_went_out_offers_a_copy_that_can_be_sent(alice: Visitor, context: BrowserContext) -> None:
    mark = unique("Encore")
    await alice.compose(mark)
    await alice.press("Publish now")
    await alice.sees_status("Published")
    post = alice.page.url
    await alice.edit(post)
    await expect(alice.page.get_by_role("heading", name="It went out already")).to_be_visible()
    await alice.page.get_by_role("link", name="Duplicate").click()
    await alice.reads_own_text(mark)
    await alice.write(f"{mark}, again")
    await alice.press("Publish now")
    await alice.sees_status("Published")
    assert alice.page.url != post
    assert await on_the_network(context, mark) == [mark] * ACCOUNTS + [f"{mark}, again"] * ACCOUNTS


# --- it was canceled --------------------------------------------------------------------------------------------------


async def test_a_new_time_for_a_canceled_post_asks_first(alice: Visitor) -> None:
    await canceled(alice, unique("Put off"))
    later = in_hours(72)
    await alice.unfold("Reschedule")
    await alice.plan(later)
    await alice.press("Move it there")
    await alice.reads_alert(f"on {later.day} {later:%B %Y, %H:%M}")
    await alice.sees_status("Canceled")
    await alice.press("Yes, send it")
    await alice.sees_status("Scheduled")
    await expect(alice.page.get_by_text(f"Planned for {later.day} {later:%B %Y, %H:%M}.")).to_be_visible()


async def test_the_composer_asks_before_a_canceled_post_goes_out(alice: Visitor, context: BrowserContext) -> None:
    mark = unique("On second thought")
    post = await canceled(alice, mark)
    await alice.edit(post)
    await alice.write(f"{mark}, yes")
    await alice.press("Publish now")
    await alice.reads_alert("This post was canceled")
    await alice.reads_own_text(f"{mark}, yes")
    assert await on_the_network(context, mark) == []
    await alice.press("Publish now")
    await alice.sees_status("Published")
    assert await on_the_network(context, mark) == [f"{mark}, yes"]


@pytest.mark.usefixtures("reconnected")
async def test_disconnecting_says_what_was_canceled_and_sending_it_again_asks(alice: Visitor, context: BrowserContext) -> None:
    mark = unique("Cut off")
    post = await scheduled(alice, mark)
    await alice.page.goto("/accounts")
    await alice.page.locator("summary", has_text="Disconnect").first.click()
    await alice.page.get_by_role("button", name="Disconnect").first.click()
    await expect(alice.page.get_by_role("status")).to_contain_text("waiting to go out there")

    await alice.page.goto(post)
    await expect(alice.page.get_by_text("Its account was disconnected before it was sent.")).to_have_count(1)
    await expect(alice.page.get_by_role("button", name="Send again")).to_have_count(0)
    await alice.page.get_by_role("link", name="Reconnect").click()
    await alice.press("Try it with sandbox networks")
    await alice.page.goto(post)
    await alice.press("Send again")
    await alice.reads_alert("It was canceled")
    await alice.press("Yes, send it")
    await expect(alice.page.get_by_role("link", name="View on")).to_have_count(1, timeout=30_000)
    assert await on_the_network(context, mark) == [mark]


@pytest.mark.usefixtures("reconnected")
@pytest.mark.parametrize("scripting", [True], indirect=True, ids=["with scripts"])
async def test_a_question_stays_while_the_page_watches(alice: Visitor) -> None:
    post = await scheduled(alice, unique("Wait for me"))
    await alice.page.goto("/accounts")
    await alice.page.locator("summary", has_text="Disconnect").first.click()
    await alice.page.get_by_role("button", name="Disconnect").first.click()
    await alice.page.goto("/accounts")
    await alice.press("Try it with sandbox networks")
    await alice.page.goto(post)
    await alice.press("Send again")
    await alice.reads_alert("It was canceled")
    async with alice.page.expect_response(lambda response: "/status" in response.url):
        pass
    await alice.reads_alert("It was canceled")
    await expect(alice.page.get_by_role("button", name="Yes, send it")).to_be_visible()
