"""What differs between providers: whom an address means, what is signed for them, and what their operators are told."""

from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from pydantic import ValidationError

from app.ids import Id
from app.settings import Settings, StorageSettings
from app.storage import keys, open_storage, rules
from app.storage.by_hand import cors, lifecycle
from app.storage.clients import origins
from app.storage.providers import PROVIDERS

KEY = keys.temp(Id("0" * 28), Id("1" * 28), "video/mp4")
PAIR = {"s3_access_key": "access", "s3_secret_key": "secret"}
AWS = {"s3_bucket": "media", "s3_region": "eu-central-1"}
ADDRESSES = {
    "aws": AWS,
    "gcs": {"s3_bucket": "media", "s3_endpoint_url": "https://storage.googleapis.com"},
    "r2": {"s3_bucket": "media", "s3_endpoint_url": "https://0123abcd.r2.cloudflarestorage.com"},
    "minio": {"s3_bucket": "media", "s3_endpoint_url": "http://minio:9000", "s3_provider": "minio"},
    "other": {"s3_bucket": "media", "s3_endpoint_url": "https://s3.example.org/"},
}


def settings(**given: str) -> Settings:
    return Settings(secret_key="k" * 32, mongodb_url="mongodb://localhost/carillon", **PAIR, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", PROVIDERS)
def test_the_address_tells_who_is_meant(name: str) -> None:
    assert StorageSettings(**ADDRESSES[name]).provider == name  # type: ignore[arg-type]


def test_google_needs_no_address() -> None:
    assert StorageSettings(s3_bucket="media", s3_provider="gcs").provider == "gcs"


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ({"s3_bucket": "media"}, "CARILLON_S3_REGION"),
        ({"s3_bucket": "media", "s3_provider": "minio"}, "CARILLON_S3_ENDPOINT_URL"),
        ({"s3_bucket": "media", "s3_provider": "r2"}, "CARILLON_S3_ENDPOINT_URL"),
        ({"s3_provider": "azure"}, "aws"),
        ({"s3_endpoint_url": "storage.googleapis.com"}, "https://"),
        ({"s3_endpoint_url": "https://s3.example.org/media"}, "without the bucket's name"),
        ({"s3_public_url": "ftp://s3.example.org"}, "https://"),
        ({"s3_access_key": "half"}, "or neither"),
    ],
)
def test_what_cannot_work_is_refused_at_the_start(given: dict[str, str], word: str) -> None:
    with pytest.raises(ValidationError, match=word):
        StorageSettings(**given)  # type: ignore[arg-type]


def test_a_refusal_does_not_repeat_secrets() -> None:
    with pytest.raises(ValidationError) as refusal:
        StorageSettings(s3_bucket="media", s3_access_key="id", s3_secret_key="opensesame")  # type: ignore[arg-type]
    assert "opensesame" not in str(refusal.value)


@pytest.mark.parametrize("name", PROVIDERS)
async def test_type_and_size_are_signed_for_everybody(name: str) -> None:
    """Version 4, no checksum that a browser would not send, and the bucket's own host at AWS, which does not redirect."""
    signed = await open_storage(settings(**ADDRESSES[name])).put_url(KEY, mime="video/mp4", size=9, lasts=timedelta(minutes=5))
    url = urlsplit(signed.url)
    query = {key: value[0] for key, value in parse_qs(url.query).items()}
    assert query["X-Amz-Algorithm"] == "AWS4-HMAC-SHA256"
    assert query["X-Amz-SignedHeaders"] == "content-length;content-type;host"
    assert (query["X-Amz-Expires"], dict(signed.headers)) == ("300", {"Content-Type": "video/mp4"})
    assert not any("checksum" in key.lower() for key in query)
    if name == "aws":
        assert (url.netloc, url.path) == ("media.s3.eu-central-1.amazonaws.com", f"/{KEY}")
    else:
        assert (url.netloc, url.path) == (urlsplit(ADDRESSES[name]["s3_endpoint_url"]).netloc, f"/media/{KEY}")


