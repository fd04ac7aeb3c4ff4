from datetime import UTC, datetime, timedelta

import httpx
import pytest

from platforms.bluesky.errors import refusal
from platforms.errors import (
    ContentRejected,
    MediaRejected,
    PlatformError,
    QuotaExhausted,
    RateLimited,
    ScopeMissing,
    TokenExpired,
    TokenRevoked,
    Unavailable,
    UnexpectedReply,
)
from tests.unit.platforms.bluesky.fake_pds import refused

LONG = "Invalid app.bsky.feed.post record: grapheme too big (maximum 300, got 301) at $.record.text"
MANY = "Invalid app.bsky.feed.post record: array too big (maximum 4, got 5) at $.record.embed.images"
LARGE = "blob too big (maximum 2000000, got 3313202) at $.record.embed.images[0].image"


@pytest.mark.parametrize(
    ("status", "code", "text", "leaf"),
    [
        (400, "ExpiredToken", "Token has expired", TokenExpired),
        (401, "ExpiredToken", "", TokenExpired),
        (400, "InvalidToken", "Token could not be verified", TokenRevoked),
        (401, "AuthMissing", "Authentication Required", TokenRevoked),
        (401, "AuthenticationRequired", "", TokenRevoked),
        (401, "AccountTakedown", "", TokenRevoked),
        (401, "AccountDeactivated", "", TokenRevoked),
        (403, "AccountNotFound", "", TokenRevoked),
        (403, "ScopeMissingError", "Missing required scope", ScopeMissing),
        (400, "InvalidRequest", LONG, ContentRejected),
        (400, "InvalidRequest", MANY, MediaRejected),
        (400, "InvalidRequest", LARGE, MediaRejected),
        (400, "InvalidRequest", 'Expected "image/*" (got "text/plain")', MediaRejected),
        (400, "InvalidRequest", "Invalid datetime", ContentRejected),
        (404, "XRPCNotSupported", "", ContentRejected),
        (406, "NotAcceptable", "", ContentRejected),
        (400, "BlobNotFound", "", Unavailable),
        (400, "InvalidMimeType", "", MediaRejected),
        (413, "PayloadTooLarge", "request entity too large", MediaRejected),
        (429, "RateLimitExceeded", "Rate Limit Exceeded", RateLimited),
        (500, "InternalServerError", "Internal Server Error", UnexpectedReply),
        (502, "UpstreamFailure", "", UnexpectedReply),
        (503, "NotEnoughResources", "", UnexpectedReply),
        (502, "ExpiredToken", "", UnexpectedReply),
        (502, "BlobNotFound", "", UnexpectedReply),
    ],
)
def test_the_table_for_the_mutation(status: int, code: str, text: str, leaf: type[PlatformError]) -> None:
    error = refusal(refused(status, code, text), mutation=True)
    assert (type(error), error.code, error.status) == (leaf, code, status)
    assert not text or text not in error.message


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(502, html="<h1>Bad gateway</h1>"),
        httpx.Response(404, html="<h1>Not found</h1>"),
        httpx.Response(400, json=["not", "an", "error"]),
        httpx.Response(400, json={"error": 7}),
        httpx.Response(400, content=b"\xff\xfe"),
        httpx.Response(302, headers={"Location": "https://elsewhere.test"}),
    ],
)
def test_an_answer_that_is_not_xrpc_proves_nothing(answer: httpx.Response) -> None:
    assert isinstance(refusal(answer, mutation=True), UnexpectedReply)
    assert isinstance(refusal(answer, mutation=False), Unavailable)


BODIES = {
    "xrpc": b'{"error":"Whatever","message":"?"}',
    "html": b"<h1>?</h1>",
    "empty": b"",
    "truncated": b'{"error":"Whatev',
    "a proxy's JSON": b'{"error":"Too many requests"}',
    "too deep": b"[" * 100_000,
}
CERTAIN = {400, 401, 403, 404, 406, 413, 415, 429}
"""The statuses an XRPC server refuses with (AT Protocol's ``ResponseType``, less those above 500)."""


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_after_the_mutation_only_a_servers_own_refusal_is_certain(body: bytes) -> None:
    for status in range(400, 600):
        error = refusal(httpx.Response(status, content=body), mutation=True)
        certain = status in CERTAIN and body == BODIES["xrpc"]
        assert isinstance(error, UnexpectedReply) is not certain, status
        assert error.code == ("Whatever" if body == BODIES["xrpc"] else "odd_reply"), status


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("status", [408, 409, 425, 499])
def test_a_read_or_an_upload_that_something_in_between_gave_up_is_worth_another_try(status: int, body: bytes) -> None:
    assert isinstance(refusal(httpx.Response(status, content=body), mutation=False), Unavailable)


