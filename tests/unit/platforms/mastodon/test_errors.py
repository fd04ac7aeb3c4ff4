from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest

from platforms.errors import (
    ContentRejected,
    MediaRejected,
    PlatformError,
    RateLimited,
    Remedy,
    ScopeMissing,
    TokenRevoked,
    Unavailable,
    Unconfirmed,
    UnexpectedReply,
)
from platforms.mastodon.errors import Step, refused
from tests.unit.platforms.mastodon.instance import NOW, Scene, post, reply

NOT_READY = "Cannot attach files that have not finished processing. Try again in a moment!"
TOO_LONG = "Validation failed: Text character limit of 500 exceeded"
LOCKED = "There was a temporary problem serving your request, please try again"

ROWS: list[tuple[int, Step, str, type[PlatformError]]] = [
    (400, "post", "", UnexpectedReply),
    (400, "post", "Bad Request", ContentRejected),
    (400, "upload", "", MediaRejected),
    (400, "read", "", Unavailable),
    (401, "post", "The access token is invalid", TokenRevoked),
    (401, "read", "The access token was revoked", TokenRevoked),
    (403, "post", "This action is outside the authorized scopes", ScopeMissing),
    (403, "upload", "This action is outside the authorized scopes", ScopeMissing),
    (403, "post", "Your login is currently disabled", TokenRevoked),
    (403, "post", "Your login is currently pending approval", TokenRevoked),
    (403, "post", "This action is not allowed", ContentRejected),
    (403, "upload", "This action is not allowed", MediaRejected),
    (403, "read", "", Unavailable),
    (404, "post", "Record not found", ContentRejected),
    (404, "read", "Record not found", Unavailable),
    (408, "post", "", UnexpectedReply),
    (410, "read", "", TokenRevoked),
    (413, "upload", "", MediaRejected),
    (422, "post", TOO_LONG, ContentRejected),
    (422, "post", "Validation failed: Text can't be blank", ContentRejected),
    (422, "post", NOT_READY, Unavailable),
    (422, "post", "Media 7 not found or already attached to another post", Unavailable),
    (422, "post", "Cannot attach more than 4 files", MediaRejected),
    (422, "post", "This method requires an authenticated user", TokenRevoked),
    (422, "upload", "Validation failed: File content type is invalid, File is invalid", MediaRejected),
    (429, "post", "Too many requests", RateLimited),
    (429, "upload", "Too many requests", RateLimited),
    (500, "post", "Internal Server Error", UnexpectedReply),
    (500, "read", "", Unavailable),
    (500, "upload", "Error processing thumbnail for uploaded media", MediaRejected),
    (500, "upload", "", Unavailable),
    (502, "post", "", UnexpectedReply),
    (503, "post", LOCKED, UnexpectedReply),
    (503, "read", "", Unavailable),
    (301, "post", "", UnexpectedReply),
    (301, "read", "", Unavailable),
]


@pytest.mark.parametrize(("status", "step", "said", "leaf"), ROWS)
def test_each_refusal_is_a_leaf_with_the_right_remedy(status: int, step: Step, said: str, leaf: type[PlatformError]) -> None:
    error = refused(reply(status, error=said), step)
    assert type(error) is leaf
    assert error.status == status
    assert error.message.endswith((".", "!", said))


BODIES = {
    "an explanation": b'{"error": "This action is not allowed"}',
    "an empty explanation": b'{"error": " \\u0000"}',
    "another object": b'{"status": 429, "title": "Slow down"}',
    "a list": b'[{"error": "x"}]',
    "a page": b"<html><body>nginx</body></html>",
    "nothing": b"",
    "half an object": b'{"error": "This action is not all',
    "noise": b"\xff\xfe",
}
OPEN = {408, 409, 425, 499}
"""What a proxy says that gave up, or a server that is busy with the same request: no refusal, whatever the words."""


