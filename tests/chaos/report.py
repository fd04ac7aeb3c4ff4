"""What is printed: a table of fault, step and network, everything about what went wrong, and one line of JSON."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from tests.chaos.judge import Verdict
from tests.chaos.plan import Run, Scenario

LATE = "posts in the end"
"""Under this name evidence holds a second post that came after its run was judged."""


@dataclass(frozen=True)
class Result:
    """``struck``: the fault was really met. ``evidence``: what is needed to understand a run that went wrong."""

    run: Run
    text: str
    verdict: Verdict
    struck: bool
    seconds: float
    evidence: dict[str, Any]


def summary(results: Iterable[Result], *, seed: int) -> dict[str, int]:
    """The line of JSON."""
    results = list(results)
    counts = {verdict.value: sum(result.verdict is verdict for result in results) for verdict in Verdict}
    return {"runs": len(results), **counts, "seed": seed}


_COLUMNS = ("fault", "step", "network", "runs", "struck", "once", "duplicates", "lost", "undecided", "stuck", "slowest s")


def table(results: Iterable[Result]) -> str:
    """One row per scenario; a zero is a dot, so that what is not zero catches the eye."""
    rows = [_COLUMNS, *_rows(results)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    return "\n".join("  ".join(_aligned(row, widths)).rstrip() for row in rows)


def _aligned(row: tuple[str, ...], widths: list[int]) -> Iterator[str]:
    for column, (cell, width) in enumerate(zip(row, widths, strict=True)):
        yield cell.ljust(width) if column < 3 else cell.rjust(width)


def _rows(results: Iterable[Result]) -> Iterator[tuple[str, ...]]:
    found: defaultdict[Scenario, list[Result]] = defaultdict(list)
    for result in results:
        found[result.run.scenario].append(result)
    for scenario, some in sorted(found.items()):
        numbers = [len(some), sum(result.struck for result in some)]
        numbers += [sum(result.verdict is verdict for result in some) for verdict in Verdict]
        slowest = max(result.seconds for result in some)
        yield scenario.fault, scenario.step, scenario.network, *(str(number or ".") for number in numbers), f"{slowest:.1f}"


def story(result: Result) -> str:
    """Everything about one run, to repeat and to understand it."""
    scenario = result.run.scenario
    head = f"run {result.run.number}: {scenario.fault} / {scenario.step} / {scenario.network}: {result.verdict.value}"
    return f"{head}\n{json.dumps(result.evidence, default=str, indent=2, ensure_ascii=False)}"
