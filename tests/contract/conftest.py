"""The sandbox on a real loopback port, mounted as the web application mounts it, and one bench per adapter."""

import socket
import threading
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
import uvicorn

from platforms import REGISTRY
from platforms.http import open_client
from platforms.sandbox.connect import connect
from platforms.sandbox.server import create_sandbox
from tests.contract.harness import Bench, Judge, session_of

ANSWER_TIMEOUT = 0.8
"""Seconds; short, because some tests wait for an answer that never comes."""


@pytest.fixture(scope="session")
def sandbox_url() -> Iterator[str]:
    """The sandbox's address."""
    # Only a socket that says it is TCP gets TCP_NODELAY from asyncio; without it every answer takes 40 ms more.
    with socket.socket(proto=socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        app = create_sandbox(base_path="/sandbox")
        config = uvicorn.Config(app, log_level="error", lifespan="off", timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/sandbox"
        server.should_exit = True
        thread.join()


@pytest.fixture
def stalled() -> Iterator[str]:
    """The address of a server that accepts connections and reads nothing from them."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        listener.bind(("127.0.0.1", 0))
        listener.listen(8)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture(scope="session")
async def http(sandbox_url: str) -> AsyncIterator[httpx.AsyncClient]:
    """The adapters' own guarded client, which may talk to the sandbox and to no other private host."""
    async with open_client(allow=[sandbox_url], read_timeout=ANSWER_TIMEOUT) as client:
        yield client


@pytest.fixture(scope="session")
async def judge_http(sandbox_url: str) -> AsyncIterator[httpx.AsyncClient]:
    """A plain client for the judge's API."""
    fresh = httpx.Limits(max_keepalive_connections=0)  # one that was idle may be closed at the very moment it is used again
    async with httpx.AsyncClient(base_url=f"{sandbox_url}/api", trust_env=False, verify=False, limits=fresh) as client:
        yield client


@pytest.fixture
async def judge(judge_http: httpx.AsyncClient) -> Judge:
    """The judge of an empty, healthy sandbox."""
    await judge_http.post("/reset")
    return Judge(judge_http)


@pytest.fixture(params=REGISTRY)
async def bench(request: pytest.FixtureRequest, sandbox_url: str, http: httpx.AsyncClient, judge: Judge) -> AsyncIterator[Bench]:
    """Every adapter in turn, connected."""
    adapter = REGISTRY[request.param]
    session = session_of(await connect(http, sandbox_url, adapter), http)
    bench = Bench(adapter, session, judge)
    http.event_hooks = {"request": [bench.diary.note]}
    yield bench
    http.event_hooks = {}
