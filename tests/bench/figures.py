"""What a measurement returns, and how it is printed."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Figure:
    """One number under its key in the JSON line. ``goal`` is in words; ``note`` says under what circumstances."""

    key: str
    value: Any
    goal: str = ""
    note: str = ""


def percentile(values: Iterable[float], share: float) -> float:
    """The value that ``share`` (0 to 1) of all ``values`` do not exceed (nearest rank)."""
    ordered = sorted(values)
    rank = max(1, -(-round(share * len(ordered) * 1000) // 1000))
    return ordered[rank - 1]


def percentiles(
    prefix: str, unit: str, values: Sequence[float], *shares: float, goals: dict[float, str] | None = None
) -> list[Figure]:
    """One figure per percentile: ``prefix_p50_ms`` and so on. ``values`` are seconds, shown in ``unit`` (``s`` or ``ms``)."""
    scale = {"s": 1, "ms": 1000}[unit]
    return [
        Figure(
            f"{prefix}_{_name(share)}_{unit}",
            round(percentile(values, share) * scale, 3 if unit == "s" else 1),
            (goals or {}).get(share, ""),
            f"{len(values)} measured",
        )
        for share in shares
    ]


def _name(share: float) -> str:
    return "max" if share == 1 else f"p{share * 100:.0f}"


def table(figures: Sequence[Figure]) -> str:
    """Aligned columns for people."""
    rows = [(figure.key, str(figure.value), figure.goal, figure.note) for figure in figures]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return "\n".join("  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3]]) for row in rows)


def line(figures: Sequence[Figure]) -> str:
    """One line of JSON for machines."""
    return json.dumps({figure.key: figure.value for figure in figures})
