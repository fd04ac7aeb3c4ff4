"""An S3 server that keeps objects in memory and checks no signatures: it proves our calls, never our security."""

import sys
from dataclasses import dataclass
from pathlib import Path

from tests.servers.process import Server, accepts, free_port


@dataclass(frozen=True, slots=True)
class Bucket:
    """An empty bucket, with what ``CARILLON_S3_*`` needs."""

    name: str
    endpoint_url: str
    region: str = "us-east-1"
    access_key: str = "carillon-test"
    secret_key: str = "carillon-test-secret"


def start(folder: Path) -> Server:
    """Start the server (1 to 2 s, 130 MB). What it holds is lost when it stops."""
    port = free_port()
    server = Server(
        url=f"http://127.0.0.1:{port}",
        command=[sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        ready=lambda: accepts(port),
        log=folder / "output.log",
    )
    return server.start()
