"""The emulated Mastodon answers like the real one (documentation, and server 4.5)."""

from typing import Any

import httpx
import pytest

from platforms.sandbox.mastodon.rules import length
from tests.unit.platforms.sandbox.conftest import Clock, Instance


def refusal(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]


# --- connecting -------------------------------------------------------------------------------------------------------


async def test_the_person_is_asked_with_one_button(instance: Instance) -> None:
    asked = {"client_id": instance.app["client_id"], "redirect_uri": "http://carillon.test/connected", "scope": "read write"}
    page = await instance.http.get("/mastodon/oauth/authorize", params=asked)
    assert "Allow Carillon to use your account?" in page.text
    assert page.text.count("<button") == 1


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"client_id": "unknown"}, (401, "invalid_client")),
        ({"redirect_uri": "http://evil.test/"}, (400, "invalid_request")),
        ({"scope": "read write admin"}, (400, "invalid_scope")),
    ],
)
async def test_consent_is_only_asked_for_what_was_registered(
    instance: Instance, changes: dict[str, str], expected: tuple[int, str]
) -> None:
    asked = {"client_id": instance.app["client_id"], "redirect_uri": "http://carillon.test/connected", "scope": "read"}
    assert refusal(await instance.http.get("/mastodon/oauth/authorize", params=asked | changes)) == expected
    assert refusal(await instance.http.post("/mastodon/oauth/authorize", data=asked | changes)) == expected


async def test_a_code_works_once(instance: Instance) -> None:
    code = await instance.code()
    assert (await instance.exchange(code)).status_code == 200
    assert refusal(await instance.exchange(code)) == (400, "invalid_grant")


@pytest.mark.parametrize("wrong", [{"code_verifier": "another"}, {"redirect_uri": "http://evil.test/"}])
async def test_a_code_needs_its_verifier_and_its_redirect(instance: Instance, wrong: dict[str, str]) -> None:
    assert refusal(await instance.exchange(await instance.code(), **wrong)) == (400, "invalid_grant")


async def test_a_code_lives_ten_minutes(instance: Instance, clock: Clock) -> None:
    code = await instance.code()
    clock.sleep(600)
    assert refusal(await instance.exchange(code)) == (400, "invalid_grant")


async def test_a_client_needs_its_secret(instance: Instance) -> None:
    assert refusal(await instance.exchange(await instance.code(), client_secret="wrong")) == (401, "invalid_client")


async def test_connecting_twice_gives_the_same_token_until_it_is_revoked(instance: Instance) -> None:
    first = instance.access
    assert (await instance.exchange(await instance.code())).json()["access_token"] == first
    own = {name: instance.app[name] for name in ("client_id", "client_secret")}
    revoked = await instance.http.post("/mastodon/oauth/revoke", data={**own, "token": first})
    assert (revoked.status_code, revoked.json()) == (200, {})
    assert refusal(await instance.get("accounts/verify_credentials")) == (401, "The access token is invalid")
    assert (await instance.exchange(await instance.code())).json()["access_token"] != first


async def test_another_name_on_the_consent_page_is_another_account(instance: Instance) -> None:
    await instance.exchange(await instance.code(username="bob"))
    assert (await instance.get("accounts/verify_credentials")).json()["username"] == "bob"


async def test_a_token_does_only_what_its_scope_allows(instance: Instance) -> None:
    await instance.exchange(await instance.code(scope="read"))
    assert refusal(await instance.publish()) == (403, "This action is outside the authorized scopes")


# --- publishing -------------------------------------------------------------------------------------------------------


async def test_a_key_answers_with_the_first_status_for_an_hour(instance: Instance, clock: Clock) -> None:
    first = (await instance.publish("Dong", key="k")).json()
    clock.sleep(3599)
    assert (await instance.publish("Other", key="k")).json() == first
    clock.sleep(1)
    assert (await instance.publish("Other", key="k")).json()["id"] != first["id"]


async def test_a_key_belongs_to_one_account(instance: Instance) -> None:
    first = (await instance.publish(key="k")).json()
    await instance.exchange(await instance.code(username="bob"))
    assert (await instance.publish(key="k")).json()["id"] != first["id"]


async def test_without_a_key_every_request_is_a_status(instance: Instance) -> None:
    assert (await instance.publish()).json()["id"] != (await instance.publish()).json()["id"]


async def test_the_key_of_a_deleted_status_finds_nothing(instance: Instance) -> None:
    status = (await instance.publish(key="k")).json()
    headers = {"Authorization": f"Bearer {instance.access}"}
    deleted = await instance.http.delete(f"/mastodon/api/v1/statuses/{status['id']}", headers=headers)
    assert deleted.json()["text"] == "Dong"
    assert refusal(await instance.publish(key="k")) == (404, "Record not found")


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        ({"text": "x" * 501}, "Validation failed: Text character limit of 500 exceeded"),
        ({"text": "x" * 490, "spoiler_text": "x" * 11}, "Validation failed: Text character limit of 500 exceeded"),
        ({"text": "  "}, "Validation failed: Text can't be blank"),
        ({"visibility": "secret"}, "Validation failed: Visibility is not included in the list"),
        ({"media_ids": ["1"]}, "Media 1 not found or already attached to another post"),
        ({"media_ids": list("12345")}, "Cannot attach more than 4 files"),
    ],
)
async def test_a_status_against_the_rules_is_refused(instance: Instance, sent: dict[str, Any], message: str) -> None:
    assert refusal(await instance.publish(**sent)) == (422, message)


