"""Jobs of the darkroom carried out here, where a debugger can follow them; ``test_process.py`` starts real processes."""

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

from app import pictures
from app.darkroom import work
from app.darkroom.protocol import Job
from platforms.base import MediaFacts, MediaKind, MediaRule, Problem
from platforms.fitting import Choices, Rendition, plan

MIMES = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}


@dataclass
class Room:
    """A folder to work in."""

    folder: Path

    def clean(self, data: bytes | Path, **more: Any) -> tuple[bytes, MediaFacts]:
        return self._done(Job("clean", self._put(data), str(self.folder / "cleaned"), **more))

    def probe(self, data: bytes | Path, poster: str = "") -> MediaFacts:
        return pictures.restored(work.done(Job("probe", self._put(data), poster=poster)))

    def fit(self, data: bytes | Path, rule: MediaRule, choices: Choices | None = None) -> tuple[bytes, MediaFacts]:
        """As ``rule`` wants it; what comes out keeps what the plan promised."""
        source = self._put(data)
        planned = plan(self.probe(Path(source)), rule, choices or Choices())
        assert isinstance(planned, Rendition), planned
        if not planned.steps:
            return Path(source).read_bytes(), planned.fitted
        made, facts = self._done(Job("render", source, str(self.folder / "fitted"), recipe=planned.recipe))
        assert facts.size == len(made) <= planned.fitted.size
        assert (facts.mime, facts.orientation, facts.alpha) == (planned.fitted.mime, 1, planned.fitted.alpha)
        assert facts.width <= planned.fitted.width
        assert facts.height <= planned.fitted.height
        return made, facts

    def problem(self, data: bytes, rule: MediaRule) -> Problem:
        found = plan(self.probe(data), rule)
        assert isinstance(found, Problem)
        return found

    def _put(self, data: bytes | Path) -> str:
        if isinstance(data, Path):
            return str(data)
        (self.folder / "source").write_bytes(data)
        return str(self.folder / "source")

    def _done(self, job: Job) -> tuple[bytes, MediaFacts]:
        facts = pictures.restored(work.done(job))
        return Path(job.target).read_bytes(), facts


def rule(max_bytes: int = 10_000_000, **more: Any) -> MediaRule:
    return MediaRule(MediaKind.IMAGE, 4, more.pop("mimes", frozenset(MIMES.values())), max_bytes, **more)


def seen(data: bytes) -> Image.Image:
    """The picture, unpacked."""
    image = Image.open(BytesIO(data))
    image.load()
    return image
