"""What every group of tests shares: no network in unit tests, and plain words about what was left out."""

import os
import shutil
import socket
import subprocess
import sys
from typing import NoReturn

import pytest

from tests import given

given.forget()

LEFT_OUT = pytest.StashKey[set[str]]()
UNIT = "tests/unit/"


class NetworkUsed(Exception):
    """A unit test opened a connection. It belongs in tests/integration, or its fake is not fake enough."""


@pytest.fixture(autouse=True)
def _no_network(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unit tests may not connect to anything, loopback included."""
    if request.node.nodeid.startswith(UNIT):
        monkeypatch.setattr(socket.socket, "connect", _refuse)
        monkeypatch.setattr(socket.socket, "connect_ex", _refuse)


def _refuse(_socket: socket.socket, address: object) -> NoReturn:
    raise NetworkUsed(str(address))


def note_left_out(config: pytest.Config, reason: str) -> None:
    """Say at the end of the run what was not tested, and how to get it."""
    config.stash.setdefault(LEFT_OUT, set()).add(reason)


def leave_out(config: pytest.Config, reason: str) -> NoReturn:
    """Skip the test that asks for something this machine lacks. On a build server (CI=true) that is a failure."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    note_left_out(config, reason)
    pytest.skip(reason)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """List what was left out above pytest's closing line."""
    if reasons := config.stash.get(LEFT_OUT, set()):
        terminalreporter.section("left out")
        for reason in sorted(reasons):
            terminalreporter.write_line(f"* {reason}")


@pytest.fixture(scope="session")
def chromium(request: pytest.FixtureRequest) -> str:
    """Path of the browser for Playwright's ``launch(executable_path=...)``."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        leave_out(request.config, "Browser tests need Chromium: install chromium, so that it is on PATH.")
    driver = subprocess.run([sys.executable, "-m", "playwright", "--version"], capture_output=True, text=True, check=False)
    if driver.returncode:
        leave_out(request.config, f"Browser tests need Playwright's driver, which does not start: {driver.stderr.strip()}")
    return path
