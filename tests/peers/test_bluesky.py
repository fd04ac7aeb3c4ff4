"""The Bluesky adapter against a real personal data server."""

import base64
import hashlib
import hmac
import json
from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

import httpx
import pytest
from PIL import Image

from platforms.base import Absent, Consent, Content, Media, SentAttempt, Session
from platforms.bluesky import lexicon
from platforms.bluesky.adapter import Bluesky
from platforms.errors import (
    ContentRejected,
    MediaRejected,
    Rejected,
    TimedOut,
    TokenExpired,
    TokenRevoked,
    Unavailable,
)
from tests.contract.harness import media as file
from tests.peers.conftest import MAIN_PASSWORD, Pds, Person, call
from tests.unit.platforms.bluesky.fake_pds import SavedCheckpoint

KEY = "delivery-1"
DUE = datetime(2026, 9, 20, 8, 15, 0, 123456, tzinfo=UTC)
JWT_SECRET = b"jwt-secret"
"""The development network's own, so that a test can make a token that has run out."""
PNG = Image.new("RGB", (64, 48), "#1185fe")
bluesky = Bluesky()

DIFFICULT = [
    "👩‍👩‍👧‍👦 https://example.org/ü?q=日本#ü and 日本語 example.org, #タグ ＃全角",
    "e\u0301e\u0301 (https://example.org/(x)) $AAPL #one-two #1st #2",
    "https:///nowhere https:// https://. https://[ http://%% https://a|b https://\u200b",
    "https://example.org/($AAPL) #a($AAPL) #b(@person.test example.org/(@person.test",
    "#" + "e\u0301" * 60 + " #e" + "\u0301" * 400,
    "mail me@example.org or @me or @-.test @a..b.test @xn--.test @nobody.test",
    "\u202eright to left\u202c #\u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627.com",
    "x" * 300,
    "👩‍👩‍👧‍👦" * 120,
    "tab\tline\r\nline\u2028\x00\x7f\ufffe",
]


def post(text: str = "Hello", *media: Media, **facts: Any) -> Content:
    return Content(text, **{"created_at": DUE, "media": media} | facts)


def picture(data: bytes | None = None, **facts: Any) -> Media:
    content = data if data is not None else png()

    known = {"mime": "image/png", "alt": "A blue field", "width": 64, "height": 48}
    return replace(file(content, **known | facts), id="picture")


def png(padding: int = 0) -> bytes:
    file = BytesIO()
    PNG.save(file, "PNG")
    return file.getvalue() + bytes(padding)


def checkpoint() -> SavedCheckpoint:
    return SavedCheckpoint([])


async def records(session: Session) -> list[dict[str, Any]]:
    params = {"repo": session.remote_id, "collection": lexicon.POST}
    answer = await session.http.get(f"{session.server}/xrpc/com.atproto.repo.listRecords", params=params)
    found: list[dict[str, Any]] = answer.json()["records"]
    return found


def expired(token: str) -> str:
    """``token`` as it would be after its time, signed with the server's own secret."""
    head, claims, _ = token.split(".")
    past = json.loads(_decoded(claims)) | {"iat": 1, "exp": 2}
    signed = f"{head}.{_encoded(json.dumps(past).encode())}"
    return f"{signed}.{_encoded(hmac.digest(JWT_SECRET, signed.encode(), hashlib.sha256))}"


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


async def test_an_app_password_connects(pds: Pds, person: Person, consent: Consent) -> None:
    [account] = consent.candidates
    assert (consent.server, account.remote_id, account.handle) == (pds.url, person.did, person.handle)
    assert (account.display_name, account.avatar_url) == (person.handle, None)  # the AppView does not know anybody
    assert account.limits["blob_bytes"] > 0
    assert consent.tokens.values.keys() == {"access", "refresh"}
    assert consent.tokens.refresh_at is not None
    assert consent.tokens.expires_at is not None
    assert consent.tokens.refresh_at < consent.tokens.expires_at


