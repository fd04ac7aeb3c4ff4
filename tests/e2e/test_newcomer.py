"""Five minutes, no accounts, no servers: from the first visit to the first post."""

import re

from playwright.async_api import Browser, expect

from tests.e2e.visitor import ALICE, Visitor
from tests.servers.process import Server


async def test_a_newcomer_sets_up_connects_the_sandbox_and_watches_the_first_post_go_out(
    browser: Browser, fresh: Server, scripting: bool
) -> None:
    printed = fresh.url.replace("127.0.0.1", "localhost")
    context = await browser.new_context(
        base_url=printed, java_script_enabled=scripting, timezone_id="Europe/Lisbon", reduced_motion="reduce"
    )
    newcomer = Visitor(await context.new_page(), scripting=scripting)
    await newcomer.page.goto("/")
    await expect(newcomer.page.get_by_label("Setup token")).to_be_visible()
    [link] = re.findall(r"http://localhost:\d+(/setup\?token=\S+)", fresh.log.read_text())
    await newcomer.set_up(ALICE, link)
    await newcomer.connect_sandbox()
    await newcomer.page.get_by_role("link", name="New post").click()

    await newcomer.compose("Ring out, wild bells! #carillon")
    await newcomer.look()
    await expect(newcomer.previews()).to_have_count(2)
    await expect(newcomer.previews().first).to_contain_text("Ring out, wild bells! #carillon")

    await newcomer.press("Publish now")
    if scripting:
        await newcomer.page.evaluate("window.loadedOnce = true")
    await newcomer.sees_status("Published")
    if scripting:
        assert await newcomer.page.evaluate("window.loadedOnce"), "the page was reloaded"

    links = await newcomer.post_links()
    assert len(links) == 2
    for link in links:
        await newcomer.page.goto(link)
        await expect(newcomer.page.get_by_text("Ring out, wild bells!")).to_be_visible()
    assert newcomer.complaints == []
    await context.close()


async def test_the_first_visit_knows_the_browsers_time_zone(browser: Browser, fresh: Server) -> None:
    context = await browser.new_context(base_url=fresh.url, timezone_id="Europe/Lisbon")
    page = await context.new_page()
    await page.goto("/")
    await expect(page.get_by_label("Time zone")).to_have_value("Europe/Lisbon")
    await context.close()
