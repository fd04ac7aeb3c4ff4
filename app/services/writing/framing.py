"""How an attached file will look on one account, told from the plan for it alone: what a preview draws, to the pixel."""

from dataclasses import dataclass

from platforms.base import MediaFacts
from platforms.fitting import Crop, Flatten, Pad, Rendition, Scale, Trim

Box = tuple[float, float, float, float]
"""Left, top, width, height."""


@dataclass(frozen=True, slots=True)
class Framed:
    """A window (``view``) on a sheet of ``colour`` (``""``: none), and where on that sheet the whole ``picture`` lies; in pixels.

    ``trim``: the seconds of a film that are shown, from and to.
    """

    view: Box
    picture: Box
    colour: str = ""
    trim: tuple[float, float] | None = None


def framed(facts: MediaFacts, rendition: Rendition) -> Framed | None:
    """What becomes of a file with these ``facts``; ``None`` if it stays as it is but for its size."""
    whole: Box = (0, 0, facts.width, facts.height)
    view, picture, colour, trim = whole, whole, "", None
    for step in rendition.steps:
        match step:
            case Crop():
                view = (step.left, step.top, step.width, step.height)
            case Scale() if view == whole:  # behind a crop only the size changes
                view = picture = whole = (0, 0, step.width, step.height)
            case Pad():
                left, top = (step.width - picture[2]) / 2, (step.height - picture[3]) / 2
                view, picture, colour = (0, 0, step.width, step.height), (left, top, *picture[2:]), step.colour
            case Flatten():
                colour = step.colour
            case Trim():
                trim = (step.start, step.end)
    changed = view != picture or colour or trim
    return Framed(view, picture, colour, trim) if changed and facts.width > 0 and facts.height > 0 else None
