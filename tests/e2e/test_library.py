"""The library: files are brought, found, described in place, picked into a post, and kept for those that need them."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from PIL import Image
from playwright.async_api import Locator, expect

from tests.e2e.test_composer import unique
from tests.e2e.visitor import PATIENCE, Visitor
from tests.photos import landscape

only_with_scripts = pytest.mark.parametrize("scripting", [True], indirect=True, ids=["with scripts"])


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    """Two that nobody else has; the first is large."""
    names = [tmp_path / f"{unique(name)}.png" for name in ("tower", "clapper")]
    landscape(1200, 800).save(names[0])
    Image.new("RGB", (640, 320), "navy").save(names[1])
    return names


async def bring(alice: Visitor, paths: Sequence[Path]) -> None:
    await alice.page.goto("/library")
    await alice.page.get_by_label("Upload files").set_input_files(list(paths))
    if not alice.scripting:
        await alice.press("Upload the chosen files")
    for path in paths:
        await expect(tile(alice, path)).to_be_visible(timeout=PATIENCE)


def tile(alice: Visitor, path: Path) -> Locator:
    return alice.page.locator("#files").get_by_role("link", name=re.compile(re.escape(path.name)))


async def look_for(alice: Visitor, words: str) -> None:
    await alice.page.get_by_role("searchbox").fill(words)
    if not alice.scripting:
        await alice.press("Search")


async def pick(alice: Visitor, path: Path) -> None:
    """From the library into the composer that is open."""
    await alice.press("From the library")
    await alice.page.get_by_role("searchbox").fill(path.stem)
    if not alice.scripting:
        await alice.press("Search")
    await expect(alice.page.locator(".picks .tile")).to_have_count(1)
    await alice.page.get_by_role("checkbox", name=path.name).check()
    await alice.press("Add the chosen")


async def test_files_are_brought_and_found_again(alice: Visitor, pictures: list[Path]) -> None:
    tower, clapper = pictures
    await bring(alice, pictures)
    assert "/thumb?" in (await tile(alice, tower).locator("img").get_attribute("src") or "")
    await look_for(alice, tower.stem)
    await expect(tile(alice, tower)).to_be_visible()
    await expect(tile(alice, clapper)).to_have_count(0)
    await expect(alice.page).to_have_url(re.compile("q="))
    await alice.page.get_by_label("Kind").select_option("Videos")
    if not alice.scripting:
        await alice.press("Search")
    await expect(alice.page.get_by_role("heading", name="Nothing here")).to_be_visible()


async def test_a_description_is_written_in_place_and_a_post_begins_with_it(alice: Visitor, pictures: list[Path]) -> None:
    tower = pictures[0]
    await bring(alice, [tower])
    await alice.page.goto(f"/library?view=list&q={tower.stem.replace(' ', '+')}")
    box = alice.page.get_by_label(f"Description of {tower.name}")
    await box.fill("The old tower")
    if alice.scripting:
        await box.blur()
        await expect(alice.page.locator(".shelf-alt").get_by_role("status")).to_have_text("Saved")
    else:
        await alice.press("Save")
        await expect(box).to_have_value("The old tower")
    text = unique("With what I typed")
    await alice.compose(text)
    await pick(alice, tower)
    await expect(alice.page.get_by_label("Description of image 1")).to_have_value("The old tower")
    await alice.reads_own_text(text)
    await alice.look()
    await expect(alice.previews().first.get_by_role("img", name="The old tower")).to_be_visible()


async def test_what_a_planned_post_needs_is_not_deleted_and_then_it_is(alice: Visitor, pictures: list[Path]) -> None:
    tower, clapper = pictures
    await bring(alice, pictures)
    text = unique("Needs its tower")
    await alice.compose(text)
    await pick(alice, tower)
    await expect(alice.page.get_by_label("Description of image 1")).to_be_visible()
    await alice.plan(datetime.now(UTC) + timedelta(days=3))
    await alice.press("Schedule")
    await alice.sees_status("Scheduled")
    await alice.page.goto("/library")
    await tile(alice, tower).click()
    await alice.unfold("Delete")
    await expect(alice.page.get_by_text("It cannot be deleted while")).to_be_visible()
    await expect(alice.page.get_by_role("button", name="Delete the picture")).to_have_count(0)
    await alice.page.get_by_role("link", name=text).first.click()
    await alice.sees_status("Scheduled")
    await alice.page.goto("/library")
    await tile(alice, clapper).click()
    await alice.unfold("Delete")
    await alice.press("Delete the picture")
    await expect(alice.page.get_by_text("The file is deleted.")).to_be_visible()
    await expect(tile(alice, clapper)).to_have_count(0)


async def test_another_picture_takes_the_place_in_a_draft(alice: Visitor, pictures: list[Path]) -> None:
    tower, clapper = pictures
    await bring(alice, [tower])
    await alice.compose(unique("A draft"))
    await pick(alice, tower)
    await expect(alice.page.get_by_label("Description of image 1")).to_be_visible()
    await alice.press("Save draft")
    await alice.sees_status("Draft")
    await alice.page.goto("/library")
    await tile(alice, tower).click()
    await alice.unfold("Replace")
    await alice.page.get_by_label("The new file").set_input_files(clapper)
    await alice.press("Replace it")
    await expect(alice.page.get_by_text("This file took the place of the old one in a post.")).to_be_visible()
    await expect(alice.page.get_by_role("heading", name=clapper.name)).to_be_visible()


async def test_the_point_to_keep_is_chosen_and_kept(alice: Visitor, pictures: list[Path]) -> None:
    await bring(alice, pictures[:1])
    await tile(alice, pictures[0]).click()
    await alice.page.get_by_label("Upper right").click()
    await alice.press("Save")
    await expect(alice.page.get_by_text("Saved")).to_be_visible()
    await alice.page.reload()
    await expect(alice.page.get_by_label("Upper right")).to_be_checked()


@only_with_scripts
async def test_the_dialog_closes_and_gives_the_focus_back(alice: Visitor, pictures: list[Path]) -> None:
    await alice.compose("Nothing picked")
    await alice.press("From the library")
    dialog = alice.page.get_by_role("dialog", name="From the library")
    await expect(dialog).to_be_visible()
    await alice.page.keyboard.press("Escape")
    await expect(dialog).to_be_hidden()
    await expect(alice.page.get_by_role("button", name="From the library")).to_be_focused()


@pytest.mark.parametrize("width", [320, 360, 1440])
async def test_nothing_is_wider_than_the_window(alice: Visitor, pictures: list[Path], width: int) -> None:
    await alice.page.set_viewport_size({"width": width, "height": 800})
    await bring(alice, pictures[:1])
    for path in ("/library", "/library?view=list"):
        await alice.page.goto(path)
        assert await alice.page.evaluate("document.documentElement.scrollWidth") <= width
    await alice.page.goto("/library")
    await tile(alice, pictures[0]).click()
    await expect(alice.page.get_by_role("heading", name="Where it is used")).to_be_visible()
    assert await alice.page.evaluate("document.documentElement.scrollWidth") <= width
