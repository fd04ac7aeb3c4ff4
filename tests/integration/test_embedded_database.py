"""The database beside ``carillon run``: it is alone on its folder, it is ours, and it ends with the process that started it."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pymongo import MongoClient

from actors import embedded_child, leftover
from actors.embedded_database import CannotStart, EmbeddedDatabase, engine
from app.ports import free_port
from tests.servers.process import accepts, end, spawn

PATIENCE = 20.0


@pytest.fixture
def database(tmp_path: Path) -> Iterator[EmbeddedDatabase]:
    """Not started yet."""
    made = EmbeddedDatabase(tmp_path)
    yield made
    made.stop()


def older(folder: Path) -> subprocess.Popen[bytes]:
    """A database as earlier versions left it behind: no lock, but a number in ``database.pid``."""
    port = free_port()
    options = ["--db", str(folder / "carillon.db"), "--pid-file", str(folder / "database.pid"), "--log-file", "/dev/null"]
    process = spawn([sys.executable, "-m", "nx_27017.nx_27017", "--port", str(port), *options], log=folder / "older.log")
    until(lambda: accepts(port))
    return process


def child(folder: Path, *command: str, parent: int | None = None) -> subprocess.Popen[bytes]:
    """``command`` as Carillon starts it."""
    launched = [sys.executable, "-P", embedded_child.__file__, str(parent or os.getpid()), str(folder / leftover.LOCK), *command]
    return subprocess.Popen(launched, stderr=subprocess.PIPE)


def until(holds: object) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.02)


def number_in(folder: Path) -> int:
    return int((folder / leftover.LOCK).read_text())


async def test_its_number_is_in_the_lock_and_it_is_small(database: EmbeddedDatabase, tmp_path: Path) -> None:
    await database.start()
    resident = (Path("/proc") / str(number_in(tmp_path)) / "status").read_text().partition("VmRSS:")[2].split()[0]
    assert int(resident) < 70_000  # KiB; with the actors' package it was 104,000


async def test_a_second_database_on_the_same_folder_does_not_start(database: EmbeddedDatabase, tmp_path: Path) -> None:
    await database.start()
    second = child(tmp_path, "sleep", "60")
    assert b"another database holds" in second.communicate(timeout=PATIENCE)[1]
    assert second.returncode == 1


async def test_a_database_that_an_earlier_version_left_behind_is_ended(database: EmbeddedDatabase, tmp_path: Path) -> None:
    left = older(tmp_path)
    await database.start()
    assert left.poll() is not None


async def test_a_leftover_that_ignores_its_end_is_killed(
    database: EmbeddedDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leftover, "_PATIENCE", 0.5)
    stubborn = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"
    left = child(tmp_path, sys.executable, "-c", stubborn)
    until(lambda: (tmp_path / leftover.LOCK).exists() and number_in(tmp_path) == left.pid)
    time.sleep(0.5)
    await database.start()
    assert left.wait(PATIENCE) == -signal.SIGKILL


async def test_a_stranger_with_a_recycled_number_is_left_alone(database: EmbeddedDatabase, tmp_path: Path) -> None:
    stranger = spawn(["sleep", "60"], log=tmp_path / "stranger.log")
    for name in (leftover.LOCK, "database.pid"):
        (tmp_path / name).write_text(str(stranger.pid))
    await database.start()
    assert stranger.poll() is None
    end(stranger, by=signal.SIGKILL)


async def test_a_child_whose_parent_is_gone_already_does_not_begin(tmp_path: Path) -> None:
    orphan = child(tmp_path, "sleep", "60", parent=1 if os.getpid() != 1 else 2)
    assert b"gone already" in orphan.communicate(timeout=PATIENCE)[1]


async def test_a_port_that_somebody_else_took_is_exchanged_for_another(tmp_path: Path, engine_url: str) -> None:
    """Worst case: another Carillon's database is there, and answers."""
    taken = int(engine_url.rpartition(":")[2].strip("/").partition("/")[0])
    ports = iter([taken, free_port()])
    database = EmbeddedDatabase(tmp_path, choose_port=lambda: next(ports))
    await database.start()
    assert f":{taken}/" not in database.url
    with MongoClient[dict[str, object]](database.url) as client:
        assert client.admin.command("serverStatus")["pid"] == number_in(tmp_path)
    database.stop()


async def test_a_database_that_never_starts_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "carillon.db").write_bytes(b"no database" * 1_000)
    with pytest.raises(CannotStart, match=r"database\.log tells why"):
        await EmbeddedDatabase(tmp_path).start()


async def test_a_database_that_fell_comes_back_at_its_address_with_its_data(database: EmbeddedDatabase, tmp_path: Path) -> None:
    await database.start()
    with MongoClient[dict[str, object]](database.url, journal=True) as client:
        client.carillon_test.jobs.insert_one({"_id": "kept"})
        fallen = number_in(tmp_path)
        os.kill(fallen, signal.SIGKILL)

        def is_back() -> bool:
            database.keep_running()
            with contextlib.suppress(ValueError):
                return number_in(tmp_path) != fallen and accepts(client.address[1] if client.address else 0)
            return False

        until(is_back)
        assert client.carillon_test.jobs.find_one({}) == {"_id": "kept"}


# --- which engine -----------------------------------------------------------------------------------------------------


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that is the whole PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def program(folder: Path, port: int = 15_000) -> str:
    return engine(folder)(folder, port)[0]


def install(path: Path) -> None:
    (path / "mongod").touch(mode=0o755)


def test_an_empty_folder_gets_what_is_on_path(tmp_path: Path, path: Path) -> None:
    assert program(tmp_path / "data") == embedded_child.STAND_IN
    install(path)
    assert program(tmp_path / "data") == "mongod"


def test_a_folder_keeps_the_engine_that_wrote_it(tmp_path: Path, path: Path) -> None:
    install(path)
    (tmp_path / "carillon.db").touch()
    assert program(tmp_path) == embedded_child.STAND_IN
    (tmp_path / "mongo").mkdir()
    assert program(tmp_path) == embedded_child.STAND_IN


def test_a_folder_whose_engine_was_removed_says_so(tmp_path: Path, path: Path) -> None:
    (tmp_path / "mongo").mkdir()
    with pytest.raises(CannotStart, match="no mongod on PATH"):
        engine(tmp_path)
