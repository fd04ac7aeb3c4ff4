"""Pictures from web addresses: seen on their way, waited for, taken back, and explained when they are none."""

import io
import re
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from PIL import Image
from playwright.async_api import expect

from tests.e2e.visitor import PATIENCE, Visitor


@dataclass
class Source:
    """Somebody's server. It sends the second half of a file when ``whole`` is set."""

    url: str
    whole: threading.Event = field(default_factory=threading.Event)


@pytest.fixture
def source() -> Iterator[Source]:
    picture = io.BytesIO()
    Image.effect_noise((320, 240), 90).save(picture, "PNG")
    there = {"/bell.png": picture.getvalue(), "/wrong.png": b"no picture at all"}
    found: list[Source] = []

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with suppress(ConnectionError):  # taken back
                self.answer()

        def answer(self) -> None:
            body = there[self.path]
            half = len(body) // 2
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[:half])
            while not found[0].whole.wait(timeout=1) and half < len(body) - 100:  # a sign of life, as slow servers give
                self.wfile.write(body[half : half + 1])
                half += 1
            self.wfile.write(body[half:])

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server calls it so
            """Not into the tests' output."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    found.append(Source(f"http://127.0.0.1:{server.server_port}"))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield found[0]
    found[0].whole.set()
    server.shutdown()


async def fetch(alice: Visitor, address: str) -> None:
    await alice.page.get_by_text("From a web address").click()
    await alice.page.get_by_label("Address of the file").fill(address)
    await alice.press("Fetch it")


async def test_a_picture_is_seen_on_its_way_and_is_attached(alice: Visitor, source: Source) -> None:
    await alice.compose("From somewhere else")
    await fetch(alice, f"{source.url}/bell.png")
    row = alice.page.get_by_role("group", name="bell.png")
    await expect(row.get_by_role("progressbar", name="bell.png")).to_be_visible()
    if alice.scripting:
        await expect(row).to_contain_text(re.compile("[45]. % of"), timeout=PATIENCE)
    await alice.press("Publish now")
    await expect(alice.page.get_by_role("alert").filter(has_text="has not arrived yet")).to_be_visible()
    source.whole.set()
    described = alice.page.get_by_label("Description of image 1")
    if alice.scripting:
        await expect(described).to_be_visible(timeout=PATIENCE)
        await expect(alice.page.locator("#preview img").first).to_be_visible()
    while not await described.count():
        await alice.press("See how far it is")
    await expect(row).to_have_count(0)
    await described.fill("A bell")
    await alice.press("Publish now")
    await alice.sees_status("Published")
    await expect(alice.page.locator("#written img")).to_have_count(1)


async def test_what_is_no_picture_says_so_and_goes(alice: Visitor, source: Source) -> None:
    source.whole.set()
    await alice.compose("Without it")
    await fetch(alice, f"{source.url}/wrong.png")
    failed = alice.page.get_by_role("alert").filter(has_text="no picture or video we can read")
    if alice.scripting:
        await expect(failed).to_be_visible(timeout=PATIENCE)
    while not await failed.count():
        await alice.press("See how far it is")
    await alice.page.get_by_role("group", name="wrong.png").get_by_role("button", name="Remove").click()
    await expect(alice.page.get_by_role("group", name="wrong.png")).to_have_count(0)
    await alice.press("Publish now")
    await alice.sees_status("Published")


async def test_one_on_its_way_is_taken_back(alice: Visitor, source: Source) -> None:
    await alice.compose("Better not")
    await fetch(alice, f"{source.url}/bell.png")
    row = alice.page.get_by_role("group", name="bell.png")
    await row.get_by_role("button", name="Cancel").click()
    await expect(row).to_have_count(0)
    await alice.press("Publish now")
    await alice.sees_status("Published")
    await expect(alice.page.locator("#written img")).to_have_count(0)


async def test_what_is_no_address_is_told_beside_the_field(alice: Visitor) -> None:
    await alice.compose("A slip")
    await fetch(alice, "bell.png")
    await expect(alice.page.locator("#error-address")).to_contain_text("Give the whole address")
    await expect(alice.page.get_by_label("Address of the file")).to_have_value("bell.png")
