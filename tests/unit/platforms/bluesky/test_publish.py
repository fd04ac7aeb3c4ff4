"""Publishing, its crashes and its repetitions, against a fake server with state."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import httpx
import pytest

from platforms.base import Absent, Content, Media, SentAttempt, Session
from platforms.bluesky.adapter import Bluesky
from platforms.errors import (
    ContentRejected,
    PlatformError,
    RateLimited,
    TimedOut,
    TokenExpired,
    TokenRevoked,
    Unavailable,
    Unconfirmed,
    UnexpectedReply,
)
from tests.contract.harness import Pieces
from tests.unit.platforms.bluesky.fake_pds import DID, DUE, FakePds, SavedCheckpoint, refused

KEY = "delivery-1"
Make = Callable[..., Content]
Picture = Callable[..., Media]
bluesky = Bluesky()


def sent(content: Content) -> SentAttempt:
    return SentAttempt(KEY, content, {}, DUE)


def broken(error: type[httpx.HTTPError]) -> Callable[[], httpx.Response]:
    def reply() -> httpx.Response:
        raise error("broken")

    return reply


async def test_the_record_says_what_the_content_says(
    session: Session, checkpoint: SavedCheckpoint, pds: FakePds, content: Make, picture: Picture
) -> None:
    post = content("👋 @bob.test #hi", picture("a"), picture("b", width=0, height=0, alt=""), language="de")
    published = await bluesky.publish(session, post, key=KEY, checkpoint=checkpoint)
    ((rkey, record),) = pds.records.items()
    assert published.remote_id == f"at://{DID}/app.bsky.feed.post/{rkey}"
    assert published.url == f"https://bsky.app/profile/{DID}/post/{rkey}"
    mention, tag = record.pop("facets")
    assert (mention["index"]["byteStart"], mention["index"]["byteEnd"]) == (5, 14)
    assert mention["features"] == [{"$type": "app.bsky.richtext.facet#mention", "did": "did:plc:bob"}]
    assert tag["features"] == [{"$type": "app.bsky.richtext.facet#tag", "tag": "hi"}]
    first, second = record.pop("embed")["images"]
    assert first["alt"] == "Picture a"
    assert (first["aspectRatio"]["width"], first["aspectRatio"]["height"]) == (640, 480)
    assert pds.blobs[first["image"]["ref"]["$link"]] == ("image/png", b"bytes of a")
    assert (second["alt"], "aspectRatio" in second) == ("", False)
    assert record == {
        "$type": "app.bsky.feed.post",
        "text": "👋 @bob.test #hi",
        "createdAt": "2026-09-20T08:15:00.123Z",
        "langs": ["de"],
    }


async def test_a_plain_text_has_no_embed_facets_or_language(
    session: Session, checkpoint: SavedCheckpoint, pds: FakePds, content: Make
) -> None:
    await bluesky.publish(session, content("Hello"), key=KEY, checkpoint=checkpoint)
    (record,) = pds.records.values()
    assert record.keys() == {"$type", "text", "createdAt"}


async def test_the_fence_comes_after_everything_else_and_right_before_the_record(
    session: Session, checkpoint: SavedCheckpoint, pds: FakePds, content: Make, picture: Picture
) -> None:
    post = content("@bob.test", picture("a"), picture("b"))
    await bluesky.publish(session, post, key=KEY, checkpoint=checkpoint)
    assert pds.journal == ["uploadBlob", "save", "uploadBlob", "save", "resolveHandle", "fence", "putRecord"]


async def test_the_sandbox_shows_its_posts_itself(session: Session, checkpoint: SavedCheckpoint, content: Make) -> None:
    session = replace(session, limits={"web": "http://localhost:8000/bluesky"})
    published = await bluesky.publish(session, content(), key=KEY, checkpoint=checkpoint)
    assert published.url.startswith(f"http://localhost:8000/bluesky/profile/{DID}/post/3")


async def test_a_second_attempt_uploads_only_what_is_missing(
    session: Session, checkpoint: SavedCheckpoint, pds: FakePds, content: Make, picture: Picture
) -> None:
    post = content("x", picture("a"), picture("b"))

    unreadable = Pieces(lambda at: b"?", 2, failures=[RuntimeError("the worker died here")])
    crashing = replace(post, media=(post.media[0], replace(post.media[1], source=unreadable)))
    with pytest.raises(RuntimeError):
        await bluesky.publish(session, crashing, key=KEY, checkpoint=checkpoint)
    assert [data for _, data in pds.blobs.values()] == [b"bytes of a"]
    await bluesky.publish(session, post, key=KEY, checkpoint=checkpoint)
    assert [data for _, data in pds.blobs.values()] == [b"bytes of a", b"bytes of b"]


async def test_what_is_saved_has_no_names_that_databases_reserve(
    session: Session, checkpoint: SavedCheckpoint, content: Make, picture: Picture
) -> None:
    await bluesky.publish(session, content("x", picture("a")), key=KEY, checkpoint=checkpoint)
    assert checkpoint.saved["blobs"]["a"].keys() == {"cid", "mime", "size"}


async def test_a_forgotten_upload_is_uploaded_again_on_the_next_attempt(
    session: Session, checkpoint: SavedCheckpoint, pds: FakePds, content: Make, picture: Picture
) -> None:
    checkpoint.saved["blobs"] = {"a": {"cid": "bafkreigone", "mime": "image/png", "size": 10}}
    post = content("x", picture("a"))
    with pytest.raises(Unavailable):
        await bluesky.publish(session, post, key=KEY, checkpoint=checkpoint)
    await bluesky.publish(session, post, key=KEY, checkpoint=checkpoint)
    assert len(pds.records) == len(pds.blobs) == 1


async def test_the_same_key_twice_is_one_post_with_one_receipt(
    session: Session, checkpoint: SavedCheckpoint, pds: FakePds, content: Make
) -> None:
    first = await bluesky.publish(session, content(), key=KEY, checkpoint=checkpoint)
    again = await bluesky.publish(session, content(), key=KEY, checkpoint=checkpoint)
    assert first == again
    assert len(pds.records) == 1


async def test_a_lost_answer_is_unconfirmed_and_reconciled_to_published(
    session: Session, checkpoint: SavedCheckpoint, pds: FakePds, content: Make
) -> None:
    pds.lose_next_reply("putRecord")
    with pytest.raises(TimedOut):
        await bluesky.publish(session, content(), key=KEY, checkpoint=checkpoint)
    found = await bluesky.reconcile(session, sent(content()))
    assert found == await bluesky.publish(session, content(), key=KEY, checkpoint=checkpoint)
    assert len(pds.records) == 1


@pytest.mark.parametrize(
    ("reply", "leaf"),
    [
        (broken(httpx.ReadTimeout), TimedOut),
        (broken(httpx.RemoteProtocolError), TimedOut),
        (broken(httpx.ConnectError), Unavailable),
        (lambda: refused(500, "InternalServerError"), UnexpectedReply),
        (lambda: httpx.Response(502, html="<h1>?</h1>"), UnexpectedReply),
        (lambda: httpx.Response(200, html="<h1>?</h1>"), UnexpectedReply),
        (lambda: httpx.Response(200, json={"ok": True}), UnexpectedReply),
        (lambda: refused(429, "RateLimitExceeded"), RateLimited),
        (lambda: refused(400, "InvalidRequest", "grapheme too big at $.record.text"), ContentRejected),
    ],
)
async def test_what_a_failed_record_means(
    session: Session,
    checkpoint: SavedCheckpoint,
    pds: FakePds,
    content: Make,
    reply: Callable[[], httpx.Response],
    leaf: type[PlatformError],
) -> None:
    pds.next_reply("putRecord", reply)
    with pytest.raises(PlatformError) as caught:
        await bluesky.publish(session, content(), key=KEY, checkpoint=checkpoint)
    assert type(caught.value) is leaf
    assert await bluesky.reconcile(session, sent(content())) == Absent()


async def test_an_existing_record_that_cannot_be_looked_at_is_unconfirmed(
    session: Session, checkpoint: SavedCheckpoint, pds: FakePds, content: Make
) -> None:
    await bluesky.publish(session, content(), key=KEY, checkpoint=checkpoint)
    pds.next_reply("getRecord", broken(httpx.ConnectError))
    with pytest.raises(Unconfirmed):
        await bluesky.publish(session, content(), key=KEY, checkpoint=checkpoint)


async def test_a_record_that_vanishes_while_we_look_is_unconfirmed(
    session: Session, checkpoint: SavedCheckpoint, pds: FakePds, content: Make
) -> None:
    pds.next_reply("putRecord", lambda: refused(400, "InvalidSwap"))
    with pytest.raises(Unconfirmed):
        await bluesky.publish(session, content(), key=KEY, checkpoint=checkpoint)


@pytest.mark.parametrize("facts", [{"text": "Goodbye"}, {"created_at": DUE.replace(microsecond=0)}])
async def test_a_different_post_in_its_place_is_for_a_person_to_judge(
    session: Session, checkpoint: SavedCheckpoint, pds: FakePds, content: Make, facts: dict[str, Any]
) -> None:
    await bluesky.publish(session, content(), key=KEY, checkpoint=checkpoint)
    other = replace(content(), **facts)
    with pytest.raises(Unconfirmed, match="different post"):
        await bluesky.publish(session, other, key=KEY, checkpoint=checkpoint)
    with pytest.raises(Unconfirmed, match="different post"):
        await bluesky.reconcile(session, sent(other))
    assert [record["text"] for record in pds.records.values()] == ["Hello"]


async def test_reconcile_needs_no_token_and_says_when_it_cannot_ask(
    session: Session, checkpoint: SavedCheckpoint, pds: FakePds, content: Make
) -> None:
    published = await bluesky.publish(session, content(), key=KEY, checkpoint=checkpoint)
    stranger = replace(session, tokens={})
    assert await bluesky.reconcile(stranger, sent(content())) == published
    for status, code in ((503, "NotEnoughResources"), (502, "RecordNotFound")):
        pds.next_reply("getRecord", partial(refused, status, code))
        with pytest.raises(Unavailable):
            await bluesky.reconcile(stranger, sent(content()))


async def test_being_unable_to_ask_for_a_handle_stops_before_the_fence(
    session: Session, checkpoint: SavedCheckpoint, pds: FakePds, content: Make
) -> None:
    pds.next_reply("resolveHandle", lambda: refused(502, "UpstreamFailure"))
    with pytest.raises(Unavailable):
        await bluesky.publish(session, content("@bob.test"), key=KEY, checkpoint=checkpoint)
    assert "fence" not in pds.journal


async def test_a_mention_of_nobody_stays_text(session: Session, checkpoint: SavedCheckpoint, pds: FakePds, content: Make) -> None:
    await bluesky.publish(session, content("@nobody.test"), key=KEY, checkpoint=checkpoint)
    (record,) = pds.records.values()
    assert "facets" not in record


async def test_what_the_lexicon_refuses_is_not_even_sent(
    session: Session, checkpoint: SavedCheckpoint, pds: FakePds, content: Make
) -> None:
    with pytest.raises(ContentRejected):
        await bluesky.publish(session, content("x" * 3001), key=KEY, checkpoint=checkpoint)
    assert pds.journal == []


async def test_an_expired_token_is_refreshed_and_the_post_goes_out_once(
    session: Session, checkpoint: SavedCheckpoint, pds: FakePds, content: Make
) -> None:
    pds.access = "access-2"
    with pytest.raises(TokenExpired):
        await bluesky.publish(session, content(), key=KEY, checkpoint=checkpoint)
    tokens = (await bluesky.refresh(session)).values
    assert tokens == {"access": pds.access, "refresh": pds.refresh}
    await bluesky.publish(replace(session, tokens=tokens), content(), key=KEY, checkpoint=checkpoint)
    assert len(pds.records) == 1


@pytest.mark.parametrize(
    ("reply", "leaf"),
    [
        (lambda: refused(400, "ExpiredToken", "Token has been revoked"), TokenExpired),
        (lambda: refused(401, "AccountTakedown"), TokenRevoked),
        (lambda: refused(500, "InternalServerError"), Unavailable),
        (broken(httpx.ReadTimeout), Unavailable),
        (lambda: httpx.Response(200, json={"accessJwt": "secret-token"}), Unavailable),
    ],
)
async def test_what_a_failed_refresh_means(
    session: Session, pds: FakePds, reply: Callable[[], httpx.Response], leaf: type[PlatformError]
) -> None:
    pds.next_reply("refreshSession", reply)
    with pytest.raises(PlatformError) as caught:
        await bluesky.refresh(session)
    assert type(caught.value) is leaf
    assert caught.value.__cause__ is None or "secret-token" not in str(caught.value.__cause__)


async def test_the_limits_are_asked_for_again(session: Session, pds: FakePds) -> None:
    pds.described["blobUploadLimit"] = 1_000_000
    assert await bluesky.limits(session) == {"blob_bytes": 1_000_000}


async def test_an_answer_about_another_address_proves_nothing(
    session: Session, checkpoint: SavedCheckpoint, pds: FakePds, content: Make
) -> None:
    other = {"uri": f"at://{DID}/app.bsky.feed.post/3mabcdefghi2k", "cid": "bafyreiabcdefgh"}
    pds.next_reply("putRecord", lambda: httpx.Response(200, json=other))
    with pytest.raises(UnexpectedReply):
        await bluesky.publish(session, content(), key=KEY, checkpoint=checkpoint)


# --- absent, or only out of sight ---------------------------------------------------------------------------------------
# A server passes getRecord on to the AppView when it does not serve the account, and that one answers in the same words.

NO_RECORD = partial(refused, 400, "RecordNotFound", "Could not locate record: at://x")


@pytest.mark.parametrize(
    ("status", "said"),
    [("deactivated", "deactivated"), ("suspended", "suspended"), ("takendown", "taken this account down"), (None, "not active")],
)
async def test_a_record_of_an_inactive_account_is_not_absent(
    session: Session, pds: FakePds, content: Make, status: str | None, said: str
) -> None:
    pds.inactive = status or "?"
    pds.next_reply("getRecord", NO_RECORD)
    with pytest.raises(TokenRevoked, match=said):
        await bluesky.reconcile(session, sent(content()))


@pytest.mark.parametrize(
    "reply",
    [
        NO_RECORD,
        lambda: refused(400, "InvalidRequest", "Could not locate record"),
        lambda: refused(400, "InvalidRequest", "Could not find repo: did:plc:alice"),
        lambda: refused(400, "RepoNotFound", "Could not find repo"),
    ],
)
async def test_an_account_that_has_moved_away_is_asked_about_elsewhere(
    session: Session, pds: FakePds, content: Make, reply: Callable[[], httpx.Response]
) -> None:
    pds.next_reply("getRecord", reply)
    pds.next_reply("getRepoStatus", lambda: refused(400, "RepoNotFound", "Could not find repo for DID"))
    with pytest.raises(TokenRevoked, match="no longer on this server"):
        await bluesky.reconcile(session, sent(content()))


@pytest.mark.parametrize(
    ("method", "reply"),
    [
        ("getRecord", lambda: httpx.Response(404, html="RecordNotFound")),
        ("getRecord", lambda: httpx.Response(400, content=b'{"error":"RecordNotFound","mess')),
        ("getRecord", lambda: refused(502, "RecordNotFound")),
        ("getRecord", lambda: refused(401, "AuthMissing")),
        ("getRecord", lambda: refused(400, "InvalidRequest", "?")),
        ("getRecord", lambda: httpx.Response(200, json={})),
        ("getRepoStatus", lambda: httpx.Response(200, json={})),
        ("getRepoStatus", lambda: httpx.Response(200, json={"did": "did:plc:bob", "active": True})),
        ("getRepoStatus", lambda: httpx.Response(200, html="?")),
        ("getRepoStatus", lambda: refused(400, "InvalidRequest", "?")),
        ("getRepoStatus", lambda: refused(501, "MethodNotImplemented")),
        ("getRepoStatus", broken(httpx.ReadTimeout)),
    ],
)
async def test_nothing_else_is_absent(
    session: Session, pds: FakePds, content: Make, method: str, reply: Callable[[], httpx.Response]
) -> None:
    pds.next_reply(method, reply)
    with pytest.raises((Unavailable, Unconfirmed)):
        await bluesky.reconcile(session, sent(content()))
    assert await bluesky.reconcile(session, sent(content())) == Absent()


async def test_what_was_absent_may_be_sent_again_even_if_it_arrives_after_all(
    session: Session, checkpoint: SavedCheckpoint, pds: FakePds, content: Make
) -> None:
    assert await bluesky.reconcile(session, sent(content())) == Absent()
    late = await bluesky.publish(session, content(), key=KEY, checkpoint=checkpoint)
    assert await bluesky.publish(session, content(), key=KEY, checkpoint=checkpoint) == late
    assert len(pds.records) == 1
