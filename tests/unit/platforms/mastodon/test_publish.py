import json

import httpx
import pytest

from platforms.base import Published, Waiting
from platforms.errors import (
    ContentRejected,
    MediaRejected,
    Misconfigured,
    PlatformError,
    RateLimited,
    TimedOut,
    Unavailable,
    Unconfirmed,
    UnexpectedReply,
)
from platforms.http import HostRefused
from tests.unit.platforms.mastodon.instance import ORIGIN, Picture, Scene, multipart, post, reply

POST = "POST /api/v1/statuses"
UPLOAD = "POST /api/v2/media"


async def test_the_receipt_holds_the_servers_id_and_address(scene: Scene) -> None:
    published = await scene.publish(post())
    (status,) = scene.server.statuses
    assert (published.remote_id, published.url) == (status["id"], f"{ORIGIN}/@alice/{status['id']}")


async def test_what_the_person_chose_is_what_is_sent(scene: Scene) -> None:
    await scene.publish(post("Ding", language="de", options={"visibility": "unlisted", "warning": "Loud"}))
    (request,) = scene.server.requests
    assert request.headers["Idempotency-Key"] == "key-1"
    assert json.loads(request.content) == {
        "status": "Ding",
        "visibility": "unlisted",
        "media_ids": [],
        "spoiler_text": "Loud",
        "language": "de",
    }


async def test_without_choices_a_post_is_public_and_the_rest_is_left_to_the_server(scene: Scene) -> None:
    await scene.publish(post("Ding"))
    body = json.loads(scene.server.requests[0].content)
    assert body == {"status": "Ding", "visibility": "public", "media_ids": []}


async def test_the_fence_stands_immediately_before_the_one_post(scene: Scene) -> None:
    await scene.publish(post(media=(Picture("m1").media, Picture("m2").media)))
    assert scene.server.log == [UPLOAD, "save", UPLOAD, "save", "fence", POST]


async def test_files_go_up_with_their_description_and_are_attached_in_order(scene: Scene) -> None:
    await scene.publish(post(media=(Picture("m1", alt="Größe").media, Picture("m2", alt="").media)))
    first, second = (multipart(request) for request in scene.server.requests[:2])
    assert first["description"].get_payload(decode=True).decode() == "Größe"
    assert first["file"].get_payload(decode=True).endswith(b"m1")
    assert first["file"].get_content_type() == "image/png"
    assert "description" not in second
    saved = scene.checkpoint.saved["media"]
    attached = [item["id"] for item in scene.server.statuses[0]["media_attachments"]]
    assert attached == [saved["m1"], saved["m2"]]


async def test_files_that_are_still_processed_are_waited_for_without_holding_anybody(scene: Scene) -> None:
    picture = Picture("m1")
    scene.server.processing_polls = 3
    content = post(media=(picture.media,))
    outcomes = [await scene.publish(content) for _ in range(4)]
    assert [type(outcome) for outcome in outcomes] == [Waiting, Waiting, Waiting, Published]
    poll = f"GET /api/v1/media/{scene.checkpoint.saved['media']['m1']}"
    assert scene.server.log == [UPLOAD, "save", poll, poll, poll, "fence", POST]
    assert picture.reads == 1


async def test_only_the_files_that_are_missing_are_uploaded(scene: Scene) -> None:
    pictures = (Picture("m1"), Picture("m2"))
    files = tuple(picture.media for picture in pictures)
    scene.server.fails("POST", "/api/v2/media", reply(200, id="7001", url="x"), httpx.ReadTimeout("slow"))
    scene.server.fails("GET", "/api/v1/media/7001", reply(200, id="7001", url="x"))
    with pytest.raises(Unavailable):
        await scene.publish(post(media=files))
    scene.server.fails("POST", "/api/v1/statuses", reply(200, id="1", url=ORIGIN))
    await scene.publish(post(media=files))
    assert [picture.reads for picture in pictures] == [1, 2]


async def test_an_upload_the_server_has_dropped_is_sent_again(scene: Scene) -> None:
    scene.checkpoint.saved = {"media": {"m1": "999"}}
    await scene.publish(post(media=(Picture("m1").media,)))
    assert scene.checkpoint.saved["media"]["m1"] != "999"
    assert scene.server.log == ["GET /api/v1/media/999", UPLOAD, "save", "fence", POST]


async def test_an_upload_that_could_not_be_processed_is_the_persons_to_change(scene: Scene) -> None:
    content = post(media=(Picture("m1").media,))
    scene.server.processing_polls = 3
    assert isinstance(await scene.publish(content), Waiting)
    (upload,) = scene.server.media.values()
    upload.broken = True
    with pytest.raises(MediaRejected):
        await scene.publish(content)
    assert "fence" not in scene.server.log
    scene.server.processing_polls = 0
    await scene.publish(content)
    assert scene.server.log.count(UPLOAD) == 2, "when a person tries again, it does not stay with the broken one"


