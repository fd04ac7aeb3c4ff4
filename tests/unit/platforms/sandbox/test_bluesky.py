"""The emulated PDS answers like the real one (every text here was observed on PDS 0.5.35)."""

from typing import Any

import httpx
import pytest

from platforms.sandbox import gate
from tests.unit.platforms.sandbox.conftest import PNG, Clock, Pds

HOUR = 3600.0


def refusal(answer: httpx.Response) -> tuple[int, str, str]:
    body = answer.json()
    return answer.status_code, body["error"], body["message"]


async def test_a_wrong_password_signs_nobody_in(pds: Pds) -> None:
    answer = await pds.sign_in(password="wrong")
    assert refusal(answer) == (401, "AuthenticationRequired", "Invalid identifier or password")


async def test_a_new_handle_of_the_sandbox_comes_into_being_and_no_other(pds: Pds) -> None:
    assert (await pds.sign_in("bob.sandbox.test")).json()["handle"] == "bob.sandbox.test"
    assert (await pds.sign_in("bob.example.org")).status_code == 401


async def test_an_account_with_its_own_password_takes_no_other(pds: Pds) -> None:
    await pds.http.post("/api/accounts", json={"platform": "bluesky", "handle": "carol", "password": "secret"})
    assert (await pds.sign_in("carol.sandbox.test", "sandbox")).status_code == 401
    assert (await pds.sign_in("carol.sandbox.test", "secret")).status_code == 200


async def test_an_access_token_lasts_two_hours_and_expires_with_a_400(pds: Pds, clock: Clock) -> None:
    assert (await pds.get("server.getSession")).status_code == 200
    clock.sleep(2 * HOUR)
    assert refusal(await pds.get("server.getSession")) == (400, "ExpiredToken", "Token has expired")


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        ("garbage", (400, "InvalidToken", "Token could not be verified")),
        ("", (401, "AuthMissing", "Authentication Required")),
    ],
)
async def test_a_bad_token_is_named(pds: Pds, token: str, expected: tuple[int, str, str]) -> None:
    pds.access = token
    assert refusal(await pds.get("server.getSession")) == expected


async def test_a_used_refresh_token_yields_the_same_successor_for_two_hours(pds: Pds, clock: Clock) -> None:
    first = (await pds.post("server.refreshSession", token=pds.refresh)).json()
    clock.sleep(2 * HOUR - 1)
    again = (await pds.post("server.refreshSession", token=pds.refresh)).json()
    assert again["refreshJwt"] == first["refreshJwt"] != pds.refresh
    assert again["accessJwt"] != first["accessJwt"]
    clock.sleep(1)
    late = await pds.post("server.refreshSession", token=pds.refresh)
    assert refusal(late) == (400, "ExpiredToken", "Token has been revoked")


async def test_an_access_token_does_not_refresh(pds: Pds) -> None:
    assert (await pds.post("server.refreshSession", token=pds.access)).status_code == 400


async def test_a_second_create_at_the_same_key_is_a_500_and_changes_nothing(pds: Pds) -> None:
    first = (await pds.write("createRecord")).json()
    again = await pds.write("createRecord", record={"text": "Other"})
    assert refusal(again) == (500, "InternalServerError", "Internal Server Error")
    found = (await pds.get("repo.getRecord", repo=pds.did, collection="app.bsky.feed.post", rkey="3mabcdefghi2k")).json()
    assert (found["cid"], found["value"]["text"]) == (first["cid"], "Ding")


async def test_put_with_swap_null_only_creates(pds: Pds) -> None:
    created = (await pds.write(swapRecord=None)).json()
    again = await pds.write(swapRecord=None)
    assert refusal(again) == (400, "InvalidSwap", f"Record was at {created['cid']}")
    assert len((await pds.http.get("/api/posts")).json()) == 1


async def test_put_without_swap_overwrites_one_post_in_place(pds: Pds) -> None:
    created = (await pds.write()).json()
    same, changed = (await pds.write()).json(), (await pds.write(record={"text": "Dong"})).json()
    assert same["cid"] == created["cid"]
    assert "commit" not in same
    assert changed["cid"] != created["cid"]
    assert "commit" in changed
    assert [post["text"] for post in (await pds.http.get("/api/posts")).json()] == ["Dong"]


async def test_a_deleted_record_is_gone_for_readers_and_kept_by_the_judge(pds: Pds) -> None:
    await pds.write()
    body = {"repo": pds.did, "collection": "app.bsky.feed.post", "rkey": "3mabcdefghi2k"}
    assert "commit" in (await pds.post("repo.deleteRecord", json=body)).json()
    assert (await pds.post("repo.deleteRecord", json=body)).json() == {}
    assert (await pds.get("repo.getRecord", **body)).json()["error"] == "RecordNotFound"
    assert (await pds.write("createRecord")).status_code == 200
    assert [post["deleted"] for post in (await pds.http.get("/api/posts")).json()] == [True, False]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"text": "é" * 301}, "grapheme too big (maximum 300, got 301) at $.record.text"),
        ({"text": "👨‍👩‍👧‍👦" * 121}, "string too big (maximum 3000, got 3025) at $.record.text"),
        ({"text": None}, 'Missing required key "text" at $.record'),
        ({"createdAt": "yesterday"}, 'Invalid datetime (got "yesterday") at $.record.createdAt'),
        ({"createdAt": "2026-09-20T08:15:00"}, 'Invalid datetime (got "2026-09-20T08:15:00") at $.record.createdAt'),
        ({"langs": ["en", "de", "fr", "it"]}, "array too big (maximum 3, got 4) at $.record.langs"),
    ],
)
async def test_a_record_against_the_lexicon_is_refused(pds: Pds, changes: dict[str, Any], message: str) -> None:
    answer = await pds.write(record=changes)
    assert refusal(answer) == (400, "InvalidRequest", f"Invalid app.bsky.feed.post record: {message}")


