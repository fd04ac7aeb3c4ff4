"""The files of a post: moved, left out for one account, cropped and padded, with scripts and without."""

import re
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image
from playwright.async_api import Locator, expect

from tests.e2e.test_composer import unique
from tests.e2e.visitor import Visitor
from tests.photos import film

COLOURS = {"Red": (190, 40, 30), "Green": (30, 140, 60), "Blue": (30, 60, 190)}


@pytest.fixture
def pictures(tmp_path: Path) -> list[str]:
    """Three of 640 x 320: the left half of each is grey, the right one is as its name says."""
    for name, colour in COLOURS.items():
        image = Image.new("RGB", (640, 320), (120, 120, 120))
        image.paste(colour, (320, 0, 640, 320))
        image.save(tmp_path / f"{name}.png")
    return [str(tmp_path / f"{name}.png") for name in COLOURS]


async def attach(alice: Visitor, paths: Sequence[str]) -> None:
    """Attach the files, each described by its name."""
    await alice.page.get_by_label("Add images or videos").set_input_files(paths)
    if not alice.scripting:
        await alice.press("Upload the chosen files")
    await expect(described(alice)).to_have_count(len(paths))  # before that their numbers change
    for number, path in enumerate(paths, 1):
        await alice.page.get_by_label(f"Description of image {number}").fill(Path(path).stem)


def described(alice: Visitor) -> Locator:
    return alice.page.locator("#media-list").get_by_role("textbox", name=re.compile("^Description"))


async def order(alice: Visitor) -> list[str]:
    return [await each.input_value() for each in await described(alice).all()]


async def shown(alice: Visitor, place: int) -> Locator:
    """The pictures of a preview that is up to date."""
    await alice.look()
    return alice.previews().nth(place).locator("figure").get_by_role("img")


async def previewed(alice: Visitor, place: int, *names: str) -> None:
    pictures = await shown(alice, place)
    await expect(pictures).to_have_count(len(names))
    for picture, name in zip(await pictures.all(), names, strict=True):
        await expect(picture).to_have_accessible_name(name)


# --- the order --------------------------------------------------------------------------------------------------------


async def test_buttons_move_a_file_and_keep_all_that_was_typed(alice: Visitor, pictures: list[str]) -> None:
    text = unique("Three bells")
    await alice.compose(text)
    await attach(alice, pictures)
    await alice.press("Move image 3 earlier")
    await expect(described(alice).nth(1)).to_have_value("Blue")
    assert await order(alice) == ["Red", "Blue", "Green"]
    await alice.press("Move image 1 later")
    await expect(described(alice).nth(0)).to_have_value("Blue")
    await alice.reads_own_text(text)
    await previewed(alice, 0, "Blue", "Red", "Green")
    await alice.press("Publish now")
    await alice.sees_status("Published")
    for link in await alice.post_links():
        await alice.page.goto(link)
        sent = [await each.get_attribute("alt") for each in await alice.page.locator("article img[alt]:not([alt=''])").all()]
        assert sent == ["Blue", "Red", "Green"]


@pytest.mark.parametrize("scripting", [True], indirect=True, ids=["with scripts"])
async def test_the_keyboard_moves_a_file_and_stays_with_it(alice: Visitor, pictures: list[str]) -> None:
    await alice.compose("By keyboard")
    await attach(alice, pictures)
    await alice.page.get_by_role("button", name="Move image 1 later").focus()
    await alice.page.keyboard.press("Enter")
    await expect(alice.page.get_by_role("button", name="Move image 2 later")).to_be_focused()
    await alice.page.keyboard.press("Space")
    assert await order(alice) == ["Green", "Blue", "Red"]
    await expect(alice.page.get_by_role("button", name="Move image 3 earlier")).to_be_focused()
    await expect(alice.page.get_by_role("status")).to_have_text("Moved: now number 3 of 3.")