def test_a_proxys_own_refusals_count_for_uploads_and_reads() -> None:
    assert isinstance(refusal(httpx.Response(413, html="?"), mutation=False), MediaRejected)
    assert isinstance(refusal(httpx.Response(429), mutation=False), RateLimited)


@pytest.mark.parametrize("mutation", [True, False])
def test_a_proxy_may_say_how_long_to_wait(mutation: bool) -> None:
    error = refusal(httpx.Response(429, headers={"Retry-After": "7"}), mutation=mutation)
    assert error.retry_after == timedelta(seconds=7)


@pytest.mark.parametrize("name", ["x" * 101, "two words", "line\nbreak", "", "<b>"])
def test_what_is_no_error_name_is_not_taken_for_one(name: str) -> None:
    assert refusal(refused(400, name), mutation=True).code == "odd_reply"


def test_the_reset_time_counts_when_nothing_better_is_said() -> None:
    in_ten_minutes = int((datetime.now(UTC) + timedelta(minutes=10)).timestamp())
    headers = {"RateLimit-Reset": str(in_ten_minutes), "RateLimit-Policy": "3000;w=300"}
    error = refusal(refused(429, "RateLimitExceeded", headers=headers), mutation=False)
    assert type(error) is RateLimited
    assert error.retry_after is not None
    assert timedelta(minutes=9) < error.retry_after <= timedelta(minutes=10)


def test_a_limit_over_an_hour_is_a_quota() -> None:
    headers = {"Retry-After": "1800", "RateLimit-Policy": "5000;w=3600"}
    error = refusal(refused(429, "RateLimitExceeded", headers=headers), mutation=True)
    assert type(error) is QuotaExhausted
    assert error.retry_after == timedelta(minutes=30)


@pytest.mark.parametrize(
    "headers",
    [
        {"Retry-After": "soon"},
        {"Retry-After": "nan"},
        {"Retry-After": "inf"},
        {"RateLimit-Reset": "9" * 30},
        {"RateLimit-Reset": "9" * 5000},
        {"RateLimit-Policy": "x"},
    ],
)
def test_nonsense_headers_mean_no_advice(headers: dict[str, str]) -> None:
    assert refusal(refused(429, "RateLimitExceeded", headers=headers), mutation=True).retry_after is None


@pytest.mark.parametrize(
    "headers",
    [
        {"Retry-After": "1e300"},
        {"Retry-After": "1e11"},
        {"Retry-After": "Fri, 31 Dec 9999 23:59:59 GMT"},
        {"RateLimit-Reset": "99999999999"},
    ],
)
def test_nobody_waits_longer_than_a_day(headers: dict[str, str]) -> None:
    assert refusal(refused(429, "RateLimitExceeded", headers=headers), mutation=True).retry_after == timedelta(days=1)


@pytest.mark.parametrize("headers", [{"Retry-After": "-5"}, {"RateLimit-Reset": "-5"}, {"RateLimit-Reset": "5"}])
def test_a_time_that_has_passed_means_now(headers: dict[str, str]) -> None:
    assert refusal(refused(429, "RateLimitExceeded", headers=headers), mutation=True).retry_after == timedelta(0)


@pytest.mark.parametrize("window", ["9" * 5000, "²", "-1", "", "99999999999999999999"])
def test_a_window_that_is_no_number_is_a_short_one(window: str) -> None:
    headers = {"RateLimit-Policy": f"5000;w={window}".encode()}
    answer = httpx.Response(429, json={"error": "RateLimitExceeded"}, headers=list(headers.items()))
    assert type(refusal(answer, mutation=True)) is RateLimited


def test_the_window_may_be_one_parameter_of_several() -> None:
    headers = {"RateLimit-Policy": '5000;w=3600;burst=1, 9;w=1;policy="hour"'}
    assert type(refusal(refused(429, "RateLimitExceeded", headers=headers), mutation=True)) is QuotaExhausted


def test_other_refusals_do_not_carry_the_limits_reset_time() -> None:
    assert refusal(refused(400, "ExpiredToken", headers={"RateLimit-Reset": "4102444800"}), mutation=True).retry_after is None
