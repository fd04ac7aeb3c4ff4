"""What the web application takes from whom, before any use case."""

from collections.abc import AsyncIterator

import httpx
import pytest

MEGABYTE = 1024 * 1024


@pytest.mark.parametrize("path", ["/compose", "/compose/preview", "/workspace", "/accounts/sandbox"])
async def test_of_what_a_stranger_brings_not_a_byte_is_read(browser: httpx.AsyncClient, path: str) -> None:
    read = []

    async def parcel() -> AsyncIterator[bytes]:
        read.append(True)
        yield b"text=hello"

    answer = await browser.post(path, content=parcel(), headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
    assert read == []


async def test_what_a_stranger_may_send_is_small(browser: httpx.AsyncClient) -> None:
    assert (await browser.post("/sign-in", data={"email": "x" * 2 * MEGABYTE})).status_code == 413


@pytest.mark.parametrize(
    ("path", "size", "status"),
    [("/compose/preview", 2, 413), ("/workspace", 2, 413), ("/compose", 2, 403)],
)
async def test_only_a_form_with_files_may_be_large(alice: httpx.AsyncClient, path: str, size: int, status: int) -> None:
    assert (await alice.post(path, files={"images": bytes(size * MEGABYTE)})).status_code == status


async def test_a_form_with_files_has_its_limit_too(alice: httpx.AsyncClient) -> None:
    announced = {"Content-Length": str(1026 * MEGABYTE), "Content-Type": "multipart/form-data; boundary=frontier"}
    assert (await alice.post("/compose", content=b"--frontier--", headers=announced)).status_code == 413
    fits = {**announced, "Content-Length": str(399 * MEGABYTE)}
    assert (await alice.post("/compose", content=b"--frontier--", headers=fits)).status_code == 403


@pytest.mark.parametrize("how", ["data", "files"])
async def test_words_take_little_room_beside_files_too(alice: httpx.AsyncClient, how: str) -> None:
    words = "x" * 2 * MEGABYTE if how == "data" else (None, "x" * 2 * MEGABYTE)
    answer = await alice.post("/compose", **{how: {"text": words}})  # type: ignore[arg-type]
    assert answer.status_code == 413


async def test_who_is_signed_in_sees_the_posts(alice: httpx.AsyncClient) -> None:
    assert (await alice.get("/posts")).status_code == 200


@pytest.mark.parametrize("until", ["0", "1" + 400 * "0", "1" + 5000 * "0", "-1", "tomorrow"])
async def test_a_link_that_somebody_made_up_shows_nothing_and_breaks_nothing(browser: httpx.AsyncClient, until: str) -> None:
    answer = await browser.get(f"/media/{28 * '0'}/file?until={until}&sig=made-up")
    assert answer.status_code in (400, 404)
