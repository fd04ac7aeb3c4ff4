"""The sandbox as an application: under a prefix, across a restart, its judge, its faults and its pages."""

from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest
from litestar import Litestar, asgi

from platforms.sandbox.bluesky.facets import from_facets
from platforms.sandbox.faults import Faults, Kind, On
from platforms.sandbox.richtext import Piece, from_plain
from platforms.sandbox.server import create_sandbox
from platforms.sandbox.values import cid_of
from tests.unit.platforms.sandbox.conftest import PNG, Clock, Instance, Pds


def client(app: Any, base_url: str = "http://host.test:8000") -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=base_url)


# --- where it lives ---------------------------------------------------------------------------------------------------


async def test_under_a_prefix_every_address_it_gives_has_the_prefix() -> None:
    async with client(create_sandbox(base_path="/sandbox"), "http://host.test:8000/sandbox") as http:
        pds = Pds(http)
        await pds.sign_in()
        await pds.write()
        [post] = (await http.get("/api/posts")).json()
        assert post["url"] == f"http://host.test:8000/sandbox/bluesky/profile/{pds.did}/post/3mabcdefghi2k"
        page = await http.get(post["url"])
        assert 'href="/sandbox/style.css"' in page.text
        assert (await http.get("http://host.test:8000/sandbox/style.css")).status_code == 200


async def test_another_application_can_mount_it_and_take_the_prefix_off_itself() -> None:
    inner = create_sandbox(base_path="/sandbox")
    outer = Litestar([asgi("/sandbox", is_mount=True, copy_scope=True)(inner)], openapi_config=None)
    async with client(outer) as http:
        assert "Two make-believe networks" in (await http.get("/sandbox/")).text
        assert "Two make-believe networks" in (await http.get("/sandbox")).text
        assert (await http.get("/sandbox/api/posts")).json() == []


async def test_a_restart_with_a_file_keeps_posts_and_sign_ins(tmp_path: Path) -> None:
    async with client(create_sandbox(store=tmp_path / "sandbox.db")) as http:
        pds = Pds(http)
        await pds.sign_in()
        blob = await pds.upload()
        await pds.write(record={"embed": {"$type": "app.bsky.embed.images", "images": [{"alt": "Bell", "image": blob}]}})
        before = (await http.get("/api/posts")).json()
    async with client(create_sandbox(store=tmp_path / "sandbox.db")) as http:
        assert (await http.get("/api/posts")).json() == before
        pds.http = http
        assert (await pds.get("server.getSession")).json()["did"] == pds.did
        assert (await http.get(f"/media/{blob['ref']['$link']}")).content == PNG


# --- the judge --------------------------------------------------------------------------------------------------------


async def test_the_judge_lists_both_networks_in_the_order_of_acceptance(pds: Pds, instance: Instance, clock: Clock) -> None:
    await pds.write()
    clock.sleep(5)
    status = (await instance.publish(key="k")).json()
    first, second = (await pds.http.get("/api/posts")).json()
    assert (first["platform"], first["key"], first["account"]) == ("bluesky", "3mabcdefghi2k", "you.sandbox.test")
    assert (second["platform"], second["key"], second["account"]) == ("mastodon", "k", "you")
    assert (second["id"], second["url"]) == (status["id"], status["url"])
    assert second["accepted_at"] - first["accepted_at"] == 5


async def test_the_judge_knows_a_posts_files_by_their_content(instance: Instance) -> None:
    sent = [f"{number}. bell".encode() for number in range(2)]
    uploads = [(await instance.upload(PNG + data)).json()["id"] for data in sent]
    status = (await instance.publish(media_ids=uploads)).json()
    asked = {"platform": "mastodon", "id": status["id"]}
    cids = [cid_of(sha256(PNG + data).digest()) for data in sent]
    assert (await instance.http.get("/api/files", params=asked)).json() == cids
    assert (await instance.http.get("/api/files", params=asked | {"id": "1"})).json() == []


async def test_the_judge_knows_when_a_text_was_first_sent_and_what_it_was_answered(pds: Pds, clock: Clock) -> None:
    await pds.http.post("/api/faults", json={"platform": "bluesky", "kind": "error_500", "times": 1})
    at = clock.now
    await pds.write()
    clock.sleep(9)
    await pds.write()
    asked = (await pds.http.get("/api/requests")).json()
    assert asked["first"] == [{"platform": "bluesky", "at": at, "text": "Ding", "status": 500, "sent": 2}]
    assert asked["counters"]["bluesky"]["publish"] == 2


