"""`carillon storage setup` on a real bucket, and what follows from it: CORS in a real browser, and a lifecycle that runs."""

import asyncio
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
import pytest
from playwright.async_api import Browser, Page, async_playwright

from app.ids import Id
from app.settings import Settings
from app.storage import Missing, Refused, Storage, Unavailable, keys, open_storage, pieces
from app.storage.setup import set_up
from tests import given
from tests.integration.services.places import JPEG, MIB, MP4, bucket_settings
from tests.servers import s3

PAGE = "https://social.example.org"


@pytest.fixture
def served(settings: Settings, bucket: s3.Bucket) -> Iterator[Settings]:
    """An installation with a bucket that was told nothing yet. Its rules end with the test: the server looks at all in turn."""
    opened = bucket_settings(settings, bucket, public_url=f"{PAGE}/")
    yield opened
    client = other_client(opened)
    client.delete_bucket_policy(Bucket=bucket.name)
    client.delete_bucket_lifecycle(Bucket=bucket.name)


def states(settings: Settings) -> list[str]:
    return [line.state for line in set_up(settings)]


def other_client(settings: Settings) -> Any:
    """Somebody else who has the bucket's keys."""
    assert settings.s3_access_key
    assert settings.s3_secret_key
    return boto3.client(
        "s3",
        endpoint_url=settings.s3_endpoint_url,
        region_name=settings.s3_region,
        aws_access_key_id=settings.s3_access_key.get_secret_value(),
        aws_secret_access_key=settings.s3_secret_key.get_secret_value(),
    )


def test_a_new_bucket_is_told_once(served: Settings) -> None:
    assert states(served) == ["right", "done", "done"]
    assert states(served) == ["right", "right", "right"]
    [rule] = other_client(served).get_bucket_cors(Bucket=served.s3_bucket)["CORSRules"]
    assert (rule["AllowedOrigins"], set(rule["AllowedMethods"]), rule["ExposeHeaders"]) == (
        [PAGE],
        {"GET", "HEAD", "PUT"},
        ["ETag"],
    )
    rules = other_client(served).get_bucket_lifecycle_configuration(Bucket=served.s3_bucket)["Rules"]
    assert {rule["ID"] for rule in rules} == {"carillon-temp", "carillon-media"}
    assert [rule["Expiration"] for rule in rules if "Expiration" in rule] == [{"Days": 1}]


def test_other_peoples_rules_stay(served: Settings) -> None:
    client = other_client(served)
    theirs = {"AllowedOrigins": ["https://elsewhere.example"], "AllowedMethods": ["GET"]}
    client.put_bucket_cors(Bucket=served.s3_bucket, CORSConfiguration={"CORSRules": [theirs]})
    logs = {"ID": "logs", "Status": "Enabled", "Filter": {"Prefix": "logs/"}, "Expiration": {"Days": 30}}
    old = {"ID": "carillon-temp", "Status": "Disabled", "Filter": {"Prefix": "temp/"}, "Expiration": {"Days": 9}}
    client.put_bucket_lifecycle_configuration(Bucket=served.s3_bucket, LifecycleConfiguration={"Rules": [logs, old]})
    lines = set_up(served)
    assert [line.state for line in lines] == ["right", "done", "done"]
    assert all("1 other rule kept" in line.text for line in lines[1:])
    found = client.get_bucket_cors(Bucket=served.s3_bucket)["CORSRules"]
    assert sorted(rule["AllowedOrigins"] for rule in found) == [["https://elsewhere.example"], [PAGE]]
    rules = {rule["ID"]: rule for rule in client.get_bucket_lifecycle_configuration(Bucket=served.s3_bucket)["Rules"]}
    assert set(rules) == {"logs", "carillon-temp", "carillon-media"}
    assert (rules["logs"]["Expiration"], rules["carillon-temp"]["Status"]) == ({"Days": 30}, "Enabled")


