"""Films: looked at, repacked without a word about their maker, or encoded anew."""

from collections.abc import Sequence
from fractions import Fraction
from itertools import islice
from pathlib import Path

from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from PIL import Image

from app.darkroom import colours, encoding
from app.darkroom.containers import Film, opened, refuse, starts_fast
from app.darkroom.pictures import thumbnail, turned
from app.darkroom.protocol import Facts, Progress, Recipe, Step

_ORIENTATIONS = {0: 1, -90: 6, 90: 8, 180: 3, -180: 3}
"""From FFmpeg's counterclockwise degrees to Exif's numbers."""
_POSTER = (1280, 1280)
_POSTER_QUALITY = 85
_FIRST_PACKETS = 500
"""Among so many a film has shown a picture, or shows none."""
_MICROSECONDS = 1_000_000


# --- looking ----------------------------------------------------------------------------------------------------------


def probe(source: Path, mime: str, poster: Path | None = None, thumb: Path | None = None) -> Facts:
    """What the film is; ``poster`` gets its first picture, upright, and ``thumb`` a small one. Raises :class:`Refused`."""
    with opened(source, mime) as film:
        first = _first(film)
        facts = _facts(film, first, mime, source)
        still = turned(encoding.image_of(first), facts["orientation"])
    still.thumbnail(_POSTER, Image.Resampling.LANCZOS)
    if poster:
        still.save(poster, "JPEG", quality=_POSTER_QUALITY)
    if thumb:
        thumb.write_bytes(thumbnail(still))
    return facts | {"colour": colours.dominant(still)}


def _first(film: Film) -> VideoFrame:
    container, picture, _ = film
    frames = (frame for packet in islice(container.demux(picture), _FIRST_PACKETS) for frame in packet.decode())
    frame = next((each for each in frames if isinstance(each, VideoFrame)), None)
    if frame is None:
        raise refuse("This video shows no picture.")
    return frame


def _facts(film: Film, first: VideoFrame, mime: str, source: Path) -> Facts:
    container, picture, sound = film
    size, seconds, orientation = source.stat().st_size, _seconds(film), _ORIENTATIONS.get(first.rotation, 1)
    rate = float(picture.average_rate or picture.guessed_rate or 0)
    width, height = _shown(first, picture.codec_context.sample_aspect_ratio)
    return {
        "mime": mime,
        "size": size,
        "width": width if orientation in {1, 3} else height,
        "height": height if orientation in {1, 3} else width,
        "orientation": orientation,
        "pixels": first.format.name,
        "frames": max(1, picture.frames or round(rate * seconds)),
        "duration": seconds,
        "frame_rate": rate,
        "bitrate": int(container.bit_rate or 8 * size / seconds),
        "video_codec": picture.codec_context.codec.canonical_name,
        "audio_codec": sound.codec_context.codec.canonical_name if sound else "",
        "fast_start": starts_fast(source, mime),
    }


def _seconds(film: Film) -> float:
    container, picture, _ = film
    if container.duration:
        return container.duration / _MICROSECONDS
    if picture.duration and picture.time_base:
        return float(picture.duration * picture.time_base)
    raise refuse("This video does not say how long it is.")


def _shown(frame: VideoFrame, pixel: Fraction | None) -> tuple[int, int]:
    """Width and height as players show them: a few old cameras' pixels are not square."""
    wide = float(pixel) if pixel else 1.0
    return (max(1, round(frame.width * wide)) if 0.1 < wide < 10 else frame.width), frame.height  # noqa: PLR2004


# --- making -----------------------------------------------------------------------------------------------------------


def clean(source: Path, target: Path, mime: str, poster: Path | None = None, thumb: Path | None = None) -> Facts:
    """The same film in a new container of its kind, bit for bit, and nothing about its maker. Raises :class:`Refused`.

    ``poster`` and ``thumb`` as in :func:`probe`.
    """
    kind = mime if mime in _CONTAINERS else "video/mp4"
    _copied(source, target, mime, kind, sound=True)
    return probe(target, kind, poster, thumb)


def render(source: Path, target: Path, mime: str, recipe: Recipe) -> Facts:
    """Take the steps of ``recipe``, the last of which writes. Raises :class:`Refused`."""
    *steps, last = recipe
    if last["step"] == "remux":
        _copied(source, target, mime, "video/mp4", sound=last["sound"])
    else:
        encoding.within(last, target, lambda bits: _encoded(source, target, mime, steps, last | {"video_bitrate": bits}))
    return probe(target, "video/mp4")


_CONTAINERS = {"video/mp4": "mp4", "video/webm": "webm", "video/x-matroska": "matroska", "video/quicktime": "mov"}


def _copied(source: Path, target: Path, mime: str, kind: str, *, sound: bool) -> None:
    with opened(source, mime) as film:
        container, *streams = film
        progress, seconds = Progress(), _seconds(film)
        with encoding.writing(target, _CONTAINERS[kind]) as out:
            copies = {each.index: out.add_stream_from_template(each) for each in _wanted(streams, sound=sound)}
            for packet in container.demux(*_wanted(streams, sound=sound)):
                if packet.dts is None:
                    continue
                if packet.pts is not None and packet.time_base:
                    progress(float(packet.pts * packet.time_base) / seconds)
                packet.stream = copies[packet.stream.index]
                out.mux(packet)


def _wanted(streams: Sequence[VideoStream | AudioStream | None], *, sound: bool) -> list[VideoStream | AudioStream]:
    return [each for each in streams if each is not None and (sound or each.type == "video")]


def _encoded(source: Path, target: Path, mime: str, steps: Recipe, last: Step) -> None:
    trim = next((step for step in steps if step["step"] == "trim"), None)
    with opened(source, mime) as film, encoding.writing(target, "mp4") as out:
        start, end = (trim["start"], trim["end"]) if trim else (0.0, _seconds(film))
        if start > 0:
            film[0].seek(int(start * _MICROSECONDS))
        _stream(film, out, [step for step in steps if step["step"] != "trim"], last, span=(start, end, trim is not None))


def _stream(film: Film, out: OutputContainer, steps: Recipe, last: Step, *, span: tuple[float, float, bool]) -> None:
    container, picture, sound = film
    start, end, cut = span
    progress = Progress()
    pictures = encoding.Pictures(out, steps, last, like=picture)
    sounds = encoding.Sounds(out, last, sound) if sound and last["audio_bitrate"] else None
    for packet in container.demux(*_wanted([picture, sound], sound=sounds is not None)):
        for frame in packet.decode():
            at = frame.time if isinstance(frame, (VideoFrame, AudioFrame)) else None
            if at is None or (cut and not start <= at < end):
                continue
            if isinstance(frame, VideoFrame):
                pictures.add(frame, since=start)
                progress((at - start) / (end - start))
            elif sounds and isinstance(frame, AudioFrame):
                sounds.add(frame, since=start)
        if cut and packet.dts is not None and packet.time_base and packet.dts * packet.time_base > end + _BEHIND:
            break
    pictures.close()
    if sounds:
        sounds.close()


_BEHIND = 2
"""Seconds by which packets of sound and picture may be apart in a file."""
