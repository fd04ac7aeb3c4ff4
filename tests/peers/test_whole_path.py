"""The main job in a browser against other people's servers on this machine: a real PDS, and one that speaks Mastodon's API."""

import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from PIL import Image
from playwright.async_api import Page, async_playwright, expect

from tests.e2e.conftest import start_installation
from tests.e2e.visitor import ALICE, Visitor
from tests.peers.conftest import Pds, Person
from tests.servers import sandbox
from tests.servers.process import Server


@pytest.fixture
def mastodon(tmp_path: Path) -> Iterator[Server]:
    """A server of its own on its own port, connected like any other: over OAuth, with a registration."""
    server = sandbox.start(tmp_path)
    yield server
    server.stop()


@pytest.fixture
async def page(tmp_path: Path, chromium: str) -> AsyncIterator[Page]:
    server = start_installation(tmp_path, {"CARILLON_ALLOW_PRIVATE_HOSTS": "1"})
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium)
        yield await browser.new_page(base_url=server.url)
        await browser.close()
    server.stop()


async def test_connect_compose_and_publish_to_both(
    page: Page, pds: Pds, person: Person, mastodon: Server, tmp_path: Path
) -> None:
    alice = Visitor(page, scripting=True)
    await alice.set_up(ALICE)
    await _connect_password(page, pds, person)
    await _connect_oauth(page, mastodon)
    picture = tmp_path / "bell.png"
    Image.new("RGB", (640, 480), "goldenrod").save(picture)

    await alice.compose("Rung by hand: café ☕ https://example.org/bells #bells")
    await alice.attach(str(picture))
    await page.get_by_label("Description of image 1").fill("A golden bell")
    await alice.press("Publish now")
    await alice.sees_status("Published")

    record = await _only_record(pds, person)
    assert record["text"] == "Rung by hand: café ☕ https://example.org/bells #bells"
    assert [facet["features"][0]["$type"].rpartition("#")[2] for facet in record["facets"]] == ["link", "tag"]
    assert record["embed"]["images"][0]["alt"] == "A golden bell"
    (status,) = httpx.get(f"{mastodon.url}/api/posts").json()
    assert (status["text"], status["media"]) == (record["text"], 1)
    links = await alice.post_links()
    assert links[0].startswith(f"https://bsky.app/profile/{person.did}/post/")
    assert links[1] == status["url"]


async def _connect_password(page: Page, pds: Pds, person: Person) -> None:
    await page.goto("/accounts/connect/bluesky")
    await page.get_by_label("Handle").fill(person.handle)
    await page.get_by_label("App password").fill(person.password)
    await page.get_by_label("Server").fill(pds.url)
    await page.get_by_role("button", name="Connect").click()
    await expect(page.get_by_text(f"@{person.handle}").first).to_be_visible()


async def _connect_oauth(page: Page, mastodon: Server) -> None:
    await page.goto("/accounts/connect/mastodon")
    await page.get_by_label("Server").fill(f"{mastodon.url}/mastodon")
    await page.get_by_role("button", name="Continue to Mastodon").click()
    await page.get_by_role("button", name="Allow").click()
    await expect(page).to_have_url(re.compile("/accounts"))
    await expect(page.get_by_text("@you@").first).to_be_visible()


async def _only_record(pds: Pds, person: Person) -> dict[str, object]:
    query = {"repo": person.did, "collection": "app.bsky.feed.post"}
    async with httpx.AsyncClient(base_url=pds.url) as client:
        found = (await client.get("/xrpc/com.atproto.repo.listRecords", params=query)).json()["records"]
    assert len(found) == 1
    record: dict[str, object] = found[0]["value"]
    return record
