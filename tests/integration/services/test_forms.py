"""Forms that no browser would send: whatever comes, the answer is one of ours, and nothing breaks."""

import re
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.models import Post
from app.routes.bodies import MAX_FIELDS
from tests.integration.services.world import World

NOWHERE = 28 * "0"
FORMS = {
    "/compose": ["text", "account", "language", "date", "time", "zone", "action", "nonce", "media", "images"],
    "/compose/preview": ["text", "account", "language", "zone", "media"],
    "/accounts/connect/bluesky": ["server", "handle", "password"],
    "/accounts/connect/mastodon": ["server"],
    "/workspace": ["name", "zone", "late_policy", "late_after", "keep_files", "alt_required"],
    "/sign-in": ["email", "password", "next"],
    "/setup": ["email", "name", "password", "workspace_name", "zone", "token"],
    f"/posts/{NOWHERE}/reschedule": ["date", "time", "zone"],
    f"/library/{NOWHERE}": ["name", "alt", "folder"],
    f"/library/{NOWHERE}/captions": ["language"],
    f"/posts/{NOWHERE}/edit": ["text", "account", "action"],
    f"/posts/{NOWHERE}/deliveries/{NOWHERE}/confirm": ["url"],
}
BOUNDARY = "frontier"
MULTIPART = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}


async def token(client: httpx.AsyncClient) -> str:
    """What the forms of this browser carry."""
    await client.get("/sign-in")
    return next(value for name, value in client.cookies.items() if name.startswith("carillon_csrf"))


def part(name: str, content: bytes, more: str = "", charset: str = "") -> bytes:
    """One field as a browser writes it; ``more`` makes it a file, ``charset`` is what no browser says."""
    head = f'Content-Disposition: form-data; name="{name}"{more}\r\n'
    kind = f"Content-Type: text/plain; charset={charset}\r\n" if charset else ""
    return f"--{BOUNDARY}\r\n{head}{kind}\r\n".encode() + content + b"\r\n"


async def send(
    client: httpx.AsyncClient, path: str, *parts: bytes, end: bytes = f"--{BOUNDARY}--\r\n".encode()
) -> httpx.Response:
    body = part("_csrf_token", (await token(client)).encode()) + b"".join(parts) + end
    return await client.post(path, content=body, headers=MULTIPART)


@pytest.mark.parametrize(("path", "name"), [(path, name) for path, names in FORMS.items() for name in names if name != "images"])
async def test_a_file_where_a_text_belongs_is_refused_in_words(alice: httpx.AsyncClient, path: str, name: str) -> None:
    answer = await send(alice, path, part(name, b"hello", '; filename="a.txt"'))
    assert answer.status_code == 422
    assert "file where a text belongs" in answer.text


async def test_a_text_where_a_file_belongs_is_no_file(alice: httpx.AsyncClient) -> None:
    answer = await send(alice, "/compose", part("images", b"bell.png"), part("text", b"Ring"), part("action", b"draft"))
    assert answer.status_code == 303


@pytest.mark.parametrize(
    "end", [b"", b"--frontier", b"--frontier\r\n\r\nx", b"--frontier\r\nContent-Disposition: form-data\r\n\r\n"]
)
@pytest.mark.parametrize("path", ["/compose", "/sign-in", "/workspace"])
async def test_half_a_form_is_none(alice: httpx.AsyncClient, path: str, end: bytes) -> None:
    assert (await send(alice, path, part("text", b"Ring"), end=end)).status_code == 400


@pytest.mark.parametrize("kind", ["", "; boundary=", '; boundary=""', "; boundary=ä"])
async def test_a_form_without_a_frontier_is_none(alice: httpx.AsyncClient, kind: str) -> None:
    headers = {"Content-Type": f"multipart/form-data{kind}".encode()}
    answer = await alice.post("/sign-in", content=b"--\r\n", headers=headers)  # type: ignore[arg-type]
    assert answer.status_code == 400


@pytest.mark.parametrize("charset", ["utf-16", "punycode", "hex", "no-such-charset", "unicode_escape"])
async def test_text_is_utf_8_whatever_a_part_says(alice: httpx.AsyncClient, world: World, charset: str) -> None:
    answer = await send(alice, "/compose", part("text", r"B\ud800ä".encode(), charset=charset), part("action", b"draft"))
    assert answer.status_code == 303
    assert [post.text for post in await Post.find({}).to_list()] == [r"B\ud800ä"]


