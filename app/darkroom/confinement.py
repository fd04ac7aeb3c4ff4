"""What the process may take: little memory, little time, a little disk, and nothing after its parent."""

import ctypes
import os
import resource
import signal
import sys

_NICENESS = 5
"""Pages and deliveries go first."""

_OPEN_FILES = 64


def confine(parent: int, *, memory: int, seconds: int, written: int) -> None:
    """Bytes of address space, seconds of processor time, bytes of any one file written. No longer than ``parent`` lives."""
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_FSIZE, (written, written))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (_OPEN_FILES, _OPEN_FILES))
    os.nice(_NICENESS)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    if os.getppid() != parent:  # it died before we could ask to be told
        sys.exit(1)
