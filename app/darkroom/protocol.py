"""What the process and its parent say to each other: a job as one line of JSON, and answers as lines of JSON.

The answers: any number of ``{"progress": 0.25}``, then either ``{"facts": {...}}`` or ``{"refused": "why", "code": "..."}``. The
facts are the fields of :class:`platforms.base.MediaFacts`, its duration in seconds.
"""

import json
import sys
from dataclasses import asdict, dataclass, field
from typing import Any, TextIO

Facts = dict[str, Any]
Step = dict[str, Any]
Recipe = list[Step]
"""A plan's steps (:mod:`platforms.fitting.values`), each with its name."""


class Refused(Exception):
    """The file is not taken; the message tells the person why. ``code``: ``unreadable``, or ``too_large`` where nothing fits."""

    def __init__(self, message: str, code: str = "unreadable") -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Job:
    """One task: ``clean`` (``source`` to ``target``, losing what tells about its maker), ``render`` (by ``recipe``) or ``probe``.

    ``poster``: where a picture of a film goes, ``thumb``: a small one of anything; ``""`` for nowhere. The rest are limits:
    ``memory`` and ``written`` in bytes, ``seconds`` of processor time.
    """

    task: str
    source: str
    target: str = ""
    poster: str = ""
    thumb: str = ""
    recipe: Recipe = field(default_factory=list)
    memory: int = 0
    seconds: int = 0
    written: int = 0

    def write(self) -> str:
        """As one line."""
        return json.dumps(asdict(self)) + "\n"

    @classmethod
    def read(cls, file: TextIO) -> "Job":
        """The job that ``file`` holds."""
        return cls(**json.loads(file.readline()))


def tell(**answer: Any) -> None:
    """Say it to the parent."""
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


class Progress:
    """Tells how much of a job is done, in steps of a hundredth at least."""

    def __init__(self) -> None:
        self._told = 0.0

    def __call__(self, share: float) -> None:
        share = min(1.0, share)
        if share - self._told >= 0.01:  # noqa: PLR2004
            self._told = share
            tell(progress=round(share, 2))
