"""How much goes over the wire: pages and static files are compressed, and what does not change is not sent twice."""

import gzip
import re

import httpx
import pytest

from app.services.media import files
from tests.integration.services.test_forms import token
from tests.integration.services.world import World

FOR_EVER = "public, max-age=31536000, immutable"


async def raw(client: httpx.AsyncClient, path: str, **headers: str) -> tuple[httpx.Response, bytes]:
    """The answer and its body as it went over the wire."""
    async with client.stream("GET", path, headers={"Accept-Encoding": "gzip, br", **headers}) as answer:
        return answer, b"".join([piece async for piece in answer.aiter_raw()])


async def addresses(client: httpx.AsyncClient, page: str = "/sign-in") -> set[str]:
    """What every page loads."""
    found = set(re.findall('(?:href|src)="(/static/[^"]+)"', (await client.get(page)).text))
    assert len(found) >= 6
    return found


async def test_a_page_is_compressed(alice: httpx.AsyncClient) -> None:
    answer, body = await raw(alice, "/compose")
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["vary"] == "Accept-Encoding"
    assert int(answer.headers["content-length"]) == len(body)
    plain = gzip.decompress(body)
    assert b"</html>" in plain
    assert len(body) < len(plain) / 2.5


async def test_a_preview_is_compressed(alice: httpx.AsyncClient, world: World) -> None:
    form = {"_csrf_token": await token(alice), "text": "Ring " * 40, "account": [str(one.id) for one in world.accounts.values()]}
    answer = await alice.post("/compose/preview", data=form)
    assert answer.headers["content-encoding"] == "gzip"
    assert "Ring Ring" in answer.text


@pytest.mark.parametrize("accepted", ["identity", "", "br", "gzip;q=0", "gzip; q=0.0, identity"])
async def test_who_does_not_want_gzip_does_not_get_it(alice: httpx.AsyncClient, accepted: str) -> None:
    for path in ("/compose", *await addresses(alice, "/compose")):
        answer, body = await raw(alice, path, **{"Accept-Encoding": accepted})
        assert "content-encoding" not in answer.headers
        assert answer.headers["vary"] == "Accept-Encoding"
        assert int(answer.headers["content-length"]) == len(body)


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_what_another_site_asked_for_tells_nothing_by_its_length(alice: httpx.AsyncClient, site: str) -> None:
    answer, _ = await raw(alice, "/compose", **{"Sec-Fetch-Site": site})
    assert "content-encoding" not in answer.headers


async def test_pictures_and_small_answers_are_left_as_they_are(alice: httpx.AsyncClient, world: World) -> None:
    file = await files.get(world.workspace, (await world.picture()).media_id)
    for path in (files.url(file), "/healthz"):
        answer, _ = await raw(alice, path)
        assert answer.status_code == 200
        assert "content-encoding" not in answer.headers


async def test_static_files_are_small_and_kept_for_ever_under_their_hash(browser: httpx.AsyncClient) -> None:
    for address in await addresses(browser):
        answer, body = await raw(browser, address)
        assert (answer.status_code, answer.headers["cache-control"]) == (200, FOR_EVER)
        assert "set-cookie" not in answer.headers
        assert answer.headers["content-type"].split(";")[0] in ("text/css", "text/javascript", "image/svg+xml")
        plain = (await browser.get(address, headers={"Accept-Encoding": "identity"})).content
        assert len(body) <= len(plain)
        if len(plain) > 1000:
            assert gzip.decompress(body) == plain


@pytest.mark.parametrize("query", ["", "?v=0123456789ab", "?v=", "?v=%FF", "?w=1"])
async def test_under_another_hash_or_none_they_are_kept_for_a_moment(browser: httpx.AsyncClient, query: str) -> None:
    for address in await addresses(browser):
        answer, _ = await raw(browser, address.partition("?")[0] + query)
        assert (answer.status_code, answer.headers["cache-control"]) == (200, "public, max-age=60")


async def test_what_a_browser_has_already_is_not_sent_again(browser: httpx.AsyncClient) -> None:
    for address in await addresses(browser):
        tags = set()
        for accepted in ("gzip", "identity"):
            answer, _ = await raw(browser, address, **{"Accept-Encoding": accepted})
            tags.add((answer.headers["etag"], answer.headers.get("content-encoding")))
            tag = f'"other", W/{answer.headers["etag"]}'
            again, body = await raw(browser, address, **{"Accept-Encoding": accepted, "If-None-Match": tag})
            assert (again.status_code, body, again.headers["etag"]) == (304, b"", answer.headers["etag"])
        assert len({tag for tag, _ in tags}) == len(tags), "a tag names one form of a file"
        changed, _ = await raw(browser, address, **{"If-None-Match": '"other"'})
        assert changed.status_code == 200


@pytest.mark.parametrize(
    "path", ["/static/none.css", "/static/../asgi.py", "/static/%2e%2e/asgi.py", "/static/", "/static/vendor"]
)
async def test_there_are_no_other_files(browser: httpx.AsyncClient, path: str) -> None:
    assert (await browser.get(path)).status_code == 404


async def test_a_head_says_what_a_get_would_send(browser: httpx.AsyncClient) -> None:
    for address in await addresses(browser):
        got, body = await raw(browser, address)
        head = await browser.head(address, headers={"Accept-Encoding": "gzip"})
        assert head.headers["content-length"] == str(len(body))
        assert head.headers["etag"] == got.headers["etag"]
