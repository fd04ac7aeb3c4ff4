"""A private nx-27017, the embedded stand-in for MongoDB."""

import sys
from pathlib import Path

from tests.servers.process import Server, accepts, free_port


def start(folder: Path) -> Server:
    """Start a server whose data is ``folder/carillon.db`` (half a second, 40 MB).

    It logs every command and has no option against that, so its log file is /dev/null. All database names share the one file.
    """
    port = free_port()
    pid_file = folder / "nx.pid"
    pid_file.unlink(missing_ok=True)
    command = [sys.executable, "-m", "nx_27017.nx_27017", "--db", str(folder / "carillon.db"), "--host", "127.0.0.1"]
    command += ["--port", str(port), "--pid-file", str(pid_file), "--log-file", "/dev/null"]
    server = Server(
        url=f"mongodb://127.0.0.1:{port}/",
        command=command,
        ready=lambda: accepts(port),
        log=folder / "output.log",
    )
    return server.start()
