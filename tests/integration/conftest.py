"""Real servers, started once for the whole run, and a clean place on them for each test.

``CARILLON_AMQP_URL`` and ``CARILLON_MONGODB_URL`` name running servers to use instead of private ones.
"""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
import pika
import pytest
from pymongo import AsyncMongoClient, monitoring
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.uri_parser import parse_uri

from app.courier import lane
from app.models import UPLOADS
from platforms import REGISTRY
from tests import given
from tests.conftest import leave_out, note_left_out
from tests.integration.spoken import LISTENER, PROVED
from tests.servers import embedded, mongodb, rabbitmq, s3
from tests.servers.process import Server

NO_MONGODB = None if given.MONGODB_URL else mongodb.missing()
ENGINES = ["embedded"] if NO_MONGODB else ["embedded", "mongodb"]

Start = Callable[[Path], Server]


monitoring.register(LISTENER)


@pytest.fixture(autouse=True)
def _only_proved_operators() -> Iterator[None]:
    """A query that no engine test proves could be wrong on one engine without an error. And only tests' databases are used."""
    LISTENER.forget()
    yield
    strange = {name for name in LISTENER.databases if not name.startswith((given.DATABASES, "admin"))}
    assert not strange, f"a test spoke to {sorted(strange)}: the databases of tests are called {given.DATABASES}_..."
    assert LISTENER.heard <= PROVED, f"test_engines.py does not prove {sorted(LISTENER.heard - PROVED)}"


@pytest.fixture(scope="session", params=ENGINES)
def engine_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a running engine, without a database name. What needs it runs on every engine that can be had here."""
    if NO_MONGODB:
        note_left_out(request.config, NO_MONGODB)
    if request.param == "mongodb" and given.MONGODB_URL:
        yield given.MONGODB_URL
        return
    start = embedded.start if request.param == "embedded" else mongodb.start
    for server in _started(start, tmp_path_factory.mktemp(request.param)):
        yield server.url


@pytest.fixture(scope="session")
async def engine(engine_url: str) -> AsyncIterator[AsyncMongoClient[dict[str, Any]]]:
    """A client opened as Carillon opens its own: dates are aware."""
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(engine_url, tz_aware=True)
    yield client
    await client.close()


@pytest.fixture
async def database(engine: AsyncMongoClient[dict[str, Any]]) -> AsyncIterator[AsyncDatabase[dict[str, Any]]]:
    """An empty database. It is dropped afterwards, because the embedded engine keeps all databases in one file."""
    name = f"carillon_test_{uuid4().hex[:12]}"
    yield engine[name]
    await engine.drop_database(name)


@pytest.fixture
def database_url(engine_url: str, database: AsyncDatabase[dict[str, Any]]) -> str:
    """Address of ``database``, as CARILLON_MONGODB_URL wants it."""
    address, _, options = engine_url.partition("?")
    named = parse_uri(engine_url)["database"] or ""
    return f"{address.removesuffix(named).rstrip('/')}/{database.name}" + (f"?{options}" if options else "")


@pytest.fixture(scope="session")
def rabbitmq_server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The private broker's process, for tests that stop or kill it; they must leave it running."""
    if reason := rabbitmq.missing():
        leave_out(request.config, reason)
    yield from _started(rabbitmq.start, tmp_path_factory.mktemp("rabbitmq"))


@pytest.fixture(scope="session")
def rabbitmq_url(request: pytest.FixtureRequest) -> str:
    """Address of a running broker."""
    return given.AMQP_URL or request.getfixturevalue("rabbitmq_server").url


@pytest.fixture
def amqp_url(rabbitmq_url: str) -> Iterator[str]:
    """Address of a broker that holds none of our queues. Deleting one also cancels the consumers a test forgot."""
    yield rabbitmq_url
    with closing(pika.BlockingConnection(pika.URLParameters(rabbitmq_url))) as connection:
        channel = connection.channel()
        for name in (*REGISTRY, UPLOADS):
            for suffix in ("", ".DQ", ".XQ"):  # Dramatiq's queues for what is delayed, and for dead letters
                channel.queue_delete(lane(name) + suffix)


@pytest.fixture(scope="session")
def s3_server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The S3 server's processes."""
    if reason := s3.missing():
        leave_out(request.config, reason)
    yield from _started(s3.start, tmp_path_factory.mktemp("s3"))


@pytest.fixture
def bucket(s3_server: Server) -> s3.Bucket:
    """An empty bucket of its own."""
    new = s3.Bucket(name=f"carillon-{uuid4().hex[:12]}", endpoint_url=s3_server.url)
    client = boto3.client(
        "s3",
        endpoint_url=new.endpoint_url,
        region_name=new.region,
        aws_access_key_id=new.access_key,
        aws_secret_access_key=new.secret_key,
    )
    client.create_bucket(Bucket=new.name)
    return new


def _started(start: Start, folder: Path) -> Iterator[Server]:
    server = start(folder)
    yield server
    server.stop()
