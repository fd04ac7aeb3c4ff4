"""Shape and size of what comes out: cropped or padded into the shapes a network takes, then made smaller; never larger."""

from dataclasses import dataclass
from math import ceil, sqrt

from platforms.base import MediaFacts, MediaRule, Problem
from platforms.fitting.values import Choices, Crop, Pad, Ratio, Scale, Shape

_INSIDE = 0.004
"""How far within the shapes a new one stays: pixels are whole, and a small picture's shape moves with each of them."""


@dataclass(frozen=True, slots=True)
class Frame:
    """Steps, and the width and height they lead to."""

    steps: tuple[Crop | Scale | Pad, ...]
    width: int
    height: int


def frame(facts: MediaFacts, rule: MediaRule, choices: Choices, *, even: bool = False) -> Frame | Problem:
    """How ``facts`` gets into the measures of ``rule``. ``even`` sides are what films have."""
    shape = wanted(facts, rule, choices)
    if shape is None:
        return _sized(rule, None, (facts.width, facts.height), even=even)
    if choices.shape is Shape.PAD:
        return _padded(facts, rule, shape, choices.colour, even=even)
    if choices.shape is Shape.ASK and choices.ratio is Ratio.KEEP:
        too = "tall" if facts.width < facts.height else "wide"
        return Problem("media", "shape", f"It is too {too} for this network. Crop it, or let it be padded.")
    crop = _crop(facts, shape, choices.focus)
    return _sized(rule, crop, (crop.width, crop.height), even=even)


def wanted(facts: MediaFacts, rule: MediaRule, choices: Choices) -> float | None:
    """The width / height to get to: what the person chose and the nearest that ``rule`` takes; ``None`` if the file has it."""
    if facts.width < 1 or facts.height < 1:
        return None
    own = facts.width / facts.height
    taken, chosen = _fits(own, rule), choices.ratio.number
    if taken and (chosen is None or _alike(own, chosen)):
        return None
    shape = _inside(chosen or own, rule.shapes) if rule.shapes else chosen
    return None if shape is None or (taken and _alike(own, shape)) else shape


def kept(facts: MediaFacts, choices: Choices) -> Crop | None:
    """What a crop to the chosen ratio keeps where no network objects; ``None`` if nothing is cut off."""
    number = choices.ratio.number
    if number is None or choices.shape is Shape.PAD or facts.width < 1 or facts.height < 1:
        return None
    return None if _alike(facts.width / facts.height, number) else _crop(facts, number, choices.focus)


def _fits(shape: float, rule: MediaRule) -> bool:
    return rule.shapes is None or rule.shapes[0] <= shape <= rule.shapes[1]


def _inside(shape: float, shapes: tuple[float, float]) -> float:
    """The nearest to ``shape`` that stays in ``shapes`` when it is rounded to pixels."""
    least, most = shapes[0] * (1 + _INSIDE), shapes[1] * (1 - _INSIDE)
    return max(least, min(most, shape)) if least <= most else sqrt(shapes[0] * shapes[1])


def _alike(one: float, other: float) -> bool:
    """Nobody sees the difference, and rounding makes as much."""
    return abs(one / other - 1) <= _INSIDE


def _crop(facts: MediaFacts, wanted: float, focus: tuple[float, float]) -> Crop:
    width = max(1, min(facts.width, int(facts.height * wanted)))
    height = max(1, min(facts.height, int(facts.width / wanted)))
    left, top = (_start(*each) for each in ((focus[0], facts.width, width), (focus[1], facts.height, height)))
    return Crop(left, top, width, height)


def _start(focus: float, whole: int, part: int) -> int:
    """Where ``part`` begins that has ``focus`` in its middle, as far as ``whole`` allows. No number is taken for the middle."""
    share = focus if 0 <= focus <= 1 else 0.5
    return max(0, min(whole - part, round(share * whole - part / 2)))


def _padded(facts: MediaFacts, rule: MediaRule, wanted: float, colour: str, *, even: bool) -> Frame | Problem:
    sheet = (max(facts.width, ceil(facts.height * wanted)), max(facts.height, ceil(facts.width / wanted)))
    sized = _sized(rule, None, sheet, even=even)
    if isinstance(sized, Problem):
        return sized
    factor = min(sized.width / sheet[0], sized.height / sheet[1])
    inner = Scale(_side(facts.width * factor, even=even), _side(facts.height * factor, even=even))
    steps = (inner,) if (inner.width, inner.height) != (facts.width, facts.height) else ()
    return Frame((*steps, Pad(sized.width, sized.height, colour)), sized.width, sized.height)


def _sized(rule: MediaRule, crop: Crop | None, whole: tuple[int, int], *, even: bool) -> Frame | Problem:
    factor = _factor(*whole, rule)
    width, height = (_side(side * factor, even=even) for side in whole)
    if rule.smallest and (width < rule.smallest[0] or height < rule.smallest[1]):
        least = f"{rule.smallest[0]} × {rule.smallest[1]}"
        return Problem("media", "too_small", f"It is smaller than the {least} pixels this network asks for. Use a larger one.")
    if width > whole[0] or height > whole[1] or not _taken(width, height, rule):
        return Problem("media", "shape", "There is no size of this shape that the network takes. Crop it.")
    steps = (crop,) if crop else ()
    scale = (Scale(width, height),) if (width, height) != whole else ()
    return Frame((*steps, *scale), width, height)


def _factor(width: int, height: int, rule: MediaRule) -> float:
    sides = [rule.largest[0] / width, rule.largest[1] / height] if rule.largest else []
    pixels = [sqrt(rule.max_pixels / (width * height))] if rule.max_pixels is not None else []
    return max(0.0, min([1.0, *sides, *pixels]))


def _side(length: float, *, even: bool) -> int:
    whole = int(length + 1e-9)
    return max(2, whole - whole % 2) if even else max(1, whole)


def _taken(width: int, height: int, rule: MediaRule) -> bool:
    """Whether rounding left it within the rule: very thin pictures and nonsensical rules do not survive it."""
    within = rule.largest is None or (width <= rule.largest[0] and height <= rule.largest[1])
    few = rule.max_pixels is None or width * height <= rule.max_pixels
    return within and few and _fits(width / height, rule)