@pytest.mark.parametrize("scripting", [True], indirect=True, ids=["with scripts"])
async def test_a_file_is_dragged_to_its_place_and_escape_puts_it_back(alice: Visitor, pictures: list[str]) -> None:
    await alice.compose("Dragged")
    await attach(alice, pictures)
    await drag(alice, 2, 0)
    await alice.page.mouse.up()
    assert await order(alice) == ["Blue", "Red", "Green"]
    await previewed(alice, 0, "Blue", "Red", "Green")
    await drag(alice, 0, 2)
    assert await order(alice) == ["Red", "Green", "Blue"]
    await alice.page.keyboard.press("Escape")
    await alice.page.mouse.up()
    assert await order(alice) == ["Blue", "Red", "Green"]
    await alice.page.reload()
    await expect(described(alice)).to_have_count(0)


async def drag(alice: Visitor, start: int, end: int) -> None:
    """Press on one picture, and move to another without letting go."""
    thumbs = alice.page.locator("#media-list .thumb")
    await thumbs.nth(1).scroll_into_view_if_needed()
    boxes = [await thumbs.nth(place).bounding_box() for place in (start, end)]
    (from_x, from_y), (to_x, to_y) = [(box["x"] + 40, box["y"] + 40) for box in boxes if box]
    await alice.page.mouse.move(from_x, from_y)
    await alice.page.mouse.down()
    await alice.page.mouse.move(to_x, to_y + (60 if end > start else -30), steps=12)


# --- an account's own -------------------------------------------------------------------------------------------------


async def own_files(alice: Visitor, place: int) -> Locator:
    """The section of an account, with files of its own."""
    await alice.look()
    section = alice.page.locator(".own").nth(place)
    await section.locator("> summary").click()
    await section.get_by_role("button", name="Choose files for this account").click()
    await expect(section.get_by_label("Show image 1")).to_be_checked()
    return section


async def test_a_file_is_left_out_for_one_account_and_put_back(alice: Visitor, pictures: list[str]) -> None:
    await alice.compose(unique("Not everywhere"))
    await attach(alice, pictures)
    section = await own_files(alice, 1)
    await section.get_by_label("Show image 2").uncheck()
    await previewed(alice, 0, "Red", "Green", "Blue")
    await previewed(alice, 1, "Red", "Blue")
    await expect(section.get_by_text("Left out here")).to_have_count(3)
    await expect(section.get_by_text("Left out here").nth(1)).to_be_visible()
    await expect(section.get_by_label("Description of image 2")).to_be_hidden()
    await section.get_by_label("Show image 2").check()
    await previewed(alice, 1, "Red", "Green", "Blue")
    await section.get_by_label("Show image 1").uncheck()
    await alice.press("Save draft")
    await alice.sees_status("Draft")

    await alice.page.get_by_role("link", name="Edit", exact=True).click()
    await expect(section.get_by_label("Show image 1")).not_to_be_checked()
    await previewed(alice, 1, "Green", "Blue")
    await alice.press("Publish now")
    await alice.sees_status("Published")
    for link, names in zip(await alice.post_links(), (["Red", "Green", "Blue"], ["Green", "Blue"]), strict=True):
        await alice.page.goto(link)
        for name in COLOURS:
            await expect(alice.page.get_by_role("img", name=name)).to_have_count(int(name in names))


async def test_an_accounts_order_is_its_own_and_goes_back_to_the_posts(alice: Visitor, pictures: list[str]) -> None:
    await alice.compose("One other order")
    await attach(alice, pictures)
    section = await own_files(alice, 1)
    await section.get_by_role("button", name="Move image 1 later").click()
    await previewed(alice, 0, "Red", "Green", "Blue")
    await previewed(alice, 1, "Green", "Red", "Blue")
    await section.get_by_role("button", name="Back to the post’s files").click()
    await expect(section.get_by_role("button", name="Choose files for this account")).to_be_visible()
    await previewed(alice, 1, "Red", "Green", "Blue")


@pytest.mark.parametrize("scripting", [True], indirect=True, ids=["with scripts"])
async def test_what_is_added_later_is_offered_to_an_account_with_its_own(alice: Visitor, pictures: list[str]) -> None:
    await alice.compose("One more")
    await attach(alice, pictures[:2])
    section = await own_files(alice, 1)
    await section.get_by_label("Show image 1").uncheck()
    await alice.page.get_by_label("Add images or videos").set_input_files(pictures[2])
    await expect(section.get_by_label("Show image 3")).not_to_be_checked()
    await expect(section.get_by_label("Show image 1")).not_to_be_checked()
    await section.get_by_label("Show image 3").check()
    await section.get_by_label("Description of image 3").fill("Blue at last")
    await previewed(alice, 1, "Green", "Blue at last")