@pytest.mark.parametrize(
    ("rkey", "message"),
    [
        ("bad key!", 'Invalid record key (got "bad key!") at $.rkey'),
        ("..", 'Invalid record key (got "..") at $.rkey'),
        ("my-key", 'Invalid record key for app.bsky.feed.post: Invalid TID string (got "my-key") at $'),
    ],
)
async def test_only_a_tid_is_a_key(pds: Pds, rkey: str, message: str) -> None:
    assert refusal(await pds.write(rkey=rkey)) == (400, "InvalidRequest", message)


async def test_300_graphemes_of_many_code_points_fit(pds: Pds) -> None:
    assert (await pds.write(record={"text": "e\u0301" * 300})).status_code == 200


async def test_an_upload_is_what_its_bytes_say(pds: Pds) -> None:
    blob = await pds.upload(PNG, "video/mp4")
    assert (blob["mimeType"], blob["size"]) == ("image/png", len(PNG))


async def test_what_nobody_has_signed_is_not_kept_while_it_comes(pds: Pds, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "BODY_LIMIT", len(PNG) - 1)
    stranger = await pds.http.post("/bluesky/xrpc/com.atproto.repo.uploadBlob", content=PNG)
    assert stranger.status_code == 413
    assert (await pds.upload(PNG, "image/png"))["size"] == len(PNG)


async def test_an_upload_over_five_mebibytes_is_refused(pds: Pds) -> None:
    answer = await pds.post("repo.uploadBlob", content=bytes(5 * 1024 * 1024 + 1))
    assert refusal(answer) == (413, "PayloadTooLarge", "request entity too large")


def pictures(*images: dict[str, Any]) -> dict[str, Any]:
    return {"embed": {"$type": "app.bsky.embed.images", "images": list(images)}}


async def test_a_picture_must_have_been_uploaded_by_this_account(pds: Pds) -> None:
    blob = await pds.upload()
    assert (await pds.write(record=pictures({"alt": "", "image": blob}))).status_code == 200
    await pds.sign_in("bob.sandbox.test")
    answer = await pds.write(record=pictures({"alt": "", "image": blob}))
    assert refusal(answer) == (400, "BlobNotFound", f"Could not find blob: {blob['ref']['$link']}")


async def test_pictures_are_checked_one_by_one(pds: Pds) -> None:
    blob = await pds.upload()
    path = "at $.record.embed.images"
    for images, message in [
        ([{"alt": "", "image": blob}] * 5, f"array too big (maximum 4, got 5) {path}"),
        ([{"image": blob}], f'Missing required key "alt" {path}[0]'),
        ([{"alt": "", "image": {**blob, "mimeType": "text/plain"}}], f'Expected "image/*" (got "text/plain") {path}[0].image'),
        ([{"alt": "", "image": {**blob, "size": 2_000_001}}], f"blob too big (maximum 2000000, got 2000001) {path}[0].image"),
    ]:
        answer = await pds.write(record=pictures(*images))
        assert refusal(answer)[2] == f"Invalid app.bsky.feed.post record: {message}"


async def test_a_handle_resolves_only_if_somebody_has_it(pds: Pds) -> None:
    assert (await pds.get("identity.resolveHandle", handle="you.sandbox.test")).json() == {"did": pds.did}
    nobody = await pds.get("identity.resolveHandle", handle="nobody.sandbox.test")
    assert refusal(nobody) == (400, "InvalidRequest", "Unable to resolve handle")


async def test_nobody_writes_to_the_repository_of_another(pds: Pds) -> None:
    yours = pds.did
    await pds.sign_in("bob.sandbox.test")
    pds.did = yours
    assert refusal(await pds.write())[:2] == (403, "AccountNotFound")


async def test_posts_can_be_listed_and_counted(pds: Pds) -> None:
    uri = (await pds.write()).json()["uri"]
    listed = (await pds.get("repo.listRecords", repo=pds.did, collection="app.bsky.feed.post")).json()
    assert [record["uri"] for record in listed["records"]] == [uri]
    view = await pds.http.get("/bluesky/xrpc/app.bsky.feed.getPosts", params={"uris": [uri, f"{uri}x"]})
    assert [(post["uri"], post["likeCount"]) for post in view.json()["posts"]] == [(uri, 0)]


async def test_the_server_tells_where_its_posts_are_shown(pds: Pds) -> None:
    described = (await pds.get("server.describeServer")).json()
    assert described["carillon"] == {"web": "http://sandbox.test/bluesky"}


async def test_an_unknown_method_is_named_as_such(pds: Pds) -> None:
    assert refusal(await pds.get("repo.frobnicate"))[:2] == (501, "MethodNotImplemented")
