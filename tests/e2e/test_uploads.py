"""Pictures on their way: several at once, stopped, cut off and gone on with, and never left out without a word."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.async_api import Locator, Route, expect

from tests.e2e.visitor import PATIENCE, Visitor

LARGE = 20 * 1024 * 1024
"""Comes in three parts."""

only_with_scripts = pytest.mark.parametrize("scripting", [True], indirect=True, ids=["with scripts"])


@pytest.fixture
def pictures(tmp_path: Path) -> Iterator[list[Path]]:
    """A small one, a large one with a long tail, and one that is none."""
    small, large, wrong = [tmp_path / name for name in ("small.png", "large.png", "wrong.png")]
    Image.new("RGB", (320, 240), (138, 74, 18)).save(small)
    large.write_bytes(small.read_bytes() + bytes(LARGE))
    wrong.write_text("no picture at all")
    yield [small, large, wrong]
    large.unlink()


def row(alice: Visitor, name: str) -> Locator:
    return alice.page.get_by_role("group", name=name)


async def choose(alice: Visitor, *files: Path) -> None:
    await alice.page.get_by_label("Add images or videos").set_input_files(list(files))


async def attached(alice: Visitor, count: int) -> None:
    await expect(alice.page.get_by_label(re.compile("^Description of image"))).to_have_count(count, timeout=PATIENCE)


async def test_several_are_brought_at_once_in_their_order_and_what_is_none_says_why(alice: Visitor, pictures: list[Path]) -> None:
    await alice.compose("Three of a kind, but one")
    await choose(alice, *pictures)
    if not alice.scripting:
        await alice.press("Upload the chosen files")
    await attached(alice, 2)
    await expect(alice.page.locator("#media")).to_contain_text("wrong.png")
    await expect(alice.page.locator("#media")).to_contain_text("no picture or video we can read")
    await expect(alice.page.get_by_label("Description of image 2")).to_be_visible()
    if alice.scripting:
        await alice.press("Publish now")
        await expect(alice.page.get_by_role("alert").filter(has_text="A file was not uploaded")).to_be_visible()
        await row(alice, "wrong.png").get_by_role("button", name="Remove").click()
        await expect(alice.page.get_by_label("Add images or videos")).to_be_focused()
    await alice.press("Publish now")
    await alice.sees_status("Published")
    await expect(alice.page.locator("#written img")).to_have_count(2)


@only_with_scripts
async def test_one_on_its_way_can_be_stopped_and_until_then_nothing_is_sent(alice: Visitor, pictures: list[Path]) -> None:
    async def hold(route: Route) -> None:
        """Nobody answers."""

    await alice.page.route("**/files/**", hold)
    await alice.compose("Not without the picture")
    await choose(alice, pictures[0])
    await expect(alice.page.get_by_role("progressbar", name="small.png")).to_be_visible()
    await alice.press("Publish now")
    await expect(alice.page.get_by_role("alert").filter(has_text="A file has not arrived yet")).to_be_visible()
    await row(alice, "small.png").get_by_role("button", name="Cancel").click()
    await expect(row(alice, "small.png")).to_have_count(0)
    await expect(alice.page.locator("#upload-block")).to_be_hidden()
    await alice.press("Publish now")
    await alice.sees_status("Published")
    await expect(alice.page.locator("#written img")).to_have_count(0)


@only_with_scripts
async def test_a_cut_connection_is_told_and_goes_on_where_it_stopped(alice: Visitor, pictures: list[Path]) -> None:
    asked: list[str] = []
    cut = True

    async def wire(route: Route) -> None:
        number = route.request.url.partition("part=")[2].partition("&")[0]
        asked.append(number)
        if number == "2" and asked.count("2") == 1:
            await route.abort("connectionreset")
        elif cut and number == "2":
            await route.fulfill(status=400)  # at once, where a connection that is lost again and again is tried for a while
        else:
            await route.continue_()

    await alice.page.route("**/files/**", wire)
    await alice.compose("In pieces")
    await choose(alice, pictures[1])
    await expect(row(alice, "large.png").get_by_role("button", name="Try again")).to_be_visible(timeout=PATIENCE)
    await expect(row(alice, "large.png").get_by_role("button", name="Remove")).to_be_visible()
    assert asked.count("2") == 2
    assert alice.complaints == ["Failed to load resource: net::ERR_CONNECTION_RESET"]
    alice.complaints.clear()
    cut = False
    before = len(asked)
    await row(alice, "large.png").get_by_role("button", name="Try again").click()
    await attached(alice, 1)
    assert "2" in asked[before:]
    assert len(set(asked)) == len(asked) - 2 == 3


@only_with_scripts
async def test_after_a_reload_the_same_file_goes_on(alice: Visitor, pictures: list[Path]) -> None:
    alice.page.on("dialog", lambda dialog: dialog.accept())
    asked: list[str] = []

    async def wire(route: Route) -> None:
        number = route.request.url.partition("part=")[2].partition("&")[0]
        if number == "3":
            await route.continue_()
        elif asked:
            asked.append(number)
            await route.continue_()

    await alice.page.route("**/files/**", wire)
    await alice.compose("Begun twice")
    async with alice.page.expect_response(lambda answer: "part=3" in answer.url):
        await choose(alice, pictures[1])
    await alice.page.reload()
    asked.append("after the reload")
    await choose(alice, pictures[1])
    await attached(alice, 1)
    assert sorted(asked[1:]) == ["1", "2"]


@only_with_scripts
async def test_pictures_are_dropped_anywhere_and_pasted(alice: Visitor, pictures: list[Path]) -> None:
    await alice.compose("From two sides")
    bring = """async (kind) => {
        const canvas = Object.assign(document.createElement("canvas"), {width: 40, height: 30});
        const blob = await new Promise((resolve) => canvas.toBlob(resolve));
        const data = new DataTransfer();
        data.items.add(new File([blob], `${kind}.png`, {type: "image/png"}));
        const more = {bubbles: true, cancelable: true};
        const event = kind === "drop" ? new DragEvent("drop", {...more, dataTransfer: data})
                                      : new ClipboardEvent("paste", {...more, clipboardData: data});
        document.querySelector(kind === "drop" ? "h1" : "#text").dispatchEvent(event);
    }"""
    for count, kind in enumerate(("drop", "paste"), start=1):
        await alice.page.evaluate(bring, kind)
        await attached(alice, count)
    await alice.press("Remove image 1")
    await attached(alice, 1)
    await expect(alice.page.get_by_label("Description of image 1")).to_be_visible()
    await expect(alice.previews().first.locator("figure")).to_have_count(1)


@only_with_scripts
async def test_a_storage_out_of_the_browsers_reach_is_reached_through_the_pages(alice: Visitor, pictures: list[Path]) -> None:
    async def elsewhere(route: Route) -> None:
        answer = await route.fetch()
        told = await answer.json()
        told["put"]["url"] = "http://storage.invalid/" + told["put"]["url"]
        await route.fulfill(response=answer, json=told)

    await alice.page.route("**/media/uploads", elsewhere)
    await alice.compose("The long way round")
    await choose(alice, pictures[0])
    await attached(alice, 1)
    assert all("storage.invalid" in complaint for complaint in alice.complaints)
    alice.complaints.clear()
