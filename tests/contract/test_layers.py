"""The house plan's borders: who may import whom, and where networks may be named."""

import re
from pathlib import Path

import pytest
from importlinter.cli import lint_imports

from platforms import REGISTRY

ROOT = Path(__file__).parents[2]
NAMES = re.compile(
    "|".join({*REGISTRY, "facebook", "instagram", "linkedin", "pinterest", "tiktok", "tumblr", "twitter", "youtube", "bsky"}),
    re.IGNORECASE,
)
SOURCES = sorted(
    path
    for folder in ("app", "actors")
    for path in (ROOT / folder).rglob("*")
    if path.suffix in {".py", ".html", ".css", ".js", ".txt"} and "vendor" not in path.parts
)


def test_every_layer_imports_only_those_below_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert lint_imports() == 0


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_network_is_named_outside_platforms(path: Path) -> None:
    named = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if NAMES.search(line)
    ]
    assert not named
