"""The sandbox networks as a process of their own, with the judge under ``/api``."""

import sys
from pathlib import Path

from tests.servers.process import Server, accepts, free_port


def start(folder: Path, *, store: Path | None = None) -> Server:
    """Start it (one to two seconds, 90 MB). Without a ``store`` what it holds is lost when it stops."""
    port = free_port()
    kept = ["--store", str(store)] if store else []
    server = Server(
        url=f"http://127.0.0.1:{port}",
        command=[sys.executable, "-m", "platforms.sandbox", "--port", str(port), *kept],
        ready=lambda: accepts(port),
        log=folder / "output.log",
    )
    return server.start()
