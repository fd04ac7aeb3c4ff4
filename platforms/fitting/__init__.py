"""How a file is made to fit a network: decided ahead, from facts and rules alone, as a value that names each step.

Nothing here opens a file; :mod:`app.darkroom` carries a plan out. One that was made twice is the same value, with the same
:attr:`Rendition.key`, so what was made for one account serves every other with the same rules.
"""

from platforms.base import MediaFacts, MediaRule, Problem
from platforms.fitting import films, pictures
from platforms.fitting.geometry import kept
from platforms.fitting.values import (
    AS_THEY_ARE,
    Choices,
    Crop,
    Encode,
    Flatten,
    Pad,
    Ratio,
    Remux,
    Rendition,
    Scale,
    Shape,
    Step,
    Still,
    Transcode,
    Trim,
    Turn,
)

__all__ = [
    "AS_THEY_ARE",
    "Choices",
    "Crop",
    "Encode",
    "Flatten",
    "Pad",
    "Ratio",
    "Remux",
    "Rendition",
    "Scale",
    "Shape",
    "Step",
    "Still",
    "Transcode",
    "Trim",
    "Turn",
    "kept",
    "plan",
]


def plan(facts: MediaFacts, rule: MediaRule, choices: Choices = AS_THEY_ARE) -> Rendition | Problem:
    """What to do with the file so that ``rule`` takes it, or why nothing helps and what a person can do. Never raises.

    It never makes anything larger in pixels, and what a plan announces (``Rendition.fitted``) is itself taken as it is.
    """
    found = _plan(facts, rule, choices)
    if isinstance(found, Rendition) and found.steps and _plan(found.fitted, rule, AS_THEY_ARE) != Rendition(found.fitted):
        return _CONTRADICTION
    return found


_CONTRADICTION = Problem("media", "unfit", "The network's limits leave no size for it. Use another file.")
"""Numbers come from servers too, and some contradict each other: then nothing that can be made would be taken."""


def _plan(facts: MediaFacts, rule: MediaRule, choices: Choices) -> Rendition | Problem:
    if facts.is_film:
        return films.plan(facts, rule, choices)
    if facts.animated and not pictures.as_it_is(facts, rule, choices) and films.MIME in rule.mimes:
        return films.plan(facts, rule, choices)
    return pictures.plan(facts, rule, choices)
