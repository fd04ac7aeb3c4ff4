"""A wall clock for child processes that runs faster than ours and can be set, so that waits of minutes pass in seconds.

Nothing in Carillon knows of it: leases, pauses and settling times keep their length by the clock that Carillon reads. What is
measured by monotonic clocks (time-outs of requests, step limits) stays real, and is set to short values in the environment.
"""

import shutil
import struct
import subprocess
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

_FORM = struct.Struct("<qqd")
_SECOND = 1_000_000_000


def missing() -> str | None:
    """Why there can be no such clock, and how to get one."""
    if shutil.which("gcc"):
        return None
    return "A C compiler is missing, which the clock of the chaos tests needs: install gcc and libc6-dev."


def build(folder: Path) -> Path:
    """Compile the library that processes preload."""
    library = folder / "clock.so"
    source = Path(__file__).with_name("clock.c")
    subprocess.run(["gcc", "-O2", "-fPIC", "-shared", "-o", str(library), str(source), "-ldl"], check=True)
    return library


@dataclass
class Clock:
    """One host's clock: processes started with its ``environment`` read it."""

    library: Path
    file: Path
    rate: float
    base: int
    offset: timedelta = timedelta()
    skipped: timedelta = timedelta()

    @classmethod
    def start(cls, library: Path, file: Path, *, rate: float, base: int) -> Self:
        """Clocks with the same ``base`` (nanoseconds since 1970) and ``rate`` agree."""
        clock = cls(library, file, rate, base)
        file.write_bytes(bytes(_FORM.size))
        clock.set(timedelta())
        return clock

    @property
    def environment(self) -> dict[str, str]:
        return {"LD_PRELOAD": str(self.library), "CHAOS_CLOCK": str(self.file)}

    def set(self, offset: timedelta) -> None:
        """Be this far ahead of (or behind) a clock that was never set."""
        self.offset = offset
        self._write()

    def let_pass(self, time: timedelta) -> None:
        """Skip so much time, whatever it is set to."""
        self.skipped += time
        self._write()

    def _write(self) -> None:
        ahead = self.offset + self.skipped
        with self.file.open("r+b") as file:
            file.write(_FORM.pack(self.base, int(ahead.total_seconds() * _SECOND), self.rate))

    def now(self) -> datetime:
        """What the processes read at this moment."""
        told = self.base + (time.time_ns() - self.base) * self.rate
        return datetime.fromtimestamp(told / _SECOND, UTC) + self.offset + self.skipped
