"""Writing: the preview tells the truth, nothing typed is lost, and nothing goes out by accident or twice."""

import re
from pathlib import Path
from uuid import uuid4

import pytest
from PIL import Image
from playwright.async_api import BrowserContext, expect

from tests.e2e.visitor import Visitor


@pytest.fixture
def picture(tmp_path: Path) -> str:
    path = tmp_path / "bell.png"
    Image.new("RGB", (320, 240), (138, 74, 18)).save(path)
    return str(path)


def unique(text: str) -> str:
    return f"{text} {uuid4().hex[:8]}"


async def test_a_text_that_is_too_long_is_shown_with_its_length_and_not_sent(alice: Visitor) -> None:
    text = unique("far too long")
    await alice.compose(text + " bell" * 100)
    await alice.look()
    short = alice.previews().first
    await expect(short.locator(".count")).to_contain_text(re.compile(r"\d+ / 300"))
    await expect(short.locator(".blocks")).to_contain_text("too long")

    await alice.press("Publish now")
    await expect(alice.page.get_by_role("alert")).to_contain_text("too long")
    await expect(alice.page.get_by_label("Text", exact=True)).to_have_value(text + " bell" * 100)
    assert await alice.page.get_by_role("checkbox", checked=True).count() == 2
    await alice.page.goto("/posts")
    await expect(alice.page.get_by_text(text)).to_have_count(0)


async def test_without_an_account_nothing_is_sent_and_the_text_is_kept(alice: Visitor) -> None:
    await alice.compose("To nobody", accounts=0)
    await alice.press("Publish now")
    await expect(alice.page.get_by_role("alert")).to_contain_text("Choose at least one account")
    await expect(alice.page.get_by_label("Text", exact=True)).to_have_value("To nobody")


async def test_a_picture_goes_out_with_its_description(alice: Visitor, picture: str) -> None:
    await alice.compose(unique("A bell to look at"))
    await alice.attach(picture)
    await alice.page.get_by_label("Description of image 1").fill("A bronze bell, seen from below")
    await alice.look()
    await expect(alice.previews().first.get_by_role("img", name="A bronze bell, seen from below")).to_be_visible()

    await alice.press("Publish now")
    await alice.sees_status("Published")
    await expect(alice.page.get_by_role("img", name="A bronze bell, seen from below")).to_be_visible()
    for link in await alice.post_links():
        await alice.page.goto(link)
        await expect(alice.page.get_by_role("img", name="A bronze bell, seen from below")).to_be_visible()


@pytest.mark.parametrize("scripting", [False], indirect=True, ids=["without scripts"])
async def test_chosen_files_are_not_lost_when_another_button_is_pressed_first(alice: Visitor, picture: str) -> None:
    await alice.compose(unique("Straight away"))
    await alice.page.get_by_label("Add images or videos").set_input_files(picture)
    await alice.press("Publish now")
    await alice.sees_status("Published")
    await expect(alice.page.locator("article img")).to_have_count(1)


async def test_a_picture_can_be_taken_away_again(alice: Visitor, picture: str) -> None:
    await alice.compose("Only words after all")
    await alice.attach(picture)
    await alice.press("Remove image 1")
    await expect(alice.page.get_by_label("Description of image 1")).to_have_count(0)
    await expect(alice.page.get_by_label("Text", exact=True)).to_have_value("Only words after all")
    await expect(alice.previews().first.locator("figure")).to_have_count(0)


async def test_a_file_that_is_no_picture_is_refused_by_name(alice: Visitor, tmp_path: Path) -> None:
    wrong = tmp_path / "notes.png"
    wrong.write_text("no picture at all")
    await alice.compose("With a surprise")
    await alice.page.get_by_label("Add images or videos").set_input_files(wrong)
    if not alice.scripting:
        await alice.press("Upload the chosen files")
    await expect(alice.page.locator("#media")).to_contain_text("notes.png")
    await expect(alice.page.get_by_label("Text", exact=True)).to_have_value("With a surprise")


