"""One sandbox process for all, and a world of its own for each test."""

import hashlib
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from dramatiq.brokers.stub import StubBroker
from litestar import Litestar
from pymongo.uri_parser import parse_uri

from app import runtime
from app.asgi import create_app
from app.courier import Courier
from app.ids import Id
from app.models import LoginSession, now
from app.routes.security import COOKIE, cookie_name
from app.settings import Settings
from app.storage import open_storage
from platforms import REGISTRY
from tests.contract.harness import Judge
from tests.integration.services.belfry import Belfry, Turnstile, connected
from tests.integration.services.places import Place, bucket_settings, served
from tests.integration.services.world import Installation, World, populated, settled
from tests.servers import embedded, s3, sandbox
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
    fresh = httpx.Limits(max_keepalive_connections=0)  # one that was idle may be closed at the very moment it is used again
    async with httpx.AsyncClient(base_url=f"{sandbox_server.url}/api", trust_env=False, verify=False, limits=fresh) as client:
        yield client


@pytest.fixture
async def judge(judge_http: httpx.AsyncClient) -> Judge:
    """The judge of empty, healthy networks."""
    await judge_http.post("/reset")
    return Judge(judge_http)


@pytest.fixture(scope="session")
def settings(engine_url: str, sandbox_server: Server, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Times as in production, but for a network's silence: no test waits for long, :meth:`World.pass_time` passes the time."""
    folder = tmp_path_factory.mktemp("installation")
    points = folder / "points"
    points.mkdir()
    return Settings(
        secret_key=KEY,
        mongodb_url=_database(engine_url, f"carillon_test_{uuid4().hex[:12]}"),
        sandbox_url=sandbox_server.url,
        data_dir=folder,
        http_timeout=0.7,
        fault_points=points,
    )


def _database(engine_url: str, name: str) -> str:
    address, _, options = engine_url.partition("?")
    given = parse_uri(engine_url)["database"] or ""
    return f"{address.removesuffix(given).rstrip('/')}/{name}?{options}"


@pytest.fixture(scope="session")
async def installation(settings: Settings) -> AsyncIterator[Installation]:
    """One runtime and one database for all tests here: to start them takes longer than most of the tests."""
    shared = Installation(settings)
    yield shared
    await shared.remove()


@pytest.fixture
async def world(installation: Installation, judge: Judge) -> AsyncIterator[World]:
    """Alice owns a workspace with an account on every network; Charlie owns another one."""
    await installation.wake()
    yield await populated(installation.outbox, judge)
    await settled()


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


@pytest.fixture
def turnstile(world: World, belfry: Belfry, monkeypatch: pytest.MonkeyPatch) -> Turnstile:
    """Belfry with single-use tokens."""
    network = Turnstile()
    network.connector = network
    monkeypatch.setitem(REGISTRY, network.name, network)
    return network


@pytest.fixture
async def private(judge: Judge, settings: Settings, tmp_path: Path) -> AsyncIterator[tuple[World, Server]]:
    """A world on a database of its own, which the test may stop."""
    server = embedded.start(tmp_path)
    changed = settings.model_copy(update={"mongodb_url": type(settings.mongodb_url)(f"{server.url}carillon_test")})
    alone = Installation(changed)
    await alone.wake()
    yield await populated(alone.outbox, judge), server
    await runtime.stop()
    server.stop()


# --- storage ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
async def folder_url(installation: Installation, settings: Settings) -> AsyncIterator[str]:
    """The pages of an installation with a folder, on a real port."""
    await installation.wake()
    async with served(create_app(settings, Courier(StubBroker(middleware=[])), runtime_started=True)) as url:
        yield url


@pytest.fixture(params=["folder", "bucket"])
async def place(
    request: pytest.FixtureRequest, installation: Installation, settings: Settings, folder_url: str
) -> AsyncIterator[Place]:
    """Where media lie, as an installation with a folder has it, and as one with a bucket."""
    await installation.wake()
    if request.param == "folder":
        storage, base_url = runtime.current().storage, folder_url
    else:
        bucket: s3.Bucket = request.getfixturevalue("bucket")
        storage, base_url = open_storage(bucket_settings(settings, bucket)), bucket.endpoint_url
    async with httpx.AsyncClient(base_url=base_url, trust_env=False, timeout=30) as http:
        yield Place(storage, base_url, http, Id())


# --- browsers ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def web(world: World) -> Litestar:
    """The pages."""
    return create_app(runtime.current().settings, Courier(StubBroker(middleware=[])), runtime_started=True)


@pytest.fixture
async def browser(web: Litestar) -> AsyncIterator[httpx.AsyncClient]:
    """A stranger's browser."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(web), base_url="http://carillon.example") as client:
        yield client


@pytest.fixture
async def alice(world: World, browser: httpx.AsyncClient) -> httpx.AsyncClient:
    """Alice's browser, signed in."""
    token_hash = hashlib.sha256(b"alice").hexdigest()
    await LoginSession(token_hash=token_hash, user_id=world.alice.id, expires_at=now() + timedelta(hours=1)).insert()
    browser.cookies.set(cookie_name(COOKIE, runtime.current().settings), "alice")
    return browser
