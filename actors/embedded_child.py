"""What ``carillon run`` starts beside itself: ties itself to that process, takes the folder, and becomes the database.

    embedded_child.py PARENT LOCK nx-27017 OPTIONS...      the stand-in, in this process
    embedded_child.py PARENT LOCK COMMAND...               any other program, in this process's place

It is run as a file (``python -P``), not as a module: importing the package around it would cost 60 MB and some seconds.
"""

import ctypes
import fcntl
import logging
import os
import signal
import sys
from collections.abc import Callable

STAND_IN = "nx-27017"

_PR_SET_PDEATHSIG = 1
"""prctl(2): the signal this process gets when the *thread* that started it ends."""


def main() -> None:
    """Become the database; exits with 1 and a sentence when the parent is gone or somebody else has the folder."""
    parent, lock, *command = sys.argv[1:]
    die_with(int(parent))
    hold(lock)
    if command[0] != STAND_IN:
        os.execvp(command[0], command)  # noqa: S606 - signal and lock stay with the process
    sys.argv = command
    serve()


def die_with(parent: int) -> None:
    """Be killed when the parent ends, however it ends; both engines write ahead, so nothing acknowledged is lost.

    Only Linux can do that. Elsewhere a database whose parent was killed goes on until the next start ends it.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before it could be asked for
        sys.exit("carillon is gone already")


def hold(file: str) -> None:
    """Keep a lock until this process ends, and leave its number in the file. The lock is not lost with ``exec``."""
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        sys.exit(f"another database holds {file}")
    os.ftruncate(descriptor, 0)
    os.write(descriptor, str(os.getpid()).encode())
    os.set_inheritable(descriptor, True)


def serve() -> None:
    """Run nx-27017 with warnings and errors only: it logs every command, with its data, at INFO."""
    from nx_27017.nx_27017 import main as run  # noqa: PLC0415 - mongod does not need it

    logging.disable(logging.INFO)
    work: Callable[[], None] = run
    work()


if __name__ == "__main__":
    main()
