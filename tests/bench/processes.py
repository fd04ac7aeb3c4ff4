"""What processes cost: processor time and memory, a process with all its children."""

from collections.abc import Iterator
from contextlib import suppress

import psutil

from tests.servers.process import Server


def tree(server: Server) -> Iterator[psutil.Process]:
    """Its processes."""
    if server.process is None:
        raise RuntimeError("the server is not running")
    head = psutil.Process(server.process.pid)
    yield from (head, *head.children(recursive=True))


def cpu_seconds(server: Server) -> float:
    """User and system time that the server and its children have used since they started."""
    total = 0.0
    for process in tree(server):
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system
    return total


def memory_mb(server: Server) -> float:
    """Proportional set size of the server and its children: memory that several share counts once (/proc/*/smaps_rollup)."""
    total = 0
    for process in tree(server):
        with suppress(psutil.NoSuchProcess):
            total += process.memory_full_info().pss
    return total / 1e6
