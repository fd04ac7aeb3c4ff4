"""Pictures: cleaned of metadata when they come in, and made to fit a network's limits when they go out."""

import asyncio
import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from math import sqrt
from typing import TypeVar, TypeVarTuple

from PIL import Image, ImageOps

from app.errors import Invalid
from platforms.base import MediaRule

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

MAX_SIDE = 4096
"""Pixels; larger pictures are stored scaled down, as every network would do it anyway."""

MAX_PIXELS = 100_000_000
"""Pictures that unpack to more than this are refused unread (decompression bombs)."""

_FORMATS = {"JPEG": "image/jpeg", "MPO": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp", "GIF": "image/gif"}
"""Pillow's names. MPO is what many phones write as ``.jpg``: a JPEG with a smaller picture, or a second one, behind it."""

_READERS = ("JPEG", "PNG", "WEBP", "GIF")
"""The only code of Pillow's that sees strangers' bytes. What is MPO is found out by the reader of JPEG."""

_workshop = ThreadPoolExecutor(max_workers=2, thread_name_prefix="pictures")
"""Few hands: a small file may unpack to 400 MB, and as many at once as there are threads would be the end of the process."""

_LOOKS = frozenset({"icc_profile", "transparency"})
"""All that is kept of what a file says about its picture; the rest is comments, places and names."""

_QUALITIES = (88, 80, 70, 60, 50)


async def in_workshop(work: Callable[[*Ts], T], *args: *Ts) -> T:
    """Do ``work`` away from the event loop, a few at a time."""
    return await asyncio.get_running_loop().run_in_executor(_workshop, work, *args)


def clean(data: bytes) -> tuple[bytes, str, int, int]:
    """Re-encode without metadata, turned the right way up. GIFs keep their bytes, comments included: cameras make none."""
    try:
        with Image.open(io.BytesIO(data), formats=_READERS) as image:
            mime = _FORMATS.get(image.format or "")
            if mime is None or image.width * image.height > MAX_PIXELS:
                raise Invalid({"media": "Use a JPEG, PNG, WebP or GIF picture of at most 100 megapixels."})
            if mime == "image/gif":
                image.verify()
                return data, mime, image.width, image.height
            upright = ImageOps.exif_transpose(image)
            upright.info = {key: value for key, value in upright.info.items() if key in _LOOKS}
            upright.thumbnail((MAX_SIDE, MAX_SIDE))
            return _encode(upright, mime, _QUALITIES[0]), mime, upright.width, upright.height
    except Invalid:
        raise
    except Exception:  # noqa: BLE001 - a broken file can make Pillow raise almost anything, even a TypeError
        raise Invalid({"media": "This file is no picture we can read. Use JPEG, PNG, WebP or GIF."}) from None


def _encode(image: Image.Image, mime: str, quality: int) -> bytes:
    out = io.BytesIO()
    if mime == "image/jpeg":
        image.convert("RGB").save(out, "JPEG", quality=quality, optimize=True)
    elif mime == "image/webp":
        image.save(out, "WEBP", quality=quality)
    else:
        image.save(out, "PNG", optimize=True)
    return out.getvalue()


def fit(data: bytes, mime: str, rule: MediaRule) -> bytes:
    """``data`` unchanged if it keeps ``rule``, else re-encoded: first with less quality, then smaller, until it does.

    Keeps the type; a PNG can only become smaller in pixels. GIFs are left alone: validation refused the ones that are too large.
    A limit that nothing keeps (a server says 0 bytes) gets the smallest picture there is, and its refusal will say why.
    """
    with Image.open(io.BytesIO(data)) as image:
        pixels_ok = not rule.max_pixels or image.width * image.height <= rule.max_pixels
        if mime == "image/gif" or (pixels_ok and len(data) <= rule.max_bytes):
            return data
        picture = image.copy()
    if rule.max_pixels and not pixels_ok:
        picture = _scaled(picture, sqrt(rule.max_pixels / (picture.width * picture.height)))
    while True:
        for quality in _QUALITIES if mime != "image/png" else _QUALITIES[:1]:
            encoded = _encode(picture, mime, quality)
            if len(encoded) <= rule.max_bytes or picture.size == (1, 1):
                return encoded
        picture = _scaled(picture, 0.8)


def _scaled(picture: Image.Image, factor: float) -> Image.Image:
    size = (max(1, int(picture.width * factor)), max(1, int(picture.height * factor)))
    return picture.resize(size, Image.Resampling.LANCZOS)
