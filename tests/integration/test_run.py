"""``carillon run`` at the terminal: what it says when it cannot start, and what a second start finds."""

import html
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from tests import given
from tests.integration.processes.visitor import TOKEN, Visitor
from tests.servers.process import Server, free_port

KILLS = int(os.environ.get("CARILLON_TEST_KILLS", "3"))
"""How often ``carillon run`` is killed in the middle of its work; 20 to be sure (four minutes)."""

FAKE_MONGOD = """#!{python}
import sys
from nx_27017.nx_27017 import main

option = dict(zip(sys.argv[1::2], sys.argv[2::2]))
folder = option["--dbpath"]
sys.argv[1:] = ["--db", folder + "/fake.db", "--port", option["--port"], "--pid-file", folder + "/pid", "--log-file", "/dev/null"]
main()
"""
"""Takes mongod's arguments, and is nx-27017 on a file of its own."""

RUN = [sys.executable, "-m", "actors.cli", "run", "--host", "127.0.0.1"]


def is_well(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=2).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def start(folder: Path, port: int, **environment: str) -> Server:
    return Server(
        url=f"http://127.0.0.1:{port}",
        command=[*RUN, "--port", str(port), "--data-dir", str(folder / "data")],
        ready=lambda: is_well(port),
        log=folder / "carillon.log",
        env={"CARILLON_SETUP_TOKEN": TOKEN, **environment},
    ).start()


def kill(server: Server) -> None:
    """End the process and nobody else: not its group, as the tests' own servers are killed."""
    assert server.process is not None
    server.process.kill()
    server.process.wait()


def children(server: Server) -> list[int]:
    """Process ids of what it started."""
    assert server.process is not None
    return [int(pid) for pid in Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()]


def alive(pids: list[int]) -> list[int]:
    """Those that still run: a zombie in the hands of a slow init has ended."""
    return [pid for pid in pids if "State:\tZ" not in _status(pid) and _status(pid)]


def _status(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return ""


def gone(pids: list[int], *, within: float) -> bool:
    deadline = time.monotonic() + within
    while alive(pids) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not alive(pids)


def refused(*options: str, **environment: str) -> str:
    """What it prints when it does not start."""
    done = subprocess.run(
        [*RUN, *options], env={**given.clean(), **environment}, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode != 0
    return done.stderr


def test_a_taken_port_is_a_clear_error(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert f"cannot listen on 127.0.0.1:{port}" in refused("--port", str(port), "--data-dir", str(tmp_path))


def test_port_is_read_from_the_environment(tmp_path: Path) -> None:
    assert "abc is no port" in refused("--data-dir", str(tmp_path), PORT="abc")


def test_a_folder_is_used_by_one_process_only_and_found_again_by_the_next(tmp_path: Path) -> None:
    server = start(tmp_path, free_port())
    assert "another Carillon is using" in refused("--port", str(free_port()), "--data-dir", str(tmp_path / "data"))
    secret = (tmp_path / "data" / "secret.key").read_text()
    server.stop()
    again = start(tmp_path, free_port())
    assert (tmp_path / "data" / "secret.key").read_text() == secret
    assert (tmp_path / "data" / "secret.key").stat().st_mode & 0o777 == 0o600
    again.stop()


def test_the_first_start_prints_the_link_that_makes_the_owner_and_later_ones_do_not(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    server = start(tmp_path, free_port(), CARILLON_SETUP_TOKEN="a token & of mine+/%20?#é")
    request.addfinalizer(server.stop)
    [link] = re.findall(r"http://localhost:\d+(/setup\?token=\S+)", server.log.read_text())
    answers = {"email": "alice@example.org", "name": "Alice", "password": "correct horse battery", "workspace_name": "Bells"}
    with httpx.Client(base_url=server.url) as client:
        form = dict(re.findall(r'name="(_csrf_token|token)" value="([^"]+)"', html.unescape(client.get(link).text)))
        assert client.post("/setup", data={**form, "token": "", **answers, "zone": "UTC"}).status_code == 422
        assert client.post("/setup", data={**form, **answers, "zone": "UTC"}).headers["location"] == "/accounts"
    server.stop()
    server.log.unlink()
    again = start(tmp_path, free_port())
    assert "http://localhost" in again.log.read_text()
    assert "token" not in again.log.read_text()
    again.stop()


def test_ctrl_c_ends_it_and_its_database(tmp_path: Path) -> None:
    server = start(tmp_path, free_port())
    assert server.process is not None
    database = children(server)
    assert database
    server.process.send_signal(signal.SIGINT)
    assert server.process.wait(30) == 0
    assert gone(database, within=0)
    assert "Traceback" not in server.log.read_text()


async def test_killed_again_and_again_it_leaves_no_process_and_loses_nothing(tmp_path: Path) -> None:
    """What a post becomes that was being sent is the business of tests/chaos: here it is neither lost nor doubled."""
    port, written = free_port(), []
    async with Visitor(f"http://127.0.0.1:{port}") as visitor:
        for number in range(KILLS):
            server = start(tmp_path, port)
            if not number:
                await visitor.set_up()
            written.append(await visitor.publish(f"before kill {number}."))
            database = children(server)
            assert len(database) == 1
            kill(server)
            assert gone(database, within=5)
        last = start(tmp_path, port)
        for number, page in enumerate(written):
            assert f"before kill {number}." in (await visitor.http.get(page)).text
        posts = [(post["text"], post["platform"]) for post in (await visitor.http.get("/sandbox/api/posts")).json()]
        assert len(set(posts)) == len(posts)
        last.stop()


# --- which database ---------------------------------------------------------------------------------------------------


@pytest.fixture
def with_mongod(tmp_path: Path) -> str:
    """A PATH with a ``mongod``."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "mongod").write_text(FAKE_MONGOD.format(python=sys.executable))
    (folder / "mongod").chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


async def has_an_owner(server: Server) -> bool:
    """Whether somebody was here before: strangers are asked for their password, not for a name."""
    async with Visitor(server.url) as visitor:
        return "/setup" not in str((await visitor.http.get("/")).url)


async def test_a_mongod_that_is_installed_later_does_not_hide_what_was_written(tmp_path: Path, with_mongod: str) -> None:
    server = start(tmp_path, free_port())
    async with Visitor(server.url) as visitor:
        await visitor.set_up()
    server.stop()
    again = start(tmp_path, free_port(), PATH=with_mongod)
    assert await has_an_owner(again)
    again.stop()


@pytest.mark.skipif(shutil.which("mongod") is not None, reason="a real mongod is on PATH and cannot be taken away")
async def test_an_empty_folder_gets_mongod_and_keeps_it(tmp_path: Path, with_mongod: str) -> None:
    server = start(tmp_path, free_port(), PATH=with_mongod)
    async with Visitor(server.url) as visitor:
        await visitor.set_up()
    kill(server)
    folder = str(tmp_path / "data")
    assert (tmp_path / "data" / "mongo" / "fake.db").exists()
    said = refused("--port", str(free_port()), "--data-dir", folder)
    assert "no mongod on PATH" in said
    assert "Traceback" not in said
    again = start(tmp_path, free_port(), PATH=with_mongod)
    assert await has_an_owner(again)
    again.stop()
