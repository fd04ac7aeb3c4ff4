"""The plan for a picture: as it is if the network takes it so; else one re-encoding, from the original."""

from dataclasses import replace

from platforms.base import MediaFacts, MediaRule, Problem
from platforms.fitting.geometry import Frame, frame, wanted
from platforms.fitting.values import AS_THEY_ARE, Choices, Encode, Flatten, Rendition, Step, Still, Turn

JPEG, PNG, WEBP = "image/jpeg", "image/png", "image/webp"
_SEE_THROUGH = frozenset({PNG, WEBP})
_FOR_PRINT = frozenset({"CMYK", "YCbCr", "LAB"})
"""Colours that networks show wrongly, or not at all."""
BEST, BETTER, WORST = 95, 100, 75
"""Quality. Beyond 95 a JPEG grows much and looks the same: only where the limit leaves room for an original beyond it. Below 75
fewer pixels look better than worse ones: SSIM of a photo is 0.95 there, and 0.93 at 60."""
_LEAST_SIDE = 320
"""Pixels of the longer side that a picture keeps; smaller ones are no use to anybody."""
_LEAST_BYTES = 1000
"""Nothing fits into less, whatever a server says."""
_NAMES = {JPEG: "JPEG", PNG: "PNG", WEBP: "WebP", "image/gif": "GIF"}


def as_it_is(facts: MediaFacts, rule: MediaRule, choices: Choices = AS_THEY_ARE) -> bool:
    """Whether ``rule`` takes the file untouched, and people will see it as it is meant."""
    shown = facts.orientation == 1 and facts.pixels not in _FOR_PRINT and (rule.transparency or not facts.alpha)
    taken = facts.mime in rule.mimes and rule.min_bytes <= facts.size <= rule.max_bytes
    return shown and taken and _measures(facts, rule) and _motion(facts, rule) and wanted(facts, rule, choices) is None


def _measures(facts: MediaFacts, rule: MediaRule) -> bool:
    if facts.width < 1 or facts.height < 1:  # nobody measured it: its bytes are all there is to go by
        return True
    sides = (facts.width, facts.height)
    small = rule.max_pixels is None or facts.width * facts.height <= rule.max_pixels
    least = rule.smallest is None or all(side >= limit for side, limit in zip(sides, rule.smallest, strict=True))
    most = rule.largest is None or all(side <= limit for side, limit in zip(sides, rule.largest, strict=True))
    return small and least and most and (rule.shapes is None or rule.shapes[0] <= facts.width / facts.height <= rule.shapes[1])


def _motion(facts: MediaFacts, rule: MediaRule) -> bool:
    if not facts.animated:
        return True
    film_instead = not rule.moves and "video/mp4" in rule.mimes
    return not film_instead and (rule.max_frames is None or facts.frames <= rule.max_frames)


def plan(facts: MediaFacts, rule: MediaRule, choices: Choices) -> Rendition | Problem:
    """See :func:`platforms.fitting.plan`."""
    if as_it_is(facts, rule, choices):
        return Rendition(facts)
    target = _target(facts, rule)
    if target is None or (facts.animated and rule.moves):
        return _UNCUT if as_it_is(facts, rule) else _refused(facts, rule)
    if facts.width < 1 or facts.height < 1 or rule.max_bytes < max(_LEAST_BYTES, rule.min_bytes):
        return _too_large(rule)
    if facts.size < rule.min_bytes:
        return Problem("media", "too_small", f"It is smaller than {rule.min_bytes:,} bytes. Use a larger one.")
    framed = frame(facts, rule, choices)
    return framed if isinstance(framed, Problem) else _made(facts, rule, choices, framed, target)


def _made(facts: MediaFacts, rule: MediaRule, choices: Choices, framed: Frame, target: str) -> Rendition:
    alpha = facts.alpha and rule.transparency and target in _SEE_THROUGH
    steps: list[Step] = [Still()] if facts.animated else []
    steps += [Turn(facts.orientation)] if facts.orientation != 1 else []
    steps += framed.steps
    steps += [Flatten(choices.colour)] if facts.alpha and not alpha else []
    best = BETTER if facts.size > rule.max_bytes else BEST
    steps.append(Encode(target, rule.max_bytes, best, WORST, _least(framed, rule)))
    fitted = replace(
        facts,
        mime=target,
        size=rule.max_bytes,
        width=framed.width,
        height=framed.height,
        orientation=1,
        pixels="RGBA" if alpha else "RGB",
        alpha=alpha,
        frames=1,
        duration=None,
        frame_rate=0.0,
    )
    return Rendition(fitted, tuple(steps))


def _target(facts: MediaFacts, rule: MediaRule) -> str | None:
    """The type to make: its own if that can shrink, PNG where there is room for it, and one that keeps what is see-through."""
    if facts.mime == PNG and facts.size <= rule.max_bytes and PNG in rule.mimes:
        return PNG
    clear = (WEBP, PNG) if facts.alpha and rule.transparency else ()
    own = (facts.mime,) if facts.mime in {JPEG, WEBP} else ()
    return next((mime for mime in (*own, *clear, JPEG, WEBP, PNG) if mime in rule.mimes), None)


def _least(framed: Frame, rule: MediaRule) -> tuple[int, int]:
    """How small the renderer may make it, in the shape it has."""
    factor = min(1.0, _LEAST_SIDE / max(framed.width, framed.height))
    if rule.smallest:
        factor = min(1.0, max(factor, rule.smallest[0] / framed.width, rule.smallest[1] / framed.height))
    return max(1, round(framed.width * factor)), max(1, round(framed.height * factor))


_UNCUT = Problem("media", "shape", "The network shows animations, and those cannot be cropped here. Leave it as it is.")


def _refused(facts: MediaFacts, rule: MediaRule) -> Problem:
    if facts.mime in rule.mimes:
        what = "This animation is too large for the network" if facts.animated else "This file is too large for the network"
        return Problem("media", "too_large", f"{what}. Make it smaller or shorter, or attach a still picture.")
    known = ", ".join(name for mime, name in _NAMES.items() if mime in rule.mimes)
    return Problem(
        "media", "wrong_type", f"The network does not take this type of file. {f'Use {known}.' if known else 'Remove it.'}"
    )


def _too_large(rule: MediaRule) -> Problem:
    return Problem("media", "too_large", f"It cannot be made to fit {rule.max_bytes:,} bytes. Use a smaller picture.")
