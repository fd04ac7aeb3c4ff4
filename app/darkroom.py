"""Where pictures are opened: a process of its own for each, which :mod:`app.pictures` starts and may lose.

Nothing of ours is imported here, so the process is small and starts in a moment. It reads a picture from its standard input and
writes one line of JSON, then a picture. Run as ``darkroom.py PARENT clean`` or ``darkroom.py PARENT fit MIME BYTES PIXELS``.
"""

import ctypes
import io
import json
import os
import resource
import signal
import sys
from math import sqrt

from PIL import Image, ImageOps

MAX_SIDE = 4096
"""Pixels; larger pictures are stored scaled down, as every network would do it anyway."""

MAX_PIXELS = 100_000_000
"""Pictures that unpack to more than this are refused unread (decompression bombs)."""

MAX_MEMORY = 1536 * 1024 * 1024
"""Bytes of address space: the largest picture takes 400 MB, twice while it is turned."""

MAX_SECONDS = 60
"""Of processor time; a picture of 12 megapixels takes three."""

_NICENESS = 5
"""Pages and deliveries go first."""

_FORMATS = {"JPEG": "image/jpeg", "MPO": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp", "GIF": "image/gif"}
"""Pillow's names. MPO is what many phones write as ``.jpg``: a JPEG with a smaller picture, or a second one, behind it."""

_READERS = ("JPEG", "PNG", "WEBP", "GIF")
"""The only code of Pillow's that sees strangers' bytes. What is MPO is found out by the reader of JPEG."""

_LOOKS = frozenset({"icc_profile", "transparency"})
"""All that is kept of what a file says about its picture; the rest is comments, places and names."""

_QUALITY, _LOWEST = 88, 70
"""Of JPEG and WebP. Below the lowest, fewer pixels look better than worse ones."""

_MARGIN = 0.93
"""Smaller pictures have more detail in each pixel, so the size that is reckoned from the bytes is a little too large."""

Image.MAX_IMAGE_PIXELS = None  # our own limit is checked before anything is unpacked


class Refused(Exception):
    """The file is not taken; the message tells the person why."""


def clean(data: bytes) -> tuple[bytes, str, int, int]:
    """Re-encode without metadata, turned the right way up. GIFs keep their bytes, comments included: cameras make none.

    The picture's bytes, type, width and height. Raises :class:`Refused`.
    """
    try:
        with Image.open(io.BytesIO(data), formats=_READERS) as image:
            mime = _FORMATS.get(image.format or "")
            if mime is None or image.width * image.height > MAX_PIXELS:
                raise Refused("Use a JPEG, PNG, WebP or GIF picture of at most 100 megapixels.")
            if mime == "image/gif":
                image.verify()
                return data, mime, image.width, image.height
            image.thumbnail((MAX_SIDE, MAX_SIDE))
            upright = ImageOps.exif_transpose(image)
            upright.info = {key: value for key, value in upright.info.items() if key in _LOOKS}
            return _encode(upright, mime, _QUALITY), mime, upright.width, upright.height
    except Refused:
        raise
    except Exception:  # noqa: BLE001 - a broken file can make Pillow raise almost anything, even a TypeError
        raise Refused("This file is no picture we can read. Use JPEG, PNG, WebP or GIF.") from None


def fit(data: bytes, mime: str, max_bytes: int, max_pixels: int | None) -> bytes:
    """``data`` unchanged if it keeps the limits, else re-encoded: with less quality, then smaller, until it does.

    Keeps the type; a PNG can only become smaller in pixels. GIFs are left alone: validation refused the ones that are too large.
    A limit that nothing keeps (a server says 0 bytes) gets the smallest picture there is, and its refusal will say why.
    """
    with Image.open(io.BytesIO(data)) as image:
        pixels = image.width * image.height
        pixels_ok = not max_pixels or pixels <= max_pixels
        if mime == "image/gif" or (pixels_ok and len(data) <= max_bytes):
            return data
        picture = image.copy()
    factor = 1.0 if pixels_ok or not max_pixels else sqrt(max_pixels / pixels)
    if mime == "image/png":  # its bytes tell already how much smaller it has to be
        factor = min(factor, _reckoned(len(data), max_bytes))
    while True:
        picture = _scaled(picture, factor)
        for quality in (_QUALITY, _LOWEST) if mime != "image/png" else (_QUALITY,):
            encoded = _encode(picture, mime, quality)
            if len(encoded) <= max_bytes or picture.size == (1, 1):
                return encoded
        factor = _reckoned(len(encoded), max_bytes)


def _reckoned(size: int, max_bytes: int) -> float:
    """The factor for each side that makes ``max_bytes`` of ``size`` bytes: less than 1, and a tenth at least."""
    return max(0.1, min(_MARGIN, sqrt(max_bytes / size) * _MARGIN))


def _scaled(picture: Image.Image, factor: float) -> Image.Image:
    if factor == 1:
        return picture
    size = (max(1, int(picture.width * factor)), max(1, int(picture.height * factor)))
    return picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)


def _encode(image: Image.Image, mime: str, quality: int) -> bytes:
    """Fast settings: the best ones take three times as long for a twentieth of the bytes."""
    out = io.BytesIO()
    if mime == "image/jpeg":
        image.convert("RGB").save(out, "JPEG", quality=quality, optimize=True)
    elif mime == "image/webp":
        image.save(out, "WEBP", quality=quality, method=2)
    else:
        image.save(out, "PNG")
    return out.getvalue()


# --- the process ------------------------------------------------------------------------------------------------------


def _main(parent: str, task: str, *limits: str) -> None:
    _confine(int(parent))
    data = sys.stdin.buffer.read()
    try:
        facts, picture = _done(task, data, limits)
    except Refused as refusal:
        facts, picture = {"refused": str(refusal)}, b""
    sys.stdout.buffer.write(json.dumps(facts).encode() + b"\n")
    sys.stdout.buffer.write(picture)
    sys.stdout.buffer.flush()


def _done(task: str, data: bytes, limits: tuple[str, ...]) -> tuple[dict[str, object], bytes]:
    if task == "clean":
        cleaned, mime, width, height = clean(data)
        return {"mime": mime, "width": width, "height": height}, cleaned
    mime, max_bytes, max_pixels = limits
    return {}, fit(data, mime, int(max_bytes), int(max_pixels) or None)


def _confine(parent: int) -> None:
    """Little memory, little time, after everybody else, and no longer than ``parent`` lives."""
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (MAX_SECONDS, MAX_SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.nice(_NICENESS)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    if os.getppid() != parent:  # it died before we could ask to be told
        sys.exit(1)


if __name__ == "__main__":
    _main(*sys.argv[1:])