def test_what_is_wrong_with_the_settings_is_said_in_words(served: Settings) -> None:
    for wrong, word in (
        ({"s3_bucket": "carillon-none"}, "no bucket carillon-none"),
        ({"s3_secret_key": "another"}, "refuses our keys"),
        ({"s3_access_key": "another"}, "refuses our keys"),
        ({"s3_endpoint_url": "http://127.0.0.1:9"}, "does not answer"),
    ):
        [line] = set_up(Settings(**(served.model_dump() | wrong)))
        assert line.state == "failed"
        assert word in line.text


def test_without_the_pages_address_cors_is_left_to_a_person(served: Settings) -> None:
    lines = set_up(Settings(**(served.model_dump() | {"public_url": None})))
    assert [line.state for line in lines] == ["right", "by hand", "done"]
    assert "CARILLON_PUBLIC_URL" in lines[1].text


def test_google_is_told_by_hand(served: Settings) -> None:
    lines = set_up(Settings(**(served.model_dump() | {"s3_provider": "gcs"})))
    assert [line.state for line in lines] == ["right", "by hand", "by hand"]
    assert f"gcloud storage buckets update gs://{served.s3_bucket} --cors-file=cors.json" in lines[1].text
    assert "--lifecycle-file=lifecycle.json" in lines[2].text


def test_who_may_not_change_the_bucket_is_told_how_to_have_it_changed(served: Settings) -> None:
    """A bucket policy refuses what keys for objects only may not do."""
    denied = ["s3:PutBucketCORS", "s3:PutLifecycleConfiguration"]
    statement = {"Effect": "Deny", "Principal": "*", "Action": denied, "Resource": [f"arn:aws:s3:::{served.s3_bucket}"]}
    policy = str({"Version": "2012-10-17", "Statement": [statement]}).replace("'", '"')
    other_client(served).put_bucket_policy(Bucket=served.s3_bucket, Policy=policy)
    lines = set_up(served)
    assert [line.state for line in lines] == ["right", "by hand", "by hand"]
    assert PAGE in lines[1].text
    assert "AbortIncompleteMultipartUpload" in lines[2].text


async def test_the_command_says_what_it_did_and_names_the_variable_that_is_wrong(served: Settings) -> None:
    names = ("s3_bucket", "s3_endpoint_url", "s3_region", "public_url")
    env = {f"CARILLON_{name.upper()}": str(getattr(served, name)) for name in names}
    secret = {"CARILLON_S3_ACCESS_KEY": s3.ACCESS_KEY, "CARILLON_S3_SECRET_KEY": s3.SECRET_KEY}
    right, wrong = await asyncio.gather(command(env | secret), command(env | secret | {"CARILLON_S3_PROVIDER": "azure"}))
    assert (right.returncode, right.stdout.count("done:")) == (0, 2)
    assert (wrong.returncode, wrong.stderr.count("\n")) == (1, 1)
    assert wrong.stderr.startswith("carillon: CARILLON_S3_PROVIDER: Input should be 'aws', 'gcs'")
    assert s3.SECRET_KEY not in right.stdout + right.stderr + wrong.stderr


