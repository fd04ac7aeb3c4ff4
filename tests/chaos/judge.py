"""The verdict on one delivery: what Carillon says of it, against what the network accepted."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

Document = Mapping[str, Any]


class Verdict(StrEnum):
    """``LOST``: no post, or none that Carillon names, and Carillon does nothing more about it. ``STUCK``: no end in time."""

    ONCE = "published_once"
    DUPLICATE = "duplicates"
    LOST = "lost"
    UNDECIDED = "undecided"
    STUCK = "stuck"


WAITING = frozenset({"scheduled", "queued", "publishing", "processing", "unconfirmed"})
"""States in which Carillon itself will do something."""


def at_rest(delivery: Document | None) -> bool:
    """Whether Carillon has done with it."""
    return delivery is not None and (delivery["state"] not in WAITING or bool(delivery.get("undecidable")))


def judge(delivery: Document | None, posts: Sequence[Document]) -> Verdict:
    """``posts`` are all that the network ever accepted with this delivery's text, deleted ones too."""
    if len(posts) > 1:
        return Verdict.DUPLICATE
    if delivery is None or not at_rest(delivery):
        return Verdict.STUCK
    if delivery["state"] in WAITING:
        return Verdict.UNDECIDED
    named = [part["receipt"]["remote_id"] for part in delivery["parts"] if part["receipt"]]
    return Verdict.ONCE if delivery["state"] == "published" and named == [post["id"] for post in posts] else Verdict.LOST