async def test_browsers_get_the_address_at_which_they_reach_the_bucket() -> None:
    storage = open_storage(settings(**ADDRESSES["minio"], s3_public_url="https://media.example.org"))
    assert (await storage.get_url(KEY, lasts=timedelta(hours=1))).startswith(f"https://media.example.org/media/{KEY}?")


async def test_a_folders_address_for_networks_is_whole_where_people_have_one() -> None:
    plain = Settings(secret_key="k" * 32, mongodb_url="mongodb://localhost/carillon")  # type: ignore[arg-type]
    assert (await open_storage(plain).get_url(KEY, lasts=timedelta(hours=1))).startswith(f"/files/{KEY}?")
    public = plain.model_copy(update={"public_url": "https://social.example.org/"})
    assert (await open_storage(public).get_url(KEY, lasts=timedelta(hours=1))).startswith(
        f"https://social.example.org/files/{KEY}?"
    )
    put = await open_storage(public).put_url(KEY, mime="video/mp4", size=1, lasts=timedelta(hours=1))
    assert put.url.startswith(f"/files/{KEY}?")


@pytest.mark.parametrize("name", PROVIDERS)
async def test_a_page_may_speak_to_the_server_that_signed_addresses_name(name: str) -> None:
    given = settings(**ADDRESSES[name])
    signed = await open_storage(given).put_url(KEY, mime="video/mp4", size=1, lasts=timedelta(minutes=1))
    parts = urlsplit(signed.url)
    assert f"{parts.scheme}://{parts.netloc}" in origins(given)


def test_a_page_speaks_to_the_address_that_browsers_use_and_with_a_folder_to_none() -> None:
    assert origins(settings(**ADDRESSES["minio"], s3_public_url="https://media.example.org")) == ["https://media.example.org"]
    assert origins(settings()) == []


# --- setting up -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PROVIDERS)
def test_what_is_to_be_done_by_hand_is_told_for_everybody(name: str) -> None:
    given = StorageSettings(**ADDRESSES[name])  # type: ignore[arg-type]
    texts = cors(given, rules.cors("https://social.example.org")), lifecycle(given, rules.lifecycle(ends_uploads=True))
    assert "https://social.example.org" in texts[0]
    assert "temp/" in texts[1]
    assert not any(mark in text for text in texts for mark in ("{origin}", "{bucket}"))


def test_minio_is_not_asked_for_what_it_does_by_itself() -> None:
    assert [rule["ID"] for rule in rules.lifecycle(ends_uploads=False)] == ["carillon-temp"]
    assert "AbortIncompleteMultipartUpload" not in str(rules.lifecycle(ends_uploads=False))


def test_a_rule_that_serves_already_is_left_alone() -> None:
    wanted = rules.cors("https://social.example.org")
    wide = {"AllowedOrigins": ["*"], "AllowedMethods": ["GET", "PUT", "HEAD", "POST"], "AllowedHeaders": ["Content-Type"]}
    assert rules.with_cors([{**wide, "ExposeHeaders": ["etag"]}], wanted) is None
    assert rules.with_cors([wide], wanted) == [wanted, wide]
    assert rules.with_cors([wanted], rules.cors("https://other.example.org")) == [rules.cors("https://other.example.org"), wanted]


def test_a_rule_is_known_again_however_the_server_writes_its_prefix() -> None:
    wanted = rules.lifecycle(ends_uploads=True)
    older = [
        {**{key: value for key, value in rule.items() if key != "Filter"}, "Prefix": rule["Filter"]["Prefix"]} for rule in wanted
    ]
    assert rules.with_lifecycle(older, wanted) is None
    assert rules.with_lifecycle(older[:1], wanted) == wanted


@pytest.mark.parametrize("url", ["https://Social.example.org:8443/", "https://social.example.org:8443/path"])
def test_an_origin_is_what_a_browser_sends(url: str) -> None:
    assert rules.origin_of(url) == "https://social.example.org:8443"
