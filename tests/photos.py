"""Pictures and films that tests make, and how alike two pictures are."""

import math
import os
import random
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import Any

import av
from PIL import Image, ImageFilter


def encoded(image: Image.Image, form: str, **more: Any) -> bytes:
    file = BytesIO()
    image.save(file, form, **more)
    return file.getvalue()


def landscape(width: int, height: int) -> Image.Image:
    """Like a photo: large forms, ever finer detail on them, and some grain. Always the same."""
    channels = []
    for seed in range(3):
        dice = random.Random(seed)
        channel = Image.linear_gradient("L").resize((width, height))
        side = 4
        while side < max(width, height):
            noise = Image.frombytes("L", (side, side), dice.randbytes(side * side))
            detail = noise.resize((width, height), Image.Resampling.BICUBIC)
            channel = Image.blend(channel, detail, 0.5 if side < 64 else 0.14)
            side *= 3
        channels.append(channel)
    return Image.merge("RGB", channels).filter(ImageFilter.GaussianBlur(0.6))


def alike(one: Image.Image, other: Image.Image) -> float:
    """Structural similarity (SSIM) of brightness, the mean over windows of 8 by 8 pixels; 1 for the same."""
    assert one.size == other.size
    x, y = one.convert("L"), other.convert("L")
    total, count = 0.0, 0
    for band in range(0, x.height - 7, 8):
        rows = (0, band, x.width - x.width % 8, band + 8)
        a, b = x.crop(rows).tobytes(), y.crop(rows).tobytes()
        width = x.width - x.width % 8
        for left in range(0, width, 8 * max(1, width // 400)):
            p = [v for row in range(8) for v in a[row * width + left : row * width + left + 8]]
            q = [v for row in range(8) for v in b[row * width + left : row * width + left + 8]]
            total, count = total + _ssim(p, q), count + 1
    return total / count


def _ssim(p: list[int], q: list[int]) -> float:
    mp, mq = sum(p) / 64, sum(q) / 64
    vp, vq = sum(v * v for v in p) / 64 - mp * mp, sum(v * v for v in q) / 64 - mq * mq
    both = sum(v * w for v, w in zip(p, q, strict=True)) / 64 - mp * mq
    c1, c2 = 6.5025, 58.5225
    return (2 * mp * mq + c1) * (2 * both + c2) / ((mp * mp + mq * mq + c1) * (vp + vq + c2))


def film(
    path: Path, *, seconds: float = 1.0, size: tuple[int, int] = (320, 180), rate: int = 30, codec: str = "libx264", **more: Any
) -> Path:
    """A film of a moving landscape. ``sound`` (``aac``, ``pcm_s16le`` or ``""``), ``options`` and ``pixels`` of the encoder,
    ``container`` and its ``flags``, ``metadata``."""
    scene = landscape(size[0] + 64, size[1])
    options = {"movflags": more["flags"]} if "flags" in more else {}
    with av.open(str(path), "w", format=more.get("container", "mp4"), container_options=options) as out:
        out.metadata.update(more.get("metadata", {}))
        picture = out.add_stream(codec, rate=rate, options=more.get("options", {"preset": "ultrafast"}))
        picture.width, picture.height, picture.pix_fmt = *size, more.get("pixels", "yuv420p")
        sound = out.add_stream(more.get("sound", "aac"), rate=48000, layout="mono") if more.get("sound", "aac") else None
        for number in range(int(seconds * rate)):
            left = number % 64
            frame = av.VideoFrame.from_image(scene.crop((left, 0, left + size[0], size[1])))
            frame.pts, frame.time_base = number, Fraction(1, rate)
            out.mux(picture.encode(frame))
        for number in range(int(seconds * 48000 / 1024) if sound else 0):
            tone = av.AudioFrame(format="s16", layout="mono", samples=1024)
            wave = (int(9000 * math.sin((number * 1024 + i) / 20)) for i in range(1024))
            tone.planes[0].update(b"".join(value.to_bytes(2, "little", signed=True) for value in wave))
            tone.sample_rate, tone.pts, tone.time_base = 48000, number * 1024, Fraction(1, 48000)
            out.mux(sound.encode(tone))
        for stream in filter(None, (picture, sound)):
            out.mux(stream.encode(None))
    return path


def grainy(path: Path, *, frames: int, size: tuple[int, int], rate: int = 30, codec: str = "libx264", **options: str) -> Path:
    """A film without sound that no other is like and that cannot be made smaller: nothing but grain. ``options`` of the encoder.

    A frame has about one byte for each pixel where ``crf`` is 10 and every frame stands alone (``g="1"``).
    """
    with av.open(str(path), "w", format="mp4", container_options={"movflags": "faststart"}) as out:
        picture = out.add_stream(codec, rate=rate, options={"preset": "ultrafast", **options})
        picture.width, picture.height, picture.pix_fmt = *size, "yuv420p"
        for number in range(frames):
            frame = av.VideoFrame.from_image(Image.frombytes("RGB", size, os.urandom(3 * size[0] * size[1])))
            frame.pts, frame.time_base = number, Fraction(1, rate)
            out.mux(picture.encode(frame))
        out.mux(picture.encode(None))
    return path


def repeated(scene: Path, path: Path, *, times: int, seconds: Fraction, container: str = "mp4") -> Path:
    """``scene``, which takes so many ``seconds``, over and over: nothing is encoded, so it is quick however long it gets."""
    with av.open(str(scene)) as source, av.open(str(path), "w", format=container) as out:
        copies = {stream.index: out.add_stream_from_template(stream) for stream in source.streams}
        packets = [(packet, packet.stream.index) for packet in source.demux() if packet.dts is not None]
        for turn in range(times):
            for packet, index in packets:
                again = av.Packet(bytes(packet))
                later = int(turn * seconds / packet.time_base)
                again.stream, again.time_base, again.is_keyframe = copies[index], packet.time_base, packet.is_keyframe
                again.pts, again.dts = packet.pts + later, packet.dts + later
                out.mux(again)
    return path
