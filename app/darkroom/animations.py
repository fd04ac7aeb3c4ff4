"""Pictures that move, as films: where a network would show only the first of them."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

from av.video.frame import VideoFrame
from PIL import Image

from app.darkroom import encoding, films
from app.darkroom.encoding import frame_of
from app.darkroom.pictures import opened, prepared, unpacked
from app.darkroom.protocol import Facts, Progress, Recipe, Step
from app.darkroom.stripping import shown

_CLOCK = Fraction(1, 1000)
_BEFORE_THE_END = 10
"""Milliseconds: the last picture is shown again then, because a film ends with its last one."""


def filmed(source: Path, target: Path, mime: str, recipe: Recipe) -> Facts:
    """A silent MP4 of the animation. Raises ``Refused``."""
    *steps, last = recipe
    encoding.within(last, target, lambda bits: _encoded(source, target, mime, steps, last | {"video_bitrate": bits}))
    return films.probe(target, "video/mp4")


def _encoded(source: Path, target: Path, mime: str, steps: Recipe, last: Step) -> None:
    trim = next((step for step in steps if step["step"] == "trim"), None)
    start, end = (trim["start"], trim["end"]) if trim else (0.0, float("inf"))
    drawn = [step for step in steps if step["step"] != "trim"]
    image, progress = opened(source.read_bytes(), mime), Progress()
    count = getattr(image, "n_frames", 1)
    with encoding.writing(target, "mp4") as out:
        pictures = encoding.Pictures(out, [], last)
        for number, (at, picture) in enumerate(_timed(image, count)):
            if start * 1000 <= at < end * 1000:
                pictures.add(_frame(prepared(picture, drawn, "image/jpeg"), at), since=start)
            progress(number / count)
        pictures.close()


def _timed(image: Image.Image, count: int) -> Iterator[tuple[int, Image.Image]]:
    """Each picture with the milliseconds at which it is shown, and the last one twice."""
    at, picture = 0, image
    for number in range(count):
        image.seek(number)
        picture = unpacked(image).copy()
        yield at, picture
        at += shown(int(image.info.get("duration") or 0))
    yield at - _BEFORE_THE_END, picture


def _frame(picture: Image.Image, at: int) -> VideoFrame:
    frame = frame_of(picture.convert("RGB"))
    frame.pts, frame.time_base = at, _CLOCK
    return frame
