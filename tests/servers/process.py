"""Child processes that die with the test run, and are stopped by their own process id."""

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from app.ports import free_port
from tests import given

__all__ = ["NotReady", "Server", "accepts", "end", "free_port", "spawn"]

PAUSE = 0.05
"""Seconds between two looks at a server that is coming up."""
_PR_SET_PDEATHSIG = 1
"""prctl(2): the signal a child gets when its parent is gone."""


class NotReady(Exception):
    """A server ended or did not answer in time; the message ends with what it logged last."""


def accepts(port: int) -> bool:
    """Whether somebody listens on this loopback port."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def spawn(command: Sequence[str], *, log: Path, env: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
    """Start ``command`` as the head of its own process group, so that Ctrl-C reaches the tests first.

    It gets ``env`` and this process's environment, but nobody's ``CARILLON_*``. Raises ``given.LiveData`` if it would use a
    database that is not ours. On Linux the kernel kills it when the *thread* that started it ends, so start servers from the
    main thread only.
    """
    given.guard(env or {})
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            env={**given.clean(), **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_die_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509 - one system call, no locks
        )


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def end(process: subprocess.Popen[bytes], *, by: signal.Signals, within: float = 20) -> None:
    """Send ``by`` and wait for the end; after ``within`` seconds the whole group is killed."""
    process.send_signal(by)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(within)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # what it left behind, or itself
    process.wait()


@dataclass(kw_only=True)
class Server:
    """One server process. ``stop`` is orderly, ``kill`` is a power cut; ``start`` brings it back with its data."""

    url: str
    command: Sequence[str]
    ready: Callable[[], bool]
    log: Path
    env: Mapping[str, str] = field(default_factory=dict)
    patience: float = 60
    """Seconds the server may take until it is ``ready``."""
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        """Start it and wait until it answers."""
        self.process = spawn(self.command, log=self.log, env=self.env)
        deadline = time.monotonic() + self.patience
        while not self.ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise NotReady(f"{self.command[0]}: {self.log.read_text(errors='replace')[-2000:]}")
            time.sleep(PAUSE)
        return self

    def stop(self) -> None:
        """Ask it to end, and wait."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it without a chance to tidy up."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """``stop`` and ``start``: same address, same data."""
        self.stop()
        self.start()

    def _end(self, by: signal.Signals) -> None:
        if self.process is not None:
            end(self.process, by=by)
            self.process = None
