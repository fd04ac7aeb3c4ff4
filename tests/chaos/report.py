"""What is printed: a table of fault, step and network, everything about what went wrong, and one line of JSON."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from tests.chaos.judge import Verdict, allowed
from tests.chaos.plan import Run
from tests.chaos.scenes import Scenario

LATE = "posts in the end"
"""Under this name evidence holds a second post that came after its run was judged."""


NEVER = "NEVER STRUCK"
"""Stands behind a row whose fault was not met once: it proves nothing."""


@dataclass(frozen=True)
class Result:
    """``struck``: the fault was really met. ``evidence``: what is needed to understand a run that went wrong."""

    run: Run
    post_id: str
    texts: tuple[str, ...]
    verdict: Verdict
    posts: int
    struck: bool
    seconds: float
    evidence: dict[str, Any]

    @property
    def failed(self) -> bool:
        """Whether it is anything but what may come out of its row."""
        return self.verdict not in allowed(self.run.scenario, self.posts)


def summary(results: Iterable[Result], *, seed: int) -> dict[str, int]:
    """The line of JSON."""
    results = list(results)
    counts = {verdict.value: sum(result.verdict is verdict for result in results) for verdict in Verdict}
    failed = sum(result.failed for result in results)
    return {"runs": len(results), **counts, "failed": failed, "never_struck": len(never_struck(results)), "seed": seed}


def never_struck(results: Iterable[Result]) -> list[Scenario]:
    """The rows whose fault was met in none of their runs."""
    return sorted(scenario for scenario, some in _by_scenario(results).items() if not any(result.struck for result in some))


def _by_scenario(results: Iterable[Result]) -> dict[Scenario, list[Result]]:
    found: defaultdict[Scenario, list[Result]] = defaultdict(list)
    for result in results:
        found[result.run.scenario].append(result)
    return dict(sorted(found.items()))


_VERDICTS = {verdict: "once" if verdict is Verdict.ONCE else verdict.value.replace("_", " ") for verdict in Verdict}
_COLUMNS = ("fault", "step", "network", "runs", "struck", *_VERDICTS.values(), "slowest s", "")


def table(results: Iterable[Result]) -> str:
    """One row per scenario; a zero is a dot, so that what is not zero catches the eye."""
    rows = [_COLUMNS, *_rows(results)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    return "\n".join("  ".join(_aligned(row, widths)).rstrip() for row in rows)


def _aligned(row: tuple[str, ...], widths: list[int]) -> Iterator[str]:
    for column, (cell, width) in enumerate(zip(row, widths, strict=True)):
        yield cell.ljust(width) if column < 3 or not _COLUMNS[column] else cell.rjust(width)


def _rows(results: Iterable[Result]) -> Iterator[tuple[str, ...]]:
    for scenario, some in _by_scenario(results).items():
        struck = sum(result.struck for result in some)
        numbers = [len(some), struck, *(sum(result.verdict is verdict for result in some) for verdict in _VERDICTS)]
        slowest = max(result.seconds for result in some)
        remark = "FAILED" if any(result.failed for result in some) else "" if struck else NEVER
        told = (str(number or ".") for number in numbers)
        yield scenario.fault, scenario.step, scenario.network, *told, f"{slowest:.1f}", remark


def story(result: Result) -> str:
    """Everything about one run, to repeat and to understand it."""
    scenario = result.run.scenario
    head = f"run {result.run.number}: {scenario.fault} / {scenario.step} / {scenario.network}: {result.verdict.value}"
    return f"{head}\n{json.dumps(result.evidence, default=str, indent=2, ensure_ascii=False)}"
