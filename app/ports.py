"""Free ports on loopback for servers that this machine starts for itself."""

import random
import socket
from pathlib import Path

_LOWEST, _HIGHEST = 15_000, 30_000
_KERNEL = Path("/proc/sys/net/ipv4/ip_local_port_range")
"""Where Linux says from which ports it serves outgoing connections."""
_TRIES = 1_000

_given: set[int] = set()


class NoFreePort(Exception):
    """A thousand random ports were all taken."""


def free_port() -> int:
    """A TCP port that nobody listened on a moment ago, and that this process was not given before.

    It lies outside the range from which the kernel serves outgoing connections: one of those would take it while a server is
    restarted. Another process may still take it before the server does, so whoever starts one looks whether it was his.
    """
    for _ in range(_TRIES):
        port = random.choice(candidates())  # noqa: S311 - not a secret; at random, so that test runs side by side rarely meet
        if port not in _given and _is_free(port):
            _given.add(port)
            return port
    raise NoFreePort("no free port on this machine")


def candidates() -> range:
    """The ports to choose from: 15,000 to 30,000, or what the kernel leaves of them where its own range begins lower."""
    return range(_LOWEST, max(_LOWEST + 1_000, min(_HIGHEST, _first_of_the_kernel())))


def _first_of_the_kernel() -> int:
    try:
        return int(_KERNEL.read_text(encoding="ascii").split()[0])
    except (OSError, ValueError):
        return _HIGHEST


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
