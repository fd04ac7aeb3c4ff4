"""Named steps at which the chaos harness can hold a worker and then kill it. Without ``CARILLON_FAULT_POINTS`` they do nothing.

The harness puts a file named after a step into the folder. The first worker that reaches the step takes the file by renaming it
to ``<step>.<pid>`` (so exactly one worker is held, and the harness knows which) and goes on only when that file is gone.
"""

import asyncio
import os
from pathlib import Path

from app import runtime

CLAIMED = "claimed"
"""The delivery is ours; nothing was uploaded."""
UPLOADED = "uploaded"
"""A checkpoint of an upload is saved."""
FENCED = "fenced"
"""The fence is written; the request is not sent yet."""
ANSWERED = "answered"
"""The network's answer is here; nothing is saved yet."""
SAVED = "saved"
"""The receipt is saved; the message is not acknowledged yet."""


async def reach(step: str) -> None:
    """Wait here if the harness asked for it."""
    folder = runtime.current().settings.fault_points
    if folder is None:
        return
    held = folder / f"{step}.{os.getpid()}"
    if not _take(folder / step, held):
        return
    while held.exists():  # noqa: ASYNC110 - the harness is another process; its only signal is the file
        await asyncio.sleep(0.02)


def _take(asked: Path, held: Path) -> bool:
    try:
        asked.rename(held)
    except FileNotFoundError:
        return False
    return True
