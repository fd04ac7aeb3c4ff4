"""The one search of a picture: the most pixels, and then the best quality, that fit into so many bytes."""

from collections.abc import Callable
from math import log, sqrt

from PIL import Image

from app.darkroom.protocol import Refused

Encoder = Callable[[Image.Image, int], bytes]
"""A picture and a quality to bytes; what knows no quality (PNG) ignores it."""

_FULL = 0.95
"""Of the bytes allowed: what uses so many is not made again for the rest."""
_GROWTH = 0.035
"""How the logarithm of a photo's bytes grows with each step of quality; a first guess only."""
_MARGIN = 0.98
"""Fewer pixels have more detail each, so the size reckoned from the bytes is a little too large."""


def fitted(
    picture: Image.Image, encode: Encoder, *, max_bytes: int, best: int, worst: int, least: tuple[int, int]
) -> tuple[bytes, Image.Image]:
    """The bytes, and the picture as it was scaled for them. Raises :class:`Refused` if even ``least`` is too large."""
    scaled = picture
    while True:
        low = encode(scaled, worst)
        if len(low) <= max_bytes:
            return _refined(scaled, encode, low, max_bytes=max_bytes, best=best, worst=worst), scaled
        if scaled.width <= least[0] and scaled.height <= least[1]:
            raise Refused(f"It cannot be made to fit {max_bytes:,} bytes. Use a picture with less detail.", "too_large")
        scaled = _smaller(picture, scaled, max(0.1, sqrt(max_bytes / len(low)) * _MARGIN), least)


def _smaller(picture: Image.Image, last: Image.Image, factor: float, least: tuple[int, int]) -> Image.Image:
    """Always from the original, so that nothing is blurred twice."""
    size = [max(low, min(side - 1, int(side * factor))) for side, low in zip(last.size, least, strict=True)]
    return picture.resize((size[0], size[1]), Image.Resampling.LANCZOS, reducing_gap=3.0)


def _refined(picture: Image.Image, encode: Encoder, low: bytes, *, max_bytes: int, best: int, worst: int) -> bytes:
    """Better than ``low``, which fits: between known qualities the next is guessed, since bytes grow evenly on a log scale."""
    data, known, above = low, {worst: log(len(low))}, best + 1
    while len(data) < _FULL * max_bytes and above - max(known) > 1:
        quality = _guess(known, above, log(max_bytes * (1 + _FULL) / 2))
        tried = encode(picture, quality)
        if len(tried) > max_bytes:
            above = quality
        else:
            data, known = tried, known | {quality: log(len(tried))}
        if tried == low:  # it knows no quality
            break
    return data


def _guess(known: dict[int, float], above: int, wanted: float) -> int:
    """A quality between the best that fits and ``above``, by the slope of the last two."""
    *_, last = sorted(known)
    before = max((each for each in known if each < last), default=None)
    slope = _GROWTH if before is None else max(_GROWTH / 4, (known[last] - known[before]) / (last - before))
    guess = round(last + (wanted - known[last]) / slope)
    middle = (last + above) // 2
    return max(last + 1, min(above - 1, guess if before is None else (guess + middle) // 2 if guess >= above else guess))
