"""The sandbox networks as a process of their own, with the judge under ``/api``."""

import sys
from pathlib import Path

from tests.servers.process import Server, accepts, free_port


def start(folder: Path) -> Server:
    """Start it (one to two seconds, 90 MB). What it holds is lost when it stops."""
    port = free_port()
    server = Server(
        url=f"http://127.0.0.1:{port}",
        command=[sys.executable, "-m", "platforms.sandbox", "--port", str(port)],
        ready=lambda: accepts(port),
        log=folder / "output.log",
    )
    return server.start()