@pytest.mark.parametrize(
    ("text", "counted"),
    [
        ("x" * 500, 500),
        ("e\u0301👨‍👩‍👧‍👦", 2),
        ("see https://example.org/" + "x" * 400, 27),
        ("http://a.b", 23),
        ("@bob@very.long.example.org hi", 7),
        ("@bob hi", 7),
        ("mail a@example.org", 18),
    ],
)
def test_length_counts_graphemes_addresses_as_23_and_mentions_without_host(text: str, counted: int) -> None:
    assert length(text) == counted


async def test_a_form_is_as_good_as_json(instance: Instance) -> None:
    upload = (await instance.upload()).json()
    headers = {"Authorization": f"Bearer {instance.access}"}
    form = {"status": "Dong", "media_ids[]": [upload["id"]]}
    status = (await instance.http.post("/mastodon/api/v1/statuses", data=form, headers=headers)).json()
    assert [media["id"] for media in status["media_attachments"]] == [upload["id"]]


async def test_a_status_says_who_made_it_and_where_it_stands(instance: Instance) -> None:
    status = (await instance.publish("Dong https://example.org/ & <b>", spoiler_text="Loud", visibility="unlisted")).json()
    assert status["application"]["name"] == "Carillon"
    assert status["url"] == f"http://sandbox.test/mastodon/@you/{status['id']}"
    assert (status["spoiler_text"], status["sensitive"], status["visibility"]) == ("Loud", True, "unlisted")
    link = '<a href="https://example.org/">https://example.org/</a>'
    assert status["content"] == f"<p>Dong {link} &amp; &lt;b&gt;</p>"
    source = (await instance.get(f"statuses/{status['id']}/source")).json()
    assert source["text"] == "Dong https://example.org/ & <b>"


async def test_own_statuses_are_paged_from_the_newest(instance: Instance) -> None:
    ids = [(await instance.publish()).json()["id"] for _ in range(3)]
    own = (await instance.get("accounts/verify_credentials")).json()["id"]
    page = (await instance.get(f"accounts/{own}/statuses", limit="2", exclude_reblogs="true")).json()
    assert [status["id"] for status in page] == [ids[2], ids[1]]
    rest = (await instance.get(f"accounts/{own}/statuses", limit="2", max_id=ids[1])).json()
    assert [status["id"] for status in rest] == [ids[0]]


async def test_a_reply_needs_its_parent(instance: Instance) -> None:
    parent = (await instance.publish()).json()["id"]
    assert (await instance.publish(in_reply_to_id=parent)).json()["in_reply_to_id"] == parent
    answer = await instance.publish(in_reply_to_id="1")
    assert refusal(answer) == (404, "The post you are trying to reply to does not appear to exist.")


# --- media ------------------------------------------------------------------------------------------------------------


async def test_an_upload_can_be_attached_once(instance: Instance) -> None:
    upload = (await instance.upload(description="A bell")).json()
    status = (await instance.publish(media_ids=[upload["id"]])).json()
    assert status["media_attachments"][0]["description"] == "A bell"
    assert refusal(await instance.get(f"media/{upload['id']}")) == (404, "Record not found")
    again = await instance.publish(media_ids=[upload["id"]])
    assert refusal(again) == (422, f"Media {upload['id']} not found or already attached to another post")


async def test_a_refused_status_does_not_use_up_its_files(instance: Instance) -> None:
    upload = (await instance.upload()).json()
    assert (await instance.publish("x" * 501, media_ids=[upload["id"]])).status_code == 422
    assert (await instance.publish(media_ids=[upload["id"]])).status_code == 200


async def test_nobody_attaches_the_upload_of_another(instance: Instance) -> None:
    upload = (await instance.upload()).json()
    await instance.exchange(await instance.code(username="bob"))
    assert (await instance.publish(media_ids=[upload["id"]])).status_code == 422


async def test_an_upload_that_is_being_processed_is_206_and_cannot_be_attached_yet(instance: Instance, clock: Clock) -> None:
    await instance.http.post("/api/faults", json={"platform": "mastodon", "kind": "processing", "seconds": 30})
    answer = await instance.upload()
    upload = answer.json()
    assert (answer.status_code, upload["url"]) == (202, None)
    assert (await instance.get(f"media/{upload['id']}")).status_code == 206
    refused = await instance.publish(media_ids=[upload["id"]])
    assert refusal(refused)[1] == "Cannot attach files that have not finished processing. Try again in a moment!"
    clock.sleep(30)
    assert (await instance.get(f"media/{upload['id']}")).status_code == 200
    assert (await instance.publish(media_ids=[upload["id"]])).status_code == 200


async def test_what_is_no_image_is_refused(instance: Instance) -> None:
    answer = await instance.upload(b"<svg onload=alert(1)>")
    assert refusal(answer) == (422, "Validation failed: File content type is invalid, File is invalid")