@pytest.mark.parametrize("text", [b"\xff\xfe", b"\xed\xa0\x80"])
async def test_what_is_no_utf_8_is_refused(alice: httpx.AsyncClient, text: bytes) -> None:
    assert (await send(alice, "/compose", part("text", text), part("action", b"draft"))).status_code == 400


@pytest.mark.parametrize("text", ["Ring%00 it", "Ring%ED%A0%80", "%FF%FE"])
async def test_what_a_form_encodes_is_text_in_any_case(alice: httpx.AsyncClient, world: World, text: str) -> None:
    body = f"_csrf_token={await token(alice)}&action=draft&text={text}"
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = await alice.post("/compose", content=body, headers=headers)
    assert answer.status_code == 303
    assert all("\0" not in post.text for post in await Post.find({}).to_list())


@pytest.mark.parametrize("encoded", [True, False], ids=["form-encoded", "multipart"])
async def test_a_form_with_thousands_of_fields_is_refused(alice: httpx.AsyncClient, encoded: bool) -> None:
    if encoded:
        many = {"_csrf_token": await token(alice), "account": ["x"] * MAX_FIELDS}
        assert (await alice.post("/compose", data=many)).status_code == 400
    else:
        assert (await send(alice, "/compose", *[part("account", b"x")] * MAX_FIELDS)).status_code == 400


@pytest.mark.parametrize("how", ["field", "header", "cookie"])
async def test_a_token_in_strange_letters_is_not_the_token(alice: httpx.AsyncClient, how: str) -> None:
    good = await token(alice)
    bad = good[:64] + "ä" * 64
    headers: dict[str, Any] = {"X-CSRFToken": bad.encode()} if how == "header" else {}
    if how == "cookie":
        name = next(name for name in alice.cookies if name.startswith("carillon_csrf"))
        session = next(f"{key}={value}" for key, value in alice.cookies.items() if key.startswith("carillon_session"))
        alice.cookies.clear()
        headers["Cookie"] = f"{session}; {name}={quote(bad)}"
    answer = await alice.post("/workspace", data={"_csrf_token": bad if how == "field" else good}, headers=headers)
    assert answer.status_code == 403


async def test_forms_are_not_remembered(alice: httpx.AsyncClient) -> None:
    from litestar._parsers import parse_url_encoded_form_data

    before = parse_url_encoded_form_data.cache_info().currsize
    await alice.post("/sign-in", data={"_csrf_token": await token(alice), "email": "a@b.c", "password": "secret"})
    assert parse_url_encoded_form_data.cache_info().currsize == before


fields = st.tuples(
    st.sampled_from(sorted({name for names in FORMS.values() for name in names} | {"alt-", "text-", "option-x-y", "ä", ""})),
    st.one_of(
        st.binary(max_size=40), st.text(max_size=40).map(str.encode), st.sampled_from([b"now", b"draft", b"copy:x", b"9" * 5000])
    ),
    st.sampled_from(["", '; filename="a"', "; filename=", '; filename="\xff"', ";"]),
    st.sampled_from(["", "utf-7", "punycode", "\x00"]),
)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    path=st.sampled_from([path for path in FORMS if path not in ("/sign-in", "/setup")]),
    given_fields=st.lists(fields, max_size=6),
    cut=st.one_of(st.none(), st.integers(0, 400)),
    junk=st.binary(max_size=10),
)
async def test_whatever_comes_is_answered(
    alice: httpx.AsyncClient,
    path: str,
    given_fields: list[tuple[str, bytes, str, str]],
    cut: int | None,
    junk: bytes,
) -> None:
    body = part("_csrf_token", (await token(alice)).encode()) + b"".join(part(*field) for field in given_fields) + b"--frontier--"
    body = body if cut is None else body[:cut] + junk + body[cut:]
    answer = await alice.post(path, content=body, headers=MULTIPART)
    assert answer.status_code in (200, 303, 400, 403, 404, 413, 422), re.sub("<[^>]*>", " ", answer.text)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    path=st.sampled_from([path for path in FORMS if path not in ("/sign-in", "/setup")]),
    given_fields=st.lists(st.tuples(fields.map(lambda field: field[0]), st.binary(max_size=40)), max_size=6),
)
async def test_whatever_is_form_encoded_is_answered(
    alice: httpx.AsyncClient, path: str, given_fields: list[tuple[str, bytes]]
) -> None:
    pairs = [("_csrf_token", await token(alice)), *given_fields]
    body = "&".join(f"{quote(name)}={quote(value)}" for name, value in pairs)
    answer = await alice.post(path, content=body, headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert answer.status_code in (200, 303, 400, 403, 404, 422)