async def test_a_wrong_password_is_refused(pds: Pds, person: Person, http: httpx.AsyncClient) -> None:
    answers = {"server": pds.url, "handle": person.handle, "password": "abcd-efgh-ijkl-mnop"}
    with pytest.raises(Rejected, match="do not match"):
        await bluesky.connector.connect(http, answers)


async def test_a_post_arrives_whole(session: Session) -> None:
    text = f"👋 日本語: @{session.handle} reads example.org #Carillon"
    published = await bluesky.publish(session, post(text, picture(), language="en"), key=KEY, checkpoint=checkpoint())
    (record,) = await records(session)
    value = record["value"]
    assert published.remote_id == record["uri"]
    assert (value["text"], value["langs"], value["createdAt"]) == (text, ["en"], "2026-09-20T08:15:00.123Z")
    (image,) = value["embed"]["images"]
    assert (image["alt"], image["aspectRatio"]["width"], image["image"]["mimeType"]) == ("A blue field", 64, "image/png")
    words = [text.encode()[f["index"]["byteStart"] : f["index"]["byteEnd"]].decode() for f in value["facets"]]
    assert words == [f"@{session.handle}", "example.org", "#Carillon"]
    mention, link, tag = (facet["features"][0] for facet in value["facets"])
    assert (mention["did"], link["uri"], tag["tag"]) == (session.remote_id, "https://example.org", "Carillon")


@pytest.mark.parametrize("text", DIFFICULT)
async def test_what_the_preflight_passes_the_server_takes(session: Session, text: str) -> None:
    content = post(text)
    assert bluesky.validate(content, bluesky.capabilities_for(session.limits)) == []
    await bluesky.publish(session, content, key=KEY, checkpoint=checkpoint())
    (record,) = await records(session)
    assert record["value"]["text"] == text


async def test_the_same_key_twice_is_one_record(session: Session) -> None:
    first = await bluesky.publish(session, post(), key=KEY, checkpoint=checkpoint())
    again = await bluesky.publish(session, post(), key=KEY, checkpoint=checkpoint())
    assert first == again
    assert len(await records(session)) == 1


