"""The folder through which workers are held at named steps; see :mod:`app.engine.faultpoints`."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

PAUSE = 0.03
"""Seconds between two looks."""


@dataclass(frozen=True)
class Points:
    """One file per account and step: ``<step>.<account>`` asks, ``<step>.<account>.<pid>`` says who is held."""

    folder: Path

    def arm(self, step: str, account_id: str) -> None:
        """The next worker that comes to ``step`` for this account will be held there."""
        (self.folder / f"{step}.{account_id}").touch()

    async def held(self, step: str, account_id: str) -> int:
        """Wait until one is held; its process id."""
        asked = self.folder / f"{step}.{account_id}"
        while True:
            if not asked.exists() and (found := [*self.folder.glob(f"{asked.name}.*")]):
                return int(found[0].suffix[1:])
            await asyncio.sleep(PAUSE)

    def hold_next(self, step: str, account_id: str) -> None:
        """Let who is held at ``step`` for this account go, and hold the next that comes there."""
        self.arm(step, account_id)
        for file in self.folder.glob(f"{step}.{account_id}.*"):
            file.unlink(missing_ok=True)

    def let_go(self, account_id: str, step: str = "*") -> None:
        """Hold nobody for this account any more, at that ``step`` or at all."""
        for file in self.folder.glob(f"{step}.{account_id}*"):
            file.unlink(missing_ok=True)