async def command(env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    run = [sys.executable, "-m", "actors.cli", "storage", "setup"]
    given_to_it = {**given.clean(), **env}
    return await asyncio.to_thread(subprocess.run, run, env=given_to_it, capture_output=True, text=True, timeout=60, check=False)


# --- what follows from it ---------------------------------------------------------------------------------------------


async def test_the_bucket_itself_removes_what_was_never_kept(served: Settings) -> None:
    set_up(served)
    storage, workspace = open_storage(served), Id()
    temp, media = keys.temp(workspace, Id(), JPEG), keys.original(workspace, Id(), JPEG)
    for key in (temp, media):
        await storage.write(key, pieces(b"x"), mime=JPEG)
    for key in (keys.temp(workspace, Id(), MP4), keys.original(workspace, Id(), MP4)):
        await storage.begin(key, mime=MP4)

    async with asyncio.timeout(60):  # the server goes through all buckets in turn; mostly it takes ten seconds
        while [stored.key async for stored in storage.listed("")] != [media] or [one async for one in storage.unfinished("")]:
            await asyncio.sleep(0.2)


async def test_keys_that_are_wrong_and_servers_that_are_away_are_told_apart(served: Settings) -> None:
    def opened(**wrong: str) -> Storage:
        return open_storage(Settings(**(served.model_dump() | wrong)))

    key = keys.temp(Id(), Id(), JPEG)
    for storage, error in (
        (opened(s3_secret_key="another"), Refused),
        (opened(s3_endpoint_url="http://127.0.0.1:9"), Unavailable),
        (opened(s3_bucket="carillon-none"), (Refused, Missing)),
    ):
        with pytest.raises(error) as caught:
            await storage.write(key, pieces(b"x"), mime=JPEG)
        assert "another" not in str(caught.value)


class _Blank(SimpleHTTPRequestHandler):
    def do_GET(self) -> None:
        """An empty page."""
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Nobody reads it."""


@contextmanager
def pages() -> Iterator[int]:
    """An empty page on a port of its own."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Blank) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_port
        server.shutdown()


@pytest.fixture
async def browser(chromium: str) -> AsyncIterator[Browser]:
    """Chromium."""
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(executable_path=chromium)
        yield launched
        await launched.close()


SEND = """async ([url, headers, size]) => {
    try {
        const answer = await fetch(url, {method: "PUT", headers, body: new Blob([new Uint8Array(size)])});
        return [answer.status, answer.headers.get("ETag")];
    } catch (error) { return [0, null]; }
}"""
READ = """async ([url]) => { try { return (await (await fetch(url)).arrayBuffer()).byteLength } catch (error) { return -1 } }"""


async def test_a_page_of_ours_puts_files_into_the_bucket_and_nobody_elses_does(
    settings: Settings, bucket: s3.Bucket, browser: Browser
) -> None:
    with pages() as port:
        ours, theirs = await browser.new_page(), await browser.new_page()
        await ours.goto(f"http://localhost:{port}/")
        await theirs.goto(f"http://127.0.0.1:{port}/")  # another origin to a browser
        served = bucket_settings(settings, bucket, public_url=f"http://localhost:{port}")
        storage, key = open_storage(served), keys.temp(Id(), Id(), MP4)
        put = partial(storage.put_url, key, mime=MP4, size=2 * MIB, lasts=timedelta(minutes=5))
        assert await sent(ours, await put(), 2 * MIB) == (0, None)  # nobody has told the bucket yet
        assert (await asyncio.to_thread(set_up, served))[1].state == "done"
        assert await sent(theirs, await put(), 2 * MIB) == (0, None)
        with pytest.raises(Missing):
            await storage.head(key)
        status, etag = await sent(ours, await put(), 2 * MIB)
        assert (status, etag) == (200, f'"{(await storage.head(key)).etag}"')
        assert (await sent(ours, await put(), 2 * MIB + 1))[0] in (0, 403)
        assert (await storage.head(key)).size == 2 * MIB
        upload = await storage.begin(key, mime=MP4)
        status, etag = await sent(ours, await storage.part_url(upload, 1, size=MIB, lasts=timedelta(minutes=5)), MIB)
        [part] = await storage.parts(upload)
        assert (status, etag) == (200, f'"{part.etag}"')
        url = await storage.get_url(key, lasts=timedelta(minutes=5))
        assert [await page.evaluate(READ, [url]) for page in (ours, theirs)] == [2 * MIB, -1]


async def sent(page: Page, signed: Any, size: int) -> tuple[int, str | None]:
    """What the page sees of a PUT: 0 if the browser did not let it see anything."""
    status, etag = await page.evaluate(SEND, [signed.url, dict(signed.headers), size])
    return status, etag
