"""One sandbox process for all, and a world of its own for each test."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from app import runtime
from app.settings import Settings
from platforms import REGISTRY
from tests.contract.harness import Judge
from tests.integration.services.belfry import Belfry, connected
from tests.integration.services.world import Outbox, World, populated, settled
from tests.servers import sandbox
from tests.servers.process import Server

KEY = "carillon-test-secret-key-0123456789"


@pytest.fixture(scope="session")
def sandbox_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The sandbox networks."""
    server = sandbox.start(tmp_path_factory.mktemp("sandbox"))
    yield server
    server.stop()


@pytest.fixture(scope="session")
async def judge_http(sandbox_server: Server) -> AsyncIterator[httpx.AsyncClient]:
    """A plain client for the judge's API."""
    async with httpx.AsyncClient(base_url=f"{sandbox_server.url}/api", trust_env=False, verify=False) as client:
        yield client


@pytest.fixture
async def judge(judge_http: httpx.AsyncClient) -> Judge:
    """The judge of empty, healthy networks."""
    await judge_http.post("/reset")
    return Judge(judge_http)


@pytest.fixture
def settings(database_url: str, sandbox_server: Server, tmp_path: Path) -> Settings:
    """Times as in production, but for a network's silence, so that no test waits long; a test lets the others pass by itself."""
    points = tmp_path / "points"
    points.mkdir()
    return Settings(
        secret_key=KEY,
        mongodb_url=database_url,
        sandbox_url=sandbox_server.url,
        data_dir=tmp_path,
        http_timeout=0.7,
        fault_points=points,
    )


@pytest.fixture
async def world(settings: Settings, judge: Judge) -> AsyncIterator[World]:
    """Alice owns a workspace with an account on every network; Charlie owns another one."""
    outbox = Outbox()
    await runtime.start(settings, outbox, name="worker-1")
    try:
        yield await populated(outbox, judge)
    finally:
        await settled()
        await runtime.stop()


@pytest.fixture(params=REGISTRY)
def platform(request: pytest.FixtureRequest) -> str:
    """Every network in turn."""
    return str(request.param)


@pytest.fixture
async def belfry(world: World, monkeypatch: pytest.MonkeyPatch) -> Belfry:
    """Alice has an account on a third network, which does what the test tells it."""
    network = Belfry()
    monkeypatch.setitem(REGISTRY, network.name, network)
    sealed = runtime.current().sealer.seal({"access": network.valid})
    world.accounts[network.name] = await connected(world.workspace, sealed)
    return network
