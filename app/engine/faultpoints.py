"""Named steps at which the chaos harness can hold a worker and then kill it. Without ``CARILLON_FAULT_POINTS`` they do nothing.

The harness puts a file named after a step into the folder, ``<step>`` for the first delivery that comes along or
``<step>.<account id>`` for one account's. The first worker that reaches the step takes the file by renaming it to
``<name>.<pid>`` (so exactly one worker is held, and the harness knows which) and goes on only when that file is gone.
"""

import asyncio
import os
from pathlib import Path

from app import runtime
from app.ids import Id

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
TOLD = "told"
"""The network has said what became of an unconfirmed post; nothing is saved yet."""


async def reach(step: str, account_id: Id) -> None:
    """Wait here if the harness asked for it."""
    folder = runtime.current().settings.fault_points
    if folder is None:
        return
    held = _take(folder / f"{step}.{account_id}") or _take(folder / step)
    while held and held.exists():  # noqa: ASYNC110 - the harness is another process; its only signal is the file
        await asyncio.sleep(0.02)


def _take(asked: Path) -> Path | None:
    held = asked.with_name(f"{asked.name}.{os.getpid()}")
    try:
        return asked.rename(held)
    except FileNotFoundError:
        return None
