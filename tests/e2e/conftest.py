"""A real `carillon run`, and a real browser that visits it, with scripts switched on and off."""

import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path

import httpx
import pytest
from playwright.async_api import Browser, BrowserContext, StorageState, async_playwright

from tests.e2e.visitor import ALICE, SETUP_TOKEN, Visitor
from tests.servers.process import Server, free_port


def start_installation(folder: Path, env: Mapping[str, str] | None = None) -> Server:
    """`carillon run` with a data folder of its own, on loopback."""
    port = free_port()
    command = [sys.executable, "-m", "actors.cli", "run", "--host", "127.0.0.1", "--port", str(port)]
    return Server(
        url=f"http://127.0.0.1:{port}",
        command=[*command, "--data-dir", str(folder / "data")],
        ready=lambda: _is_well(port),
        log=folder / "carillon.log",
        env={"CARILLON_SETUP_TOKEN": SETUP_TOKEN, **(env or {})},
    ).start()


def _is_well(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=2).status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Server]:
    """An installation that nobody has visited yet."""
    server = start_installation(tmp_path)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One installation for all tests that do not mind company. It may fetch files from the tests' own server on loopback."""
    server = start_installation(tmp_path_factory.mktemp("installation"), {"CARILLON_ALLOW_PRIVATE_HOSTS": "1"})
    yield server
    server.stop()


@pytest.fixture(scope="session")
async def browser(chromium: str) -> AsyncIterator[Browser]:
    """Chromium, started once."""
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(executable_path=chromium)
        yield launched
        await launched.close()


@pytest.fixture(scope="session")
async def signed_in(browser: Browser, installation: Server) -> StorageState:
    """The cookies of Alice, who owns the shared installation and has connected its sandbox."""
    context = await browser.new_context(base_url=installation.url)
    visitor = Visitor(await context.new_page(), scripting=True)
    await visitor.set_up(ALICE)
    await visitor.connect_sandbox()
    state = await context.storage_state()
    await context.close()
    return state


@pytest.fixture(params=[True, False], ids=["with scripts", "without scripts"])
def scripting(request: pytest.FixtureRequest) -> bool:
    """Every test that asks for this runs twice."""
    return bool(request.param)


@pytest.fixture
async def context(
    browser: Browser, installation: Server, signed_in: StorageState, scripting: bool
) -> AsyncIterator[BrowserContext]:
    """Alice's browser."""
    made = await browser.new_context(base_url=installation.url, java_script_enabled=scripting, storage_state=signed_in)
    yield made
    await made.close()


@pytest.fixture
async def alice(context: BrowserContext, scripting: bool) -> AsyncIterator[Visitor]:
    """Alice, signed in. Whatever the browser complains about (a blocked script or style, an exception) fails the test."""
    visitor = Visitor(await context.new_page(), scripting=scripting)
    yield visitor
    assert visitor.complaints == []
