"""``carillon run`` at the terminal: what it says when it cannot start, and what a second start finds."""

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx

from tests.servers.process import Server, free_port

RUN = [sys.executable, "-m", "actors.cli", "run", "--host", "127.0.0.1"]


def is_well(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=2).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def start(folder: Path, port: int) -> Server:
    return Server(
        url=f"http://127.0.0.1:{port}",
        command=[*RUN, "--port", str(port), "--data-dir", str(folder / "data")],
        ready=lambda: is_well(port),
        log=folder / "carillon.log",
    ).start()


def refused(*options: str, **environment: str) -> str:
    """What it prints when it does not start."""
    done = subprocess.run(
        [*RUN, *options], env={**os.environ, **environment}, capture_output=True, text=True, timeout=60, check=False
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


def test_the_first_start_prints_the_link_that_makes_the_owner_and_later_ones_do_not(tmp_path: Path) -> None:
    server = start(tmp_path, free_port())
    [link] = re.findall(r"http://localhost:\d+(/setup\?token=\S+)", server.log.read_text())
    answers = {"email": "alice@example.org", "name": "Alice", "password": "correct horse battery", "workspace_name": "Bells"}
    with httpx.Client(base_url=server.url) as client:
        form = dict(re.findall(r'name="(_csrf_token|token)" value="([^"]+)"', client.get(link).text))
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
    database = int((tmp_path / "data" / "database.pid").read_text())
    server.process.send_signal(signal.SIGINT)
    assert server.process.wait(30) == 0
    assert not Path(f"/proc/{database}").exists()
    assert "Traceback" not in server.log.read_text()