async def test_a_reset_forgets_posts_and_faults_but_nobody_is_signed_out(pds: Pds) -> None:
    await pds.write()
    await pds.http.post("/api/faults", json={"platform": "bluesky", "kind": "stall"})
    await pds.http.post("/api/reset")
    assert (await pds.http.get("/api/posts")).json() == []
    assert (await pds.http.get("/api/faults")).json() == []
    assert (await pds.write()).status_code == 200


# --- faults -----------------------------------------------------------------------------------------------------------


def test_a_fault_strikes_as_often_as_it_was_told_to() -> None:
    faults = Faults()
    faults.switch_on("bluesky", Kind.ERROR_500, times=2)
    struck = [faults.take("bluesky", "publish") is not None for _ in range(3)]
    assert struck == [True, True, False]
    assert [(fault.times, fault.hits) for fault in faults] == [(0, 2)]


@pytest.mark.parametrize(
    ("on", "struck"),
    [
        (On.PUBLISH, {"publish"}),
        (On.UPLOAD, {"upload"}),
        (On.READ, {"read"}),
        (On.ANY, {"publish", "upload", "read", "other"}),
    ],
)
def test_a_fault_strikes_only_the_requests_it_is_meant_for(on: On, struck: set[str]) -> None:
    faults = Faults()
    faults.switch_on("bluesky", Kind.ERROR_500, on=on)
    purposes = ("publish", "upload", "read", "other")
    assert {purpose for purpose in purposes if faults.take("bluesky", purpose)} == struck
    assert not any(faults.take("mastodon", purpose) for purpose in purposes)


def test_a_fault_for_one_account_leaves_the_others_alone() -> None:
    faults = Faults()
    faults.switch_on("bluesky", Kind.ERROR_500, account="did:web:alice")
    signed_by = ("did:web:alice", "did:web:bob", None)
    assert [account for account in signed_by if faults.take("bluesky", "publish", account)] == ["did:web:alice"]


async def test_one_accounts_token_can_run_out_alone(instance: Instance) -> None:
    fault = {"platform": "mastodon", "kind": "expired_token", "times": 1}
    await instance.http.post("/api/accounts", json={"platform": "mastodon", "handle": "bob"})
    await instance.http.post("/api/faults", json={**fault, "account": "bob"})
    assert (await instance.publish()).status_code == 200
    await instance.http.post("/api/faults", json={**fault, "account": "you"})
    assert (await instance.publish()).status_code == 401


async def test_a_rate_limit_is_told_in_the_words_of_the_network(pds: Pds, instance: Instance) -> None:
    for platform in ("bluesky", "mastodon"):
        await pds.http.post("/api/faults", json={"platform": platform, "kind": "rate_limited", "ms": 1500})
    blue, mast = await pds.write(), await instance.publish()
    assert (blue.status_code, blue.json()["error"], blue.headers["retry-after"]) == (429, "RateLimitExceeded", "2")
    assert (mast.status_code, mast.json()["error"], mast.headers["retry-after"]) == (429, "Too many requests", "2")
    assert blue.headers["ratelimit-reset"].isdecimal()
    assert mast.headers["x-ratelimit-reset"].endswith("Z")


async def test_an_expired_token_can_be_refreshed_on_one_network_and_not_on_the_other(pds: Pds, instance: Instance) -> None:
    for platform in ("bluesky", "mastodon"):
        await pds.http.post("/api/faults", json={"platform": platform, "kind": "expired_token", "times": 1})
    assert (await pds.write()).json()["error"] == "ExpiredToken"
    pds.access = (await pds.post("server.refreshSession", token=pds.refresh)).json()["accessJwt"]
    assert (await pds.write()).status_code == 200
    assert (await instance.publish()).json() == {"error": "The access token expired"}
    assert (await instance.publish()).status_code == 401


@pytest.mark.parametrize(
    "wrong", [{"kind": "nonsense"}, {"platform": "nowhere"}, {"on": "sundays"}, {"times": "often"}, {"account": "nobody"}]
)
async def test_a_fault_that_does_not_exist_is_refused_and_named(pds: Pds, wrong: dict[str, str]) -> None:
    answer = await pds.http.post("/api/faults", json={"platform": "bluesky", "kind": "stall"} | wrong)
    assert answer.status_code == 400
    assert next(iter(wrong.values())) in answer.text
    assert (await pds.http.get("/api/faults")).json() == []


async def test_the_form_on_the_page_switches_faults_on_and_off(pds: Pds) -> None:
    form = {"platform": "bluesky", "kind": "error_500", "on": "", "times": "1", "seconds": ""}
    answer = await pds.http.post("/faults", data=form)
    assert (answer.status_code, answer.headers["location"]) == (303, "/#faults")
    [fault] = (await pds.http.get("/api/faults")).json()
    assert (fault["kind"], fault["on"], fault["times"]) == ("error_500", "publish", 1)
    assert "Answer 500 and accept nothing" in (await pds.http.get("/")).text
    await pds.http.post("/faults/clear")
    assert (await pds.http.get("/api/faults")).json() == []


