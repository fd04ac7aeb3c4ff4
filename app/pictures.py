"""Pictures: cleaned of metadata when they come in, and made to fit a network's limits when they go out.

Each is opened in a process of its own (:mod:`app.darkroom`), at most two at a time, started when it is needed and gone when it is
done. So strangers' bytes and megapixels stay out of the processes that serve pages and publish, nothing is held for them in
between, and a bomb takes only its own process along.
"""

import asyncio
import json
import logging
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from app import darkroom
from app.errors import Invalid
from platforms.base import MediaRule

log = logging.getLogger(__name__)

PATIENCE = 2 * darkroom.MAX_SECONDS
"""Seconds one picture may take, on a machine that is busy with other things."""

_waiters = ThreadPoolExecutor(max_workers=2, thread_name_prefix="pictures")
"""They only wait for the processes. A process ends with the thread that started it, and these last as long as the program."""


class Failed(Exception):
    """The process died twice or took too long. Nothing is known about the picture but that."""


async def clean(data: bytes) -> tuple[bytes, str, int, int]:
    """The picture without metadata, its type, width and height. Raises ``Invalid`` (field ``media``)."""
    try:
        facts, cleaned = await _develop(data, "clean")
    except Failed:
        raise Invalid(
            {"media": "This picture took too long or too much memory to open. Try again, or make it smaller."}
        ) from None
    if "refused" in facts:
        raise Invalid({"media": facts["refused"]})
    return cleaned, facts["mime"], facts["width"], facts["height"]


async def fit(data: bytes, mime: str, rule: MediaRule) -> bytes:
    """``data`` as ``rule`` wants it. Raises :class:`Failed`."""
    _, fitted = await _develop(data, "fit", mime, str(rule.max_bytes), str(rule.max_pixels or 0))
    return fitted


async def _develop(data: bytes, *task: str) -> tuple[dict[str, Any], bytes]:
    return await asyncio.get_running_loop().run_in_executor(_waiters, _in_darkroom, data, task)


def _in_darkroom(data: bytes, task: tuple[str, ...]) -> tuple[dict[str, Any], bytes]:
    """The process's facts and picture. One that dies is tried once more: it may have been the system's choice, not its fault."""
    for _ in range(2):
        try:
            done = subprocess.run(
                [sys.executable, "-I", darkroom.__file__, str(os.getpid()), *task],
                input=data,
                capture_output=True,
                timeout=PATIENCE,
                start_new_session=True,  # Ctrl-C at the terminal is not meant for it
                check=False,
            )
        except subprocess.TimeoutExpired:
            break
        if done.returncode == 0:
            facts, _, picture = done.stdout.partition(b"\n")
            return json.loads(facts), picture
        log.warning("a picture's process ended with %s: %s", done.returncode, done.stderr[-300:].decode(errors="replace"))
    raise Failed(task[0])
