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
        (499, "Whatever", "", ContentRejected),
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


def test_a_proxy_may_limit_without_a_body() -> None:
    error = refusal(httpx.Response(429, headers={"Retry-After": "7"}), mutation=True)
    assert isinstance(error, RateLimited)
    assert error.retry_after == timedelta(seconds=7)


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
    "headers", [{"Retry-After": "soon"}, {"Retry-After": "1e300"}, {"RateLimit-Reset": "9" * 30}, {"RateLimit-Policy": "x"}]
)
def test_nonsense_headers_mean_no_advice(headers: dict[str, str]) -> None:
    assert refusal(refused(429, "RateLimitExceeded", headers=headers), mutation=True).retry_after is None


def test_other_refusals_do_not_carry_the_limits_reset_time() -> None:
    assert refusal(refused(400, "ExpiredToken", headers={"RateLimit-Reset": "4102444800"}), mutation=True).retry_after is None