@pytest.mark.parametrize("body", BODIES)
def test_only_the_servers_own_words_prove_that_a_post_was_refused(body: str) -> None:
    for status in range(400, 600):
        error = refused(httpx.Response(status, content=BODIES[body]), "post")
        certain = body == "an explanation" and status < 500 and status not in OPEN
        assert (status, isinstance(error, UnexpectedReply), error.remedy is Remedy.RECONCILE) == (
            status,
            not certain,
            not certain,
        )
        assert error.status == status


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("step", ["read", "upload"])
def test_what_nobody_sees_is_never_in_doubt(step: Step, body: str) -> None:
    found = [refused(httpx.Response(status, content=BODIES[body]), step) for status in range(400, 600)]
    assert not any(isinstance(error, Unconfirmed) for error in found)


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 422, 429, 500, 503])
@pytest.mark.parametrize("body", [b"", b"<html>nginx</html>", b'"text"', b"[1]", b'{"error": {"a": 1}}', b"\xff\xfe"])
def test_a_body_that_is_no_mastodon_error_changes_nothing(status: int, body: bytes) -> None:
    expected = refused(httpx.Response(status), "post")
    error = refused(httpx.Response(status, content=body), "post")
    assert (type(error), error.message) == (type(expected), expected.message)


def test_a_person_is_shown_why_the_post_was_refused() -> None:
    assert TOO_LONG in refused(reply(422, error=TOO_LONG), "post").message


def test_a_long_explanation_is_cut_and_its_control_characters_are_gone() -> None:
    message = refused(reply(422, error="bad\x1b[31m\n\u202eevil " + "x" * 5000), "post").message
    assert len(message) < 300
    assert message.isprintable()


def test_braces_in_an_explanation_are_only_text() -> None:
    assert "{said} {0}" in refused(reply(422, error="{said} {0}"), "post").message


def test_only_validation_errors_are_quoted() -> None:
    assert "secret" not in refused(reply(401, error="secret"), "post").message


def at(moment: datetime) -> str:
    return format_datetime(moment, usegmt=True)


@pytest.mark.parametrize(
    ("status", "headers", "expected"),
    [
        (429, {"X-RateLimit-Reset": "2026-05-04T12:05:00.123456Z", "Date": at(NOW)}, timedelta(minutes=5)),
        (429, {"Retry-After": "120", "X-RateLimit-Reset": "2026-05-04T18:00:00Z"}, timedelta(seconds=120)),
        (429, {"Retry-After": at(NOW + timedelta(minutes=2)), "Date": at(NOW)}, timedelta(minutes=2)),
        (429, {"X-RateLimit-Reset": "2026-05-04T11:00:00Z", "Date": at(NOW)}, timedelta()),
        (429, {"X-RateLimit-Reset": "soon", "Retry-After": "later"}, None),
        (429, {}, None),
        (503, {"Retry-After": "30"}, timedelta(seconds=30)),
        (503, {"X-RateLimit-Reset": "2026-05-04T18:00:00Z", "Date": at(NOW)}, None),
        (429, {"Retry-After": "9" * 400}, timedelta(days=1)),
        (429, {"X-RateLimit-Reset": "9999-12-31T23:59:59Z", "Date": at(NOW)}, timedelta(days=1)),
    ],
)
def test_the_wait_is_read_from_either_header(status: int, headers: dict[str, str], expected: timedelta | None) -> None:
    found = refused(httpx.Response(status, headers=headers, json={"error": "Wait"}), "post").retry_after
    assert (found and found - timedelta(microseconds=found.microseconds)) == expected


def test_without_a_server_clock_the_wait_is_measured_with_ours() -> None:
    reset = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    found = refused(httpx.Response(429, headers={"X-RateLimit-Reset": reset}), "read").retry_after
    assert found is not None
    assert timedelta(minutes=59) < found <= timedelta(hours=1)


async def test_a_refused_token_cannot_be_refreshed(scene: Scene) -> None:
    with pytest.raises(TokenRevoked):
        await scene.signed_out().publish(post())
    with pytest.raises(TokenRevoked):
        await scene.mastodon.refresh(scene.session)