# --- how it is cut ----------------------------------------------------------------------------------------------------


async def crop(alice: Visitor, shape: str) -> Locator:
    """The first image's choices, open, with ``shape`` chosen."""
    fit = alice.page.locator("#media-list .fit").first
    if not await fit.get_by_role("radio", name=shape, exact=True).is_visible():
        await fit.locator("summary").click()
    await fit.get_by_role("radio", name=shape, exact=True).check()
    return fit


async def keep_the_right(alice: Visitor, fit: Locator) -> None:
    """On the picture itself, or one of its nine fields."""
    if alice.scripting:
        await fit.locator("[data-points]").click(position={"x": 216, "y": 60})
    else:
        await fit.get_by_role("radio", name="Middle right").check()


async def test_a_crop_keeps_what_was_chosen_from_the_preview_to_the_network(alice: Visitor, pictures: list[str]) -> None:
    text = unique("Cropped")
    await alice.compose(text + " bell" * 200)
    await attach(alice, pictures[:1])
    fit = await crop(alice, "Square")
    await keep_the_right(alice, fit)
    picture = await shown(alice, 0)
    await expect(picture).to_have_attribute("viewBox", "320 0 320 320")
    await expect(fit.locator(".shade path")).to_have_attribute("d", "M0 0h640v320H0zM320 0h320v320h-320z")

    await alice.press("Publish now")  # too long: nothing that was chosen is lost
    await alice.reads_alert("too long")
    await expect(picture).to_have_attribute("viewBox", "320 0 320 320")
    await alice.write(text)
    await alice.press("Save draft")
    await alice.sees_status("Draft")
    await alice.page.get_by_role("link", name="Edit", exact=True).click()
    await expect(fit.locator("summary")).to_contain_text("1:1")
    await expect(picture).to_have_attribute("viewBox", "320 0 320 320")
    await alice.press("Publish now")
    await alice.sees_status("Published")
    for link in await alice.post_links():
        await alice.page.goto(link)
        sent = alice.page.get_by_role("img", name="Red")
        assert await size(sent) == [320, 320]


@pytest.mark.parametrize("scripting", [True], indirect=True, ids=["with scripts"])
async def test_any_point_of_the_picture_can_be_clicked(alice: Visitor, pictures: list[str]) -> None:
    await alice.compose("Here, exactly")
    await attach(alice, pictures[:1])
    fit = await crop(alice, "Square")
    await fit.locator("[data-points]").click(position={"x": 150, "y": 60})
    await expect(await shown(alice, 0)).to_have_attribute("viewBox", "240 0 320 320")
    await fit.get_by_role("radio", name="Middle centre").press("ArrowRight")
    await expect(await shown(alice, 0)).to_have_attribute("viewBox", "320 0 320 320")
    await fit.get_by_role("radio", name="The middle").check()
    await expect(await shown(alice, 0)).to_have_attribute("viewBox", "160 0 320 320")


@pytest.mark.parametrize("scripting", [True], indirect=True, ids=["with scripts"])
async def test_back_after_an_error_leads_to_all_that_was_chosen(alice: Visitor, pictures: list[str]) -> None:
    text = unique("Too long") + "\nbell" * 200
    await alice.compose(text)
    await attach(alice, pictures[:2])
    await alice.press("Move image 1 later")
    section = await own_files(alice, 1)
    await section.get_by_label("Show image 1").uncheck()
    fit = await crop(alice, "Square")
    await alice.press("Publish now")
    await alice.reads_alert("too long")
    await alice.page.go_back()
    await expect(described(alice)).to_have_count(2)
    await alice.reads_own_text(text)
    await expect(alice.page.get_by_role("alert")).to_have_count(0)
    assert await order(alice) == ["Green", "Red"]
    await expect(section.get_by_label("Show image 1")).not_to_be_checked()
    await expect(fit.locator("summary")).to_contain_text("1:1")

    await alice.page.goto("/posts")
    await alice.page.goto("/compose")
    await expect(described(alice)).to_have_count(0)