async def test_an_upload_lost_between_the_look_and_the_post_is_replaced_by_the_next_attempt(scene: Scene) -> None:
    content = post(media=(Picture("m1").media,))
    lost = reply(422, error="Media 7 not found or already attached to another post")
    scene.server.fails("POST", "/api/v1/statuses", lost)
    with pytest.raises(Unavailable):
        await scene.publish(content)
    scene.server.media.clear()
    await scene.publish(content)
    assert len(scene.server.statuses) == 1


async def test_an_upload_without_an_id_is_tried_again_later(scene: Scene) -> None:
    scene.server.fails("POST", "/api/v2/media", httpx.Response(200, text="<html>"))
    with pytest.raises(Unavailable):
        await scene.publish(post(media=(Picture("m1").media,)))


async def test_a_refused_upload_never_reaches_the_fence(scene: Scene) -> None:
    scene.server.fails("POST", "/api/v2/media", reply(422, error="Validation failed: File content type is invalid"))
    with pytest.raises(MediaRejected):
        await scene.publish(post(media=(Picture("m1").media,)))
    assert scene.server.log == [UPLOAD]


@pytest.mark.parametrize(
    ("answer", "leaf"),
    [
        (httpx.ReadTimeout("slow"), TimedOut),
        (httpx.ReadError("reset"), TimedOut),
        (httpx.WriteError("reset"), TimedOut),
        (httpx.RemoteProtocolError("garbage"), TimedOut),
        (httpx.ConnectError("refused"), Unavailable),
        (httpx.ConnectTimeout("slow"), Unavailable),
        (HostRefused("private"), Misconfigured),
        (reply(500, error="Internal Server Error"), UnexpectedReply),
        (reply(503, error="There was a temporary problem serving your request"), UnexpectedReply),
        (httpx.Response(504, text="<html>"), UnexpectedReply),
        (httpx.Response(403, text="<html>"), UnexpectedReply),
        (httpx.Response(429, text="<html>"), UnexpectedReply),
        (httpx.Response(413), UnexpectedReply),
        (reply(409, error="Conflict"), UnexpectedReply),
        (httpx.Response(200, text="<html>welcome"), UnexpectedReply),
        (httpx.Response(200, json=[]), UnexpectedReply),
        (reply(200), UnexpectedReply),
        (reply(200, id=None, url=ORIGIN), UnexpectedReply),
        (reply(200, id="7", scheduled_at="2026-01-01", params={}), UnexpectedReply),
        (reply(200, id="7", url="javascript:alert(1)", uri=None), UnexpectedReply),
        (httpx.Response(302, headers={"Location": ORIGIN}), UnexpectedReply),
        (reply(422, error="Validation failed: Text character limit of 500 exceeded"), ContentRejected),
        (reply(429, error="Too many requests"), RateLimited),
    ],
)
async def test_an_answer_to_the_post_is_classed_by_what_may_have_happened(
    scene: Scene, answer: httpx.Response | Exception, leaf: type[PlatformError]
) -> None:
    scene.server.fails("POST", "/api/v1/statuses", answer)
    with pytest.raises(leaf) as caught:
        await scene.publish(post())
    assert type(caught.value) is leaf
    assert scene.server.log == ["fence", POST]


async def test_a_lost_answer_is_unconfirmed_though_the_post_exists(scene: Scene) -> None:
    scene.server.lose_replies.add("/api/v1/statuses")
    with pytest.raises(Unconfirmed):
        await scene.publish(post())
    assert len(scene.server.statuses) == 1


async def test_the_same_key_sent_again_gives_the_first_post(scene: Scene) -> None:
    first = await scene.publish(post(), key="key-1")
    assert await scene.publish(post(), key="key-1") == first
    assert await scene.publish(post(), key="key-2") != first


async def test_a_worker_that_lost_its_lease_at_the_fence_sends_nothing(scene: Scene) -> None:
    class Lost(Exception):
        pass

    class Expired:
        saved: dict[str, object] = {}  # noqa: RUF012

        async def save(self, **data: object) -> None: ...

        async def fence(self) -> None:
            raise Lost

    with pytest.raises(Lost):
        await scene.mastodon.publish(scene.session, post(), key="key-1", checkpoint=Expired())
    assert scene.server.requests == []


async def test_refusals_are_asked_for_in_english(scene: Scene) -> None:
    content = post(media=(Picture("m1").media,))
    scene.server.processing_polls = 1
    await scene.publish(content)
    await scene.publish(content)
    assert {request.url.params["lang"] for request in scene.server.requests} == {"en"}


@pytest.mark.parametrize("path", ["/api/v2/media", "/api/v1/statuses"])
async def test_whatever_changes_something_is_sent_once_even_then(scene: Scene, path: str) -> None:
    scene.server.fails("POST", path, httpx.RemoteProtocolError("closed"))
    with pytest.raises((Unavailable, TimedOut)):
        await scene.publish(post(media=(Picture("m1").media,)))
    assert scene.server.log.count(f"POST {path}") == 1
