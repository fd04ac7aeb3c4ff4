"""What keeps the tests' own servers apart from everything else on the machine."""

import sys
from pathlib import Path

import pytest

from app.ports import candidates, free_port
from tests import given
from tests.servers.process import spawn

GIVEN = "mongodb://db.example:27017/live?replicaSet=rs"


def said(log: Path, **env: str) -> str:
    """What a child process finds in its environment."""
    spawn([sys.executable, "-c", "import os; print(sorted(os.environ))"], log=log, env=env).wait(20)
    return log.read_text()


def test_free_ports_are_never_given_twice_and_lie_below_those_of_outgoing_connections() -> None:
    ports = [free_port() for _ in range(200)]
    assert len(set(ports)) == len(ports)
    assert set(ports) <= set(candidates())
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert max(ports) < first


def test_a_child_process_inherits_no_setting_of_the_developer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARILLON_MONGODB_URL", GIVEN)
    monkeypatch.setenv("PORT", "8000")
    names = said(tmp_path / "log", CARILLON_DATA_DIR="/nowhere")
    assert "CARILLON_DATA_DIR" in names
    assert "CARILLON_MONGODB_URL" not in names
    assert "'PORT'" not in names
    assert "'PATH'" in names


@pytest.mark.parametrize("url", ["mongodb://db.example/live", "mongodb://db.example/", "mongodb://db.example:27017/carillon"])
def test_a_database_of_a_lent_server_that_is_no_tests_is_refused(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(given, "MONGODB_URL", GIVEN)
    with pytest.raises(given.LiveData):
        said(tmp_path / "log", CARILLON_MONGODB_URL=url)


@pytest.mark.parametrize("url", ["mongodb://db.example/carillon_test_1", "mongodb://127.0.0.1:15001/carillon"])
def test_a_tests_own_database_and_a_private_server_are_fine(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(given, "MONGODB_URL", GIVEN)
    assert "CARILLON_MONGODB_URL" in said(tmp_path / "log", CARILLON_MONGODB_URL=url)