async def test_a_film_is_trimmed_and_played_as_it_will_be_seen(alice: Visitor, tmp_path: Path) -> None:
    await alice.compose(unique("Half of it"))
    await alice.page.get_by_label("Add images or videos").set_input_files(film(tmp_path / "bell.mp4", seconds=2))
    if not alice.scripting:
        await alice.press("Upload the chosen files")
    fit = alice.page.locator("#media-list .fit")
    await fit.locator("summary").click()
    await fit.get_by_label("From").fill("1.5")
    await fit.get_by_label("To", exact=True).fill("1")
    await alice.press("Save draft")
    await alice.reads_alert("The end must come after the beginning.")
    await expect(fit.get_by_label("From")).to_have_value("1.5")
    await fit.get_by_label("To", exact=True).fill("1.75")
    await alice.look()
    mastodon = alice.previews().nth(1)
    await expect(mastodon.locator("video")).to_have_attribute("src", re.compile(r"#t=1\.5,1\.75$"))
    await expect(mastodon.get_by_text("▶ 1.5–1.75 s")).to_be_visible()
    if not await fit.get_by_role("radio", name="Square").is_visible():
        await fit.locator("summary").click()
    await fit.get_by_role("radio", name="Square").check()
    await alice.look()
    await expect(mastodon.locator("figure > .framed")).to_have_attribute("viewBox", "70 0 180 180")
    await alice.press("Save draft")
    await alice.sees_status("Draft")
    await alice.page.get_by_role("link", name="Edit", exact=True).click()
    await expect(fit.locator("summary")).to_contain_text("1:1, 1.5–1.75 s")


async def size(picture: Locator) -> list[int]:
    """Of the file itself, in pixels."""
    answer = await picture.page.request.get(await picture.evaluate("image => image.src"))
    with Image.open(BytesIO(await answer.body())) as image:
        return list(image.size)


async def test_a_border_has_the_chosen_colour_and_only_on_its_account(alice: Visitor, pictures: list[str]) -> None:
    await alice.compose(unique("With a border"))
    await attach(alice, pictures[:1])
    section = await own_files(alice, 1)
    fit = section.locator(".fit").first
    await fit.locator("summary").click()
    await expect(fit.get_by_label("Colour of the border")).to_be_hidden()
    await fit.get_by_role("radio", name="4:5").check()
    await fit.get_by_role("radio", name="Add a border").check()
    await fit.get_by_label("Colour of the border").fill("#1a6e6e")
    await expect(fit.locator("[data-points]")).to_be_hidden()
    drawn = await shown(alice, 1)
    await expect(drawn.locator("rect")).to_have_attribute("fill", "#1a6e6e")
    await expect(drawn).to_have_attribute("viewBox", "0 0 640 800")
    await expect(await shown(alice, 0)).to_have_js_property("tagName", "IMG")


@pytest.mark.parametrize("scripting", [True], indirect=True, ids=["with scripts"])
async def test_the_choices_say_what_they_are_when_they_are_folded(alice: Visitor, pictures: list[str]) -> None:
    await alice.compose("Folded")
    await attach(alice, pictures[:1])
    fit = await crop(alice, "16:9")
    await expect(fit.get_by_role("radio", name="Crop")).to_be_checked()
    await expect(fit.locator("summary")).to_contain_text("16:9")
    await fit.get_by_role("radio", name="Add a border").check()
    await expect(fit.locator("summary")).to_contain_text("16:9, with border")
    await fit.get_by_role("radio", name="As it is").check()
    await expect(fit.get_by_role("radio", name="Ask me")).to_be_visible()


async def test_no_choice_is_wider_than_a_small_phone(alice: Visitor, pictures: list[str]) -> None:
    await alice.page.set_viewport_size({"width": 360, "height": 740})
    await alice.compose("On a phone")
    await attach(alice, pictures)
    await crop(alice, "1.91:1")
    section = await own_files(alice, 1)
    await section.locator(".fit summary").first.click()
    width = await alice.page.locator("html").evaluate("html => html.scrollWidth")
    assert width <= 360