async def test_an_account_can_have_its_own_words(alice: Visitor) -> None:
    shared, own = unique("For everybody"), unique("For the second one")
    await alice.compose(shared)
    await alice.look()
    await alice.page.locator(".own summary").nth(1).click()
    section = alice.page.locator(".own").nth(1)
    await section.get_by_role("button", name="Start from the post’s text").click()
    await expect(section.get_by_label("Text for this account only")).to_have_value(shared)
    await section.get_by_label("Text for this account only").fill(own)
    await alice.look()
    await expect(alice.previews().nth(0)).to_contain_text(shared)
    await expect(alice.previews().nth(1)).to_contain_text(own)

    await alice.press("Publish now")
    await alice.sees_status("Published")
    first, second = await alice.post_links()
    await alice.page.goto(first)
    await expect(alice.page.get_by_text(shared)).to_be_visible()
    await alice.page.goto(second)
    await expect(alice.page.get_by_text(own)).to_be_visible()


async def test_a_content_warning_folds_the_preview(alice: Visitor) -> None:
    await alice.compose("The bell falls down.")
    await alice.look()
    await alice.page.locator(".own summary").nth(1).click()
    await alice.page.get_by_label("Content warning").fill("Spoilers")
    await alice.look()
    await expect(alice.previews().nth(1).locator("summary")).to_contain_text("Spoilers")
    await expect(alice.previews().nth(1).get_by_text("The bell falls down.")).to_be_hidden()


async def test_the_return_key_in_a_small_field_sends_nothing(alice: Visitor) -> None:
    text = unique("Not yet")
    await alice.compose(text)
    await alice.look()
    await alice.page.locator(".own summary").nth(1).click()
    await alice.page.get_by_label("Content warning").press("Enter")
    await expect(alice.page).to_have_url(re.compile("/compose$"))
    await expect(alice.page.get_by_label("Text", exact=True)).to_have_value(text)
    await alice.page.goto("/posts")
    await expect(alice.page.get_by_text(text)).to_have_count(0)


async def test_the_same_form_sent_twice_is_one_post(alice: Visitor, context: BrowserContext) -> None:
    text = unique("Once only")
    await alice.compose(text)
    fields = await alice.page.locator("#composer").evaluate("form => Object.fromEntries(new FormData(form).entries())")
    twice = {name: value for name, value in fields.items() if name != "images"} | {"action": "now"}
    answers = [await context.request.post("/compose", form=twice, max_redirects=0) for _ in range(2)]
    assert [answer.status for answer in answers] == [303, 303]
    assert answers[0].headers["location"] == answers[1].headers["location"]
    await alice.page.goto("/posts")
    await expect(alice.page.get_by_text(text)).to_have_count(1)


async def test_a_draft_is_kept_and_can_be_finished_later(alice: Visitor) -> None:
    text = unique("Half a thought")
    await alice.compose(text, accounts=1)
    await alice.press("Save draft")
    await alice.sees_status("Draft")
    await alice.page.goto("/posts?status=drafts")
    await alice.page.get_by_text(text).click()
    await alice.page.get_by_role("link", name="Edit", exact=True).click()
    await expect(alice.page.get_by_label("Text", exact=True)).to_have_value(text)
    assert await alice.page.get_by_role("checkbox", checked=True).count() == 1
    await alice.page.get_by_label("Text", exact=True).fill(f"{text}, and the other half")
    await alice.press("Publish now")
    await alice.sees_status("Published")
    await expect(alice.page.get_by_text(f"{text}, and the other half").first).to_be_visible()


@pytest.mark.parametrize("address", ["/posts", "/accounts", "/compose"])
async def test_no_page_is_wider_than_a_small_phone(alice: Visitor, address: str) -> None:
    await alice.page.set_viewport_size({"width": 360, "height": 740})
    await alice.page.goto(address)
    width = await alice.page.locator("html").evaluate("html => html.scrollWidth")
    assert width <= 360