async def test_a_lost_answer_is_found_again(session: Session) -> None:
    class LosesAnswers(httpx.AsyncHTTPTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            await (await super().handle_async_request(request)).aread()
            raise httpx.ReadTimeout("lost", request=request)

    async with httpx.AsyncClient(transport=LosesAnswers()) as deaf:
        with pytest.raises(TimedOut):
            await bluesky.publish(replace(session, http=deaf), post(), key=KEY, checkpoint=checkpoint())
    (record,) = await records(session)
    found = await bluesky.reconcile(session, SentAttempt(KEY, post(), {}, DUE))
    assert found.remote_id == record["uri"]


async def test_what_was_never_sent_is_absent(session: Session) -> None:
    assert await bluesky.reconcile(session, SentAttempt(KEY, post(), {}, DUE)) == Absent()


async def test_an_expired_token_is_refreshed(session: Session) -> None:
    stale = replace(session, tokens={**session.tokens, "access": expired(session.tokens["access"])})
    with pytest.raises(TokenExpired):
        await bluesky.publish(stale, post("x", picture()), key=KEY, checkpoint=checkpoint())
    with pytest.raises(TokenExpired):
        await bluesky.publish(stale, post(), key=KEY, checkpoint=checkpoint())
    fresh = replace(session, tokens=(await bluesky.refresh(stale)).values)
    await bluesky.publish(fresh, post(), key=KEY, checkpoint=checkpoint())
    assert len(await records(session)) == 1


async def test_a_refresh_whose_answer_was_lost_can_be_repeated(session: Session) -> None:
    await bluesky.refresh(session)
    assert (await bluesky.refresh(session)).values.keys() == {"access", "refresh"}


async def test_an_expired_refresh_token_needs_the_person(session: Session) -> None:
    tokens = {"refresh": expired(session.tokens["refresh"])}
    with pytest.raises(TokenExpired):
        await bluesky.refresh(replace(session, tokens=tokens))


async def test_a_foreign_token_is_not_taken(session: Session) -> None:
    with pytest.raises(TokenRevoked):
        await bluesky.publish(replace(session, tokens={"access": "x"}), post(), key=KEY, checkpoint=checkpoint())
    with pytest.raises(TokenRevoked):
        await bluesky.publish(replace(session, tokens={}), post(), key=KEY, checkpoint=checkpoint())


@pytest.mark.parametrize(
    ("content", "code", "leaf"),
    [
        (post("x" * 301), "InvalidRequest", ContentRejected),
        (post("👩‍👩‍👧‍👦" * 121), "InvalidRequest", ContentRejected),
        (post("x", picture(png(2_000_001))), "InvalidRequest", MediaRejected),
        (post("x", picture(png(6_000_000))), "PayloadTooLarge", MediaRejected),
        (post("x", picture(b"words", mime="text/plain")), "InvalidRequest", MediaRejected),
    ],
    ids=["graphemes", "bytes", "picture", "upload", "type"],
)
async def test_what_the_preflight_would_stop_the_server_refuses_as_our_table_says(
    session: Session, content: Content, code: str, leaf: type[Rejected]
) -> None:
    assert any(problem.blocks for problem in bluesky.validate(content, bluesky.capabilities))
    with pytest.raises(leaf) as caught:
        await bluesky.publish(session, content, key=KEY, checkpoint=checkpoint())
    assert (type(caught.value), caught.value.code) == (leaf, code)
    assert await records(session) == []


async def test_an_upload_that_the_server_forgot_is_made_again(session: Session) -> None:
    kept, content = checkpoint(), post("x", picture())
    gone = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy"
    kept.saved["blobs"] = {"picture": {"cid": gone, "mime": "image/png", "size": 10}}
    with pytest.raises(Unavailable):
        await bluesky.publish(session, content, key=KEY, checkpoint=kept)
    await bluesky.publish(session, content, key=KEY, checkpoint=kept)
    assert len(await records(session)) == 1


async def test_a_deactivated_account_is_told_as_such_when_it_is_connected_published_to_and_asked_about(
    pds: Pds, person: Person, session: Session
) -> None:
    published = await bluesky.publish(session, post(), key=KEY, checkpoint=checkpoint())
    await deactivate(pds, person, session.http)
    with pytest.raises(Rejected, match="deactivated"):
        await bluesky.connector.connect(session.http, {"server": pds.url, "handle": person.handle, "password": person.password})
    with pytest.raises(TokenRevoked, match="deactivated"):
        await bluesky.publish(session, post("Hello again"), key="delivery-2", checkpoint=checkpoint())
    with pytest.raises(TokenRevoked, match="deactivated"):  # the server does not show the record, and it is there
        await bluesky.reconcile(session, SentAttempt(KEY, post(), {}, DUE))
    await call(session.http, pds, "com.atproto.server.activateAccount", None, await main_token(pds, person, session.http))
    assert await bluesky.reconcile(session, SentAttempt(KEY, post(), {}, DUE)) == published


async def test_an_account_that_a_server_never_had_is_not_absent_there(session: Session) -> None:
    moved = replace(session, remote_id="did:plc:aaaaaaaaaaaaaaaaaaaaaaaa")
    with pytest.raises(TokenRevoked, match="no longer on this server"):
        await bluesky.reconcile(moved, SentAttempt(KEY, post(), {}, DUE))


async def deactivate(pds: Pds, person: Person, http: httpx.AsyncClient) -> None:
    await call(http, pds, "com.atproto.server.deactivateAccount", {}, await main_token(pds, person, http))


async def main_token(pds: Pds, person: Person, http: httpx.AsyncClient) -> str:
    """An access token of the main password: an app password may not change the account."""
    answers = {"identifier": person.handle, "password": MAIN_PASSWORD}
    token: str = (await call(http, pds, "com.atproto.server.createSession", answers))["accessJwt"]
    return token
