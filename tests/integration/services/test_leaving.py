"""Browsers that go away in the middle: of their question, or of our answer."""

import asyncio
import logging
from collections.abc import AsyncIterator

import httpx
import pytest
import uvicorn
from litestar import Litestar

from tests.integration.services.test_forms import token
from tests.integration.services.world import until

FORM = b"text=" + b"Ring+" * 20_000


@pytest.fixture
async def port(web: Litestar) -> AsyncIterator[int]:
    """Where the pages are served by a real server."""
    server = uvicorn.Server(uvicorn.Config(web, port=0, log_level="warning", lifespan="off"))
    serving = asyncio.create_task(server.serve())
    await until(lambda: server.started)
    yield int(server.servers[0].sockets[0].getsockname()[1])
    server.should_exit = True
    await serving


async def begin(port: int, client: httpx.AsyncClient, path: str, form: bytes, *, sent: int) -> asyncio.StreamWriter:
    """Send the first ``sent`` bytes of a form."""
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    cookies = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
    kind = "application/x-www-form-urlencoded" if form.startswith(b"text=") else "multipart/form-data; boundary=x"
    head = f"POST {path} HTTP/1.1\r\nHost: a\r\nCookie: {cookies}\r\nContent-Type: {kind}\r\nContent-Length: {len(form)}\r\n\r\n"
    writer.write(head.encode() + form[:sent])
    await writer.drain()
    return writer


@pytest.mark.parametrize("path", ["/compose/preview", "/compose", "/sign-in", "/workspace"])
@pytest.mark.parametrize("wait", [0, 0.05])
async def test_a_browser_that_leaves_before_it_said_everything_is_forgotten(
    alice: httpx.AsyncClient, port: int, caplog: pytest.LogCaptureFixture, path: str, wait: float
) -> None:
    caplog.set_level(logging.INFO)
    parts = b"--x\r\nContent-Disposition: form-data; name=images; filename=a\r\n\r\n" + bytes(2_000_000) + b"\r\n--x--\r\n"
    for form in (FORM, parts):
        for sent in (0, 10, len(form) - 2):
            writer = await begin(port, alice, path, form, sent=sent)
            await asyncio.sleep(wait)
            writer.transport.abort()
    await asyncio.sleep(0.2)
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


@pytest.mark.parametrize("wait", [0, 0.005, 0.02, 0.05])
async def test_a_browser_that_does_not_wait_for_the_answer_is_forgotten(
    alice: httpx.AsyncClient, port: int, caplog: pytest.LogCaptureFixture, wait: float
) -> None:
    form = FORM + b"&_csrf_token=" + (await token(alice)).encode()
    for _ in range(4):
        writer = await begin(port, alice, "/compose/preview", form, sent=len(form))
        await asyncio.sleep(wait)
        writer.transport.abort()
    await asyncio.sleep(0.3)
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