# --- pages ------------------------------------------------------------------------------------------------------------


async def test_an_empty_sandbox_says_so_twice(http: httpx.AsyncClient) -> None:
    assert (await http.get("/")).text.count("Silence, so far.") == 2


async def test_a_page_escapes_what_was_posted(pds: Pds, instance: Instance) -> None:
    evil = "<script>alert(1)</script>"
    await pds.write(record={"text": evil})
    await instance.publish(evil, spoiler_text=evil)
    page = await pds.http.get("/")
    assert "<script" not in page.text
    assert page.text.count("&lt;script&gt;") == 3
    assert "script-src" not in page.headers["content-security-policy"]
    assert "default-src 'none'" in page.headers["content-security-policy"]


async def test_a_link_that_is_no_web_address_is_not_a_link(pds: Pds) -> None:
    feature = {"$type": "app.bsky.richtext.facet#link", "uri": "javascript:alert(1)"}
    await pds.write(record={"facets": [{"index": {"byteStart": 0, "byteEnd": 4}, "features": [feature]}]})
    assert "javascript:" not in (await pds.http.get("/")).text


async def test_the_same_text_twice_on_an_account_is_marked(instance: Instance) -> None:
    await instance.publish("Dong")
    assert "Accepted" not in (await instance.http.get("/")).text
    await instance.publish("Dong")
    assert (await instance.http.get("/")).text.count("Accepted 2 times") == 2


async def test_a_warning_folds_the_post(instance: Instance) -> None:
    await instance.publish("Dong", spoiler_text="Loud")
    page = (await instance.http.get("/mastodon/@you")).text
    assert "<summary>Loud</summary>" in page
    assert "1 post<" in page


@pytest.mark.parametrize(
    "path",
    ["/bluesky/profile/nobody.test", "/bluesky/profile/you.sandbox.test/post/3mabcdefghi2k", "/mastodon/@you/1", "/mastodon/@no"],
)
async def test_a_page_that_does_not_exist_says_so(http: httpx.AsyncClient, path: str) -> None:
    page = await http.get(path)
    assert (page.status_code, "Nothing here." in page.text) == (404, True)


async def test_an_upload_that_is_no_image_is_never_shown_as_one(pds: Pds) -> None:
    blob = await pds.upload(b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image/svg+xml")
    shown = await pds.http.get(f"/media/{blob['ref']['$link']}")
    assert shown.headers["content-type"] == "application/octet-stream"
    assert shown.headers["x-content-type-options"] == "nosniff"


def test_facets_are_cut_by_bytes_and_bad_ones_are_left_out() -> None:
    def facet(start: int, end: int, kind: str, **value: str) -> dict[str, Any]:
        return {
            "index": {"byteStart": start, "byteEnd": end},
            "features": [{"$type": f"app.bsky.richtext.facet#{kind}", **value}],
        }

    facets = [facet(5, 16, "link", uri="https://example.org"), facet(6, 9, "tag"), facet(17, 22, "tag"), facet(20, 99, "tag")]
    assert from_facets({"text": "🔔 example.org #bell", "facets": facets}) == [
        Piece("🔔 "),
        Piece("example.org", "link", "https://example.org"),
        Piece(" "),
        Piece("#bell", "tag"),
    ]


def test_plain_text_is_cut_at_links_mentions_and_tags() -> None:
    pieces = from_plain("See https://example.org/a, @bob and @eve@example.org #bells #1")
    assert [(piece.kind, piece.text) for piece in pieces if piece.kind != "text"] == [
        ("link", "https://example.org/a"),
        ("mention", "@bob"),
        ("mention", "@eve@example.org"),
        ("tag", "#bells"),
    ]


# --- networks ---------------------------------------------------------------------------------------------------------

HOUSE = [
    path for path in (Path(__file__).parents[4] / "platforms" / "sandbox").rglob("*") if path.suffix in {".py", ".html", ".css"}
]


@pytest.mark.parametrize(
    "path", [path for path in HOUSE if path.parent.name in {"sandbox", "templates"}], ids=lambda path: path.name
)
def test_the_house_names_no_network_outside_its_list(path: Path) -> None:
    folders = {found.parent.name for found in HOUSE} - {"sandbox", "templates"}
    named = [name for name in folders if name in path.read_text().lower()]
    assert path.name == "networks.py" or not named
