"""Who comes in, who does not, and what protects the browser."""

import re
from collections.abc import Iterator

import httpx
import pytest
from playwright.async_api import Browser, BrowserContext, StorageState, expect

from tests.e2e.visitor import ALICE, SETUP_TOKEN, Visitor
from tests.servers.process import Server

OWNER = {
    "name": ALICE.name,
    "email": ALICE.email,
    "password": ALICE.password,
    "workspace_name": ALICE.workspace,
    "zone": "UTC",
}


@pytest.fixture
def client(installation: Server, signed_in: StorageState) -> Iterator[httpx.Client]:
    """A stranger without a browser."""
    with httpx.Client(base_url=installation.url) as made:
        yield made


def token_of(client: httpx.Client, address: str) -> str:
    """What a form on the page at ``address`` would send along."""
    found = re.search('name="_csrf_token" value="([0-9a-f]+)"', client.get(address).text)
    assert found, "the page has no form"
    return found[1]


async def test_the_right_password_leads_to_the_page_that_was_asked_for(
    browser: Browser, installation: Server, signed_in: StorageState, scripting: bool
) -> None:
    context = await browser.new_context(base_url=installation.url, java_script_enabled=scripting)
    visitor = Visitor(await context.new_page(), scripting=scripting)
    await visitor.page.goto("/posts?status=drafts")
    await expect(visitor.page).to_have_url(re.compile("/sign-in"))

    await visitor.sign_in(ALICE.email, "not the password")
    await expect(visitor.page.get_by_role("alert")).to_have_text("E-mail or password is wrong.")
    await expect(visitor.page.get_by_label("E-mail")).to_have_value(ALICE.email)
    await expect(visitor.page.get_by_label("Password")).to_have_value("")

    await visitor.sign_in(ALICE.email, ALICE.password)
    await expect(visitor.page).to_have_url(re.compile(r"/posts\?status=drafts$"))
    await visitor.page.get_by_label("Your account").click()
    await visitor.press("Sign out")
    await visitor.page.goto("/posts")
    await expect(visitor.page).to_have_url(re.compile("/sign-in"))
    await context.close()


def test_a_form_without_its_token_is_refused(client: httpx.Client) -> None:
    client.get("/sign-in")
    answer = client.post("/sign-in", data={"email": ALICE.email, "password": ALICE.password})
    assert answer.status_code == 403
    assert "out of date" in answer.text


def test_a_link_from_elsewhere_does_not_lead_out_after_signing_in(client: httpx.Client) -> None:
    form = {"_csrf_token": token_of(client, "/sign-in"), "email": ALICE.email, "password": ALICE.password}
    for outside in ("https://evil.example", "//evil.example", "/\\evil.example"):
        assert client.post("/sign-in", data={**form, "next": outside}).headers["location"] == "/"


def test_the_session_cookie_is_out_of_reach_for_scripts(client: httpx.Client) -> None:
    form = {"_csrf_token": token_of(client, "/sign-in"), "email": ALICE.email, "password": ALICE.password}
    cookie = client.post("/sign-in", data=form).headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "samesite=lax" in cookie.lower()
    assert "secure" not in cookie.lower(), "over plain http a Secure cookie would never come back"


def test_behind_https_every_cookie_is_secure(client: httpx.Client) -> None:
    behind_https = {"X-Forwarded-Proto": "https"}
    assert client.get("/sign-in", headers=behind_https).headers["set-cookie"].endswith("; Secure")


def test_pages_forbid_inline_code_and_frames(client: httpx.Client) -> None:
    headers = client.get("/sign-in").headers
    policy = headers["content-security-policy"]
    assert "script-src 'self'" in policy
    assert "style-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"


def test_static_files_are_kept_by_browsers_and_carry_no_cookie(client: httpx.Client) -> None:
    addresses = set(re.findall('(?:href|src)="(/static/[^"]+)"', client.get("/sign-in").text))
    assert any("htmx" in address for address in addresses)
    with httpx.Client(base_url=client.base_url) as stranger:
        for address in addresses:
            answer = stranger.get(address)
            assert answer.status_code == 200
            assert "immutable" in answer.headers["cache-control"]
            assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("address", ["/", "/posts", "/accounts", "/compose", "/posts/1", "/posts/1/status"])
def test_strangers_are_sent_to_the_sign_in_page(client: httpx.Client, address: str) -> None:
    answer = client.get(address)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/sign-in")


@pytest.mark.parametrize(
    "address", ["/posts/1", f"/posts/{'0' * 28}", f"/posts/{'0' * 24}", "/nowhere", "/media/1?until=1&sig=x"]
)
async def test_what_does_not_exist_is_a_page_that_says_so(alice: Visitor, context: BrowserContext, address: str) -> None:
    answer = await context.request.get(address)
    assert answer.status == 404
    assert "There is nothing here" in await answer.text()


def test_health_is_plain_for_machines(client: httpx.Client) -> None:
    answer = client.get("/healthz")
    assert answer.status_code == 200
    assert set(answer.json().values()) == {"ok"}
    assert "set-cookie" not in answer.headers


def test_only_the_token_from_the_log_opens_the_set_up(fresh: Server) -> None:
    with httpx.Client(base_url=fresh.url) as client:
        form = {"_csrf_token": token_of(client, "/setup"), **OWNER}
        assert client.post("/setup", data=form).status_code == 422
        refused = client.post("/setup", data={**form, "token": "a guess"})
        assert refused.status_code == 422
        assert "This is not the token." in refused.text
        assert ALICE.email in refused.text, "what was typed is kept"
        assert ALICE.password not in refused.text
        assert f'value="{SETUP_TOKEN}"' in client.get(f"/setup?token={SETUP_TOKEN}").text
        assert client.post("/setup", data={**form, "token": SETUP_TOKEN}).headers["location"] == "/accounts"
        assert client.get("/setup").headers["location"] == "/sign-in"


def test_guessing_passwords_is_slowed_down(fresh: Server) -> None:
    with httpx.Client(base_url=fresh.url) as client:
        client.post("/setup", data={"_csrf_token": token_of(client, "/setup"), "token": SETUP_TOKEN, **OWNER})
        client.cookies.clear()
        form = {"_csrf_token": token_of(client, "/sign-in"), "email": ALICE.email, "password": "a guess"}
        statuses = [client.post("/sign-in", data=form).status_code for _ in range(11)]
    assert statuses == [422] * 10 + [429]
