"""The embedded database: a real ``mongod`` if there is one on PATH, else nx-27017, MongoDB's wire protocol on one SQLite file.

nx-27017 is for trying out and for one person: it knows a subset of MongoDB (``tests/integration/test_engines.py`` pins the part
Carillon uses) and slows down with tens of thousands of documents. Teams set ``CARILLON_MONGODB_URL``.
"""

import asyncio
import contextlib
import logging
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

log = logging.getLogger(__name__)

_LOOK_PAUSE = 0.1
_LOOKS = 600
"""Looks at the port while the database starts, a tenth of a second apart."""


class EmbeddedDatabase:
    """A child process that holds the documents in ``folder``. Started anew when it ends by itself."""

    def __init__(self, folder: Path, port: int) -> None:
        self._folder = folder
        self._port = port
        self._command, self.url = _mongod(folder, port) if shutil.which("mongod") else _stand_in(folder, port)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process; it answers within a second or two."""
        with (self._folder / "database.log").open("ab") as output:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
            )

    async def ready(self) -> bool:
        """Wait until it takes connections; ``False`` if it ends, or takes over a minute (a busy machine needs a while)."""
        for _ in range(_LOOKS):
            if self._process is None or self._process.poll() is not None:
                return False
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", self._port)
                writer.close()
                return True
            await asyncio.sleep(_LOOK_PAUSE)
        return False

    def keep_running(self) -> None:
        """Call now and then: brings a database back that ended by itself."""
        if self._process is not None and self._process.poll() is not None:
            log.error("the database ended with status %s; starting it again", self._process.returncode)
            self.start()

    def stop(self) -> None:
        """End the process and wait for it."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _mongod(folder: Path, port: int) -> tuple[list[str], str]:
    data = folder / "mongo"
    data.mkdir(parents=True, exist_ok=True)
    command = ["mongod", "--dbpath", str(data), "--bind_ip", "127.0.0.1", "--port", str(port), "--wiredTigerCacheSizeGB", "0.25"]
    return command, f"mongodb://127.0.0.1:{port}/carillon?directConnection=true"


def _stand_in(folder: Path, port: int) -> tuple[list[str], str]:
    """Its own log would hold every command with its data, so it goes nowhere; ``main`` below silences the copy on the console."""
    files = ["--db", str(folder / "carillon.db"), "--pid-file", str(folder / "database.pid"), "--log-file", "/dev/null"]
    (folder / "database.pid").unlink(missing_ok=True)
    command = [sys.executable, "-m", __spec__.name, "--host", "127.0.0.1", "--port", str(port), *files]
    return command, f"mongodb://127.0.0.1:{port}/carillon?directConnection=true"


def main() -> None:
    """Run nx-27017 with warnings and errors only: it logs every command at INFO."""
    from nx_27017.nx_27017 import main as serve  # noqa: PLC0415 - only the child process needs it

    logging.disable(logging.INFO)
    run: Callable[[], None] = serve
    run()


if __name__ == "__main__":
    main()
