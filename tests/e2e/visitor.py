"""What a person does in the browser, in words."""

import re
from dataclasses import dataclass
from datetime import datetime

from playwright.async_api import ConsoleMessage, Error, Locator, Page, expect

PATIENCE = 30_000
"""Milliseconds until a page must show what is promised; without scripts it renews itself only every five seconds."""
EXPECTED = ("Failed to load resource: the server responded with a status of 4", "htmx:sendAbort", "htmx:afterRequest")
"""What Chromium logs for every 422, and htmx for a preview that is overtaken by the next page."""


@dataclass(frozen=True)
class Person:
    name: str
    email: str
    password: str
    workspace: str


SETUP_TOKEN = "the-token-from-the-log"

ALICE = Person("Alice Bell", "alice@example.org", "correct horse battery", "Bell & Co")


class Visitor:
    """One person at one browser page."""

    def __init__(self, page: Page, *, scripting: bool) -> None:
        self.page = page
        self.scripting = scripting
        self.complaints: list[str] = []
        page.on("console", self._listen)
        page.on("pageerror", self._fail)

    def _listen(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not message.text.startswith(EXPECTED):
            self.complaints.append(message.text)

    def _fail(self, error: Error) -> None:
        self.complaints.append(str(error))

    # --- arriving

    async def set_up(self, person: Person, link: str = f"/setup?token={SETUP_TOKEN}") -> None:
        """Open the printed link and become the owner."""
        page = self.page
        await page.goto(link)
        await page.get_by_label("Your name").fill(person.name)
        await page.get_by_label("E-mail").fill(person.email)
        await page.get_by_label("Password").fill(person.password)
        await page.get_by_label("Name of your workspace").fill(person.workspace)
        await self.press("Create workspace")
        await expect(page).to_have_url(re.compile("/accounts$"))

    async def sign_in(self, email: str, password: str) -> None:
        await self.page.get_by_label("E-mail").fill(email)
        await self.page.get_by_label("Password").fill(password)
        await self.press("Sign in")

    async def connect_sandbox(self) -> None:
        await self.page.goto("/accounts")
        await self.press("Try it with sandbox networks")
        await expect(self.page.get_by_text("The sandbox networks are connected")).to_be_visible()

    # --- writing

    async def compose(self, text: str, *, accounts: int | None = None) -> None:
        """Open the composer, choose the first ``accounts`` (all of them by default) and write."""
        await self.page.goto("/compose")
        chips = await self.page.get_by_role("checkbox").all()
        for chip in chips[:accounts]:
            await chip.check()
        await self.page.get_by_label("Text", exact=True).fill(text)

    async def edit(self, post: str) -> None:
        """Open the composer with the post at the address ``post``."""
        await self.page.goto(f"{post}/edit")

    async def write(self, text: str) -> None:
        """Replace the text."""
        await self.page.get_by_label("Text", exact=True).fill(text)

    async def look(self) -> None:
        """See the preview: it follows by itself, or a button brings it."""
        if not self.scripting:
            async with self.page.expect_navigation():
                await self.press("Update preview")

    def previews(self) -> Locator:
        return self.page.locator("#preview").get_by_role("article")

    async def attach(self, path: str) -> None:
        await self.page.get_by_label("Add images or videos").set_input_files(path)
        if not self.scripting:
            await self.press("Upload the chosen files")
        await expect(self.page.get_by_label("Description of image 1")).to_be_visible()

    async def plan(self, at: datetime) -> None:
        """Choose date, time and UTC, wherever the page asks for them."""
        await self.page.get_by_label("Date").fill(f"{at:%Y-%m-%d}")
        await self.page.get_by_label("Time", exact=True).fill(f"{at:%H:%M}")
        await self.page.get_by_label("Time zone").select_option("UTC")

    async def press(self, name: str) -> None:
        await self.page.get_by_role("button", name=name, exact=True).click()

    async def unfold(self, name: str) -> None:
        """Open what is folded behind ``name``."""
        await self.page.locator("summary", has_text=name).click()

    # --- watching

    async def sees_status(self, status: str) -> None:
        """The post's own status, sooner or later, without reloading."""
        await expect(self.page.locator(".status-head .pill")).to_have_text(status, timeout=PATIENCE)

    async def reads_alert(self, words: str) -> None:
        """What the page says first."""
        await expect(self.page.get_by_role("alert")).to_contain_text(words)

    async def reads_own_text(self, text: str) -> None:
        """What was typed is still there."""
        await expect(self.page.get_by_label("Text", exact=True)).to_have_value(text)

    async def post_links(self) -> list[str]:
        """Addresses of the published posts."""
        links = await self.page.get_by_role("link", name=re.compile("^View on ")).all()
        return [await link.get_attribute("href") or "" for link in links]
