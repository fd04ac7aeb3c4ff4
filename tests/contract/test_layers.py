"""The house plan's borders: who may import whom, and where networks may be named."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

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


def test_every_layer_imports_only_those_below_it() -> None:
    """In a process of its own: it switches other people's loggers off."""
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports; raise SystemExit(lint_imports(no_cache=True))"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_only_the_storage_knows_how_to_speak_to_a_bucket() -> None:
    speaks = re.compile(r"^\s*(import|from) (boto3|botocore|types_boto3_s3)", re.MULTILINE)
    found = {path for path in SOURCES if path.suffix == ".py" and speaks.search(path.read_text())}
    assert found
    assert {path.parent for path in found} == {ROOT / "app" / "storage"}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_network_is_named_outside_platforms(path: Path) -> None:
    named = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if NAMES.search(line)
    ]
    assert not named
