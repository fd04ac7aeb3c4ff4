"""How films are written: H.264 and AAC in MP4, with its index first, whatever the pictures come from."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.filter import Graph
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from PIL import Image

from app.darkroom.protocol import Recipe, Refused, Step

_CLOCK = Fraction(1, 90_000)
_USUAL_RATE = Fraction(30)
_THREADS = 4
_QUALITY = "21"
"""x264's number for a film that looks like its original; the bits allowed keep it below that where they must."""
_PRESET = "veryfast"
"""Half the time of the next better one, for a tenth more bytes."""
_SOUND_RATES = frozenset({44_100, 48_000})
_LESS = 0.85
"""The second try's bits, where the first was larger than promised."""


@contextmanager
def writing(target: Path, container: str) -> Iterator[OutputContainer]:
    """A new file that says nothing about its maker, and can be played while it is fetched."""
    options = {"movflags": "+faststart"} if container in {"mp4", "mov"} else {}
    with av.open(str(target), "w", format=container, container_options=options) as out:
        yield out


def within(step: Step, target: Path, make: Callable[[int], None]) -> None:
    """Make it with the bits that were planned, and once more with fewer if it came out too large. Raises :class:`Refused`."""
    bits, most = step["video_bitrate"], step["max_bytes"]
    for _ in range(2):
        make(bits)
        size = target.stat().st_size
        if size <= most:
            return
        bits = max(1, int(bits * _LESS * most / size))
    raise Refused(f"It cannot be made to fit {most / 1e6:.3g} MB. Cut it.", "too_large")


def image_of(frame: VideoFrame) -> Image.Image:
    """Pillow's picture of FFmpeg's."""
    image: Image.Image = frame.to_image()  # type: ignore[no-untyped-call]
    return image


def frame_of(image: Image.Image) -> VideoFrame:
    """FFmpeg's picture of Pillow's."""
    frame: VideoFrame = VideoFrame.from_image(image)  # type: ignore[no-untyped-call]
    return frame


class Pictures:
    """The picture of a film that is being written, in the colours of ``like``; ``add`` takes its frames in order."""

    def __init__(self, out: OutputContainer, steps: Recipe, last: Step, *, like: VideoStream | None = None) -> None:
        self._out, self._steps, self._last = out, steps, last
        own = (like.average_rate or like.guessed_rate) if like else None
        self._rate = Fraction(last["frame_rate"]).limit_denominator(1001) if last["frame_rate"] else own or _USUAL_RATE
        self._stream: VideoStream = out.add_stream("libx264", rate=self._rate, options=self._options())
        context = self._stream.codec_context
        context.width, context.height, context.pix_fmt = last["width"], last["height"], "yuv420p"
        context.time_base, context.thread_count = _CLOCK, _THREADS
        if like:
            source = like.codec_context
            context.color_primaries, context.color_trc = source.color_primaries, source.color_trc
            context.colorspace = source.colorspace
        self._graph: Graph | None = None
        self._newest = -1

    def _options(self) -> dict[str, str]:
        bits = str(self._last["video_bitrate"])
        return {"preset": _PRESET, "crf": _QUALITY, "profile": "high", "maxrate": bits, "bufsize": bits}

    def add(self, frame: VideoFrame, *, since: float) -> None:
        """One more; ``since`` is the film's time that becomes its start."""
        if self._graph is None:
            self._graph = _graph(frame, self._steps, self._last, self._rate)
        if frame.pts is not None and frame.time_base:
            frame.pts -= round(since / frame.time_base)
        self._graph.vpush(frame)
        self._write()

    def close(self) -> None:
        """What is still under way. Raises :class:`Refused` if there was no picture at all."""
        if self._graph is None:
            raise Refused("There is no picture between the times you chose. Choose others.")
        self._graph.vpush(None)
        self._write()
        self._out.mux(self._stream.encode(None))

    def _write(self) -> None:
        while self._graph is not None:
            try:
                frame = self._graph.vpull()
            except (av.BlockingIOError, av.EOFError):
                return
            self._encode(frame)

    def _encode(self, frame: VideoFrame) -> None:
        at = int(frame.pts * frame.time_base / _CLOCK) if frame.pts is not None and frame.time_base else self._newest + 1
        if at > self._newest:  # some cameras' clocks stand still for a moment
            frame.pts, frame.time_base, self._newest = at, _CLOCK, at
            frame.pict_type = 0
            self._out.mux(self._stream.encode(frame))


def _graph(frame: VideoFrame, steps: Recipe, last: Step, rate: Fraction) -> Graph:
    """The steps as FFmpeg's filters, from frames like ``frame`` to yuv420p with square pixels."""
    graph = Graph()
    graph.threads = _THREADS
    nodes = [graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base)]
    if last["frame_rate"]:
        nodes.append(graph.add("fps", str(rate)))
    size = {"step": "scale", "width": last["width"], "height": last["height"]}  # does nothing to what has it already
    nodes += [graph.add(name, argument) for step in [*steps, size] for name, argument in _filters(step)]
    nodes += [graph.add("setsar", "1"), graph.add("format", "yuv420p"), graph.add("buffersink")]
    graph.link_nodes(*nodes).configure()
    return graph


_TURNS = {3: ["hflip", "vflip"], 6: ["transpose=clock"], 8: ["transpose=cclock"]}


def _filters(step: Step) -> list[tuple[str, str]]:
    match step:
        case {"step": "turn", "orientation": int(orientation)}:
            pairs = [name.partition("=") for name in _TURNS.get(orientation, [])]
            return [(name, argument) for name, _, argument in pairs]
        case {"step": "crop", "left": int(left), "top": int(top), "width": int(width), "height": int(height)}:
            return [("crop", f"{width}:{height}:{left}:{top}")]
        case {"step": "scale", "width": int(width), "height": int(height)}:
            return [("scale", f"{width}:{height}:flags=bicubic")]
        case {"step": "pad", "width": int(width), "height": int(height), "colour": str(colour)}:
            return [("pad", f"{width}:{height}:(ow-iw)/2:(oh-ih)/2:color=0x{colour.lstrip('#')}")]
    return []


class Sounds:
    """The sound of a film that is being written."""

    def __init__(self, out: OutputContainer, last: Step, source: AudioStream) -> None:
        rate = source.codec_context.sample_rate
        layout = "mono" if source.codec_context.channels == 1 else "stereo"
        rate = rate if rate in _SOUND_RATES else max(_SOUND_RATES)
        self._out = out
        self._stream: AudioStream = out.add_stream("aac", rate=rate, layout=layout)
        self._stream.codec_context.bit_rate = last["audio_bitrate"]
        self._resampler = av.AudioResampler(format="fltp", layout=layout, rate=rate)

    def add(self, frame: AudioFrame, *, since: float) -> None:
        """A little more; ``since`` as for pictures."""
        if frame.pts is not None and frame.time_base:
            frame.pts -= round(since / frame.time_base)
        self._encode(self._resampler.resample(frame))

    def close(self) -> None:
        """What is still under way."""
        self._encode(self._resampler.resample(None))
        self._out.mux(self._stream.encode(None))

    def _encode(self, frames: list[AudioFrame]) -> None:
        for frame in frames:
            self._out.mux(self._stream.encode(frame))
