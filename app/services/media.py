"""Uploaded images: checked, cleaned of metadata, stored; and made to fit a network's limits when they are sent."""

import asyncio
import io
import secrets
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from math import sqrt
from typing import TypeVar, TypeVarTuple

from PIL import Image, ImageOps

from app import runtime
from app.errors import Invalid, NotFound
from app.ids import Id
from app.models import Attachment, MediaFile, Workspace, now
from platforms.base import Media, MediaRule

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

MAX_UPLOAD_BYTES = 25 * 1024 * 1024
"""Largest file a person may upload; phone photos are 3 to 12 MB."""

MAX_SIDE = 4096
"""Pixels; larger pictures are stored scaled down, as every network would do it anyway."""

MAX_PIXELS = 100_000_000
"""Pictures that unpack to more than this are refused unread (decompression bombs)."""

LINK_TIME = timedelta(days=1)
"""Signed links stay good for one to two of these, and are the same all day, so that browsers can keep the picture."""

_FORMATS = {"JPEG": "image/jpeg", "MPO": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp", "GIF": "image/gif"}
"""Pillow's names. MPO is what many phones write as ``.jpg``: a JPEG with a smaller picture, or a second one, behind it."""

_READERS = ("JPEG", "PNG", "WEBP", "GIF")
"""The only code of Pillow's that sees strangers' bytes. What is MPO is found out by the reader of JPEG."""

_workshop = ThreadPoolExecutor(max_workers=2, thread_name_prefix="pictures")
"""Few hands: a small file may unpack to 400 MB, and as many at once as there are threads would be the end of the process."""

_LOOKS = frozenset({"icc_profile", "transparency"})
"""All that is kept of what a file says about its picture; the rest is comments, places and names."""

_QUALITIES = (88, 80, 70, 60, 50)


async def add(workspace: Workspace, data: bytes) -> MediaFile:
    """Store an image for ``workspace``. Raises ``Invalid`` (field ``media``) for anything that is no JPEG, PNG, WebP or GIF."""
    if len(data) > MAX_UPLOAD_BYTES:
        raise Invalid({"media": f"The file is larger than {MAX_UPLOAD_BYTES // 1024 // 1024} MB."})
    clean, mime, width, height = await _in_workshop(_clean, data)
    file = MediaFile(
        workspace_id=workspace.id,
        mime=mime,
        size=len(clean),
        width=width,
        height=height,
        path=f"{workspace.id}/{secrets.token_hex(16)}",
    )
    await runtime.current().storage.put(file.path, clean, mime=mime)
    return await file.insert()


async def _in_workshop(work: Callable[[*Ts], T], *args: *Ts) -> T:
    return await asyncio.get_running_loop().run_in_executor(_workshop, work, *args)


def _clean(data: bytes) -> tuple[bytes, str, int, int]:
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


async def get(workspace: Workspace, media_id: Id) -> MediaFile:
    """The file, if it belongs to ``workspace``. Raises ``NotFound``."""
    file = await MediaFile.get(media_id)
    if file is None or file.workspace_id != workspace.id:
        raise NotFound
    return file


# --- signed links -----------------------------------------------------------------------------------------------------


def url(file: MediaFile) -> str:
    """A relative link to the picture that works without a session and stops working after a while."""
    day = int(now().timestamp() // LINK_TIME.total_seconds()) + 2
    return f"/media/{file.id}?until={day}&sig={_sign(str(file.id), day)}"


async def read_signed(media_id: str, until: int, signature: str) -> tuple[MediaFile, bytes]:
    """The file behind a signed link. Raises ``NotFound`` for a wrong or old signature, as for a missing file."""
    expired = until < now().timestamp() / LINK_TIME.total_seconds()  # strangers may send numbers that no float can hold
    if expired or not runtime.current().sealer.signed(f"media:{media_id}:{until}", signature):
        raise NotFound
    file = await MediaFile.get(Id(media_id))
    if file is None:
        raise NotFound
    try:
        return file, await runtime.current().storage.get(file.path)
    except FileNotFoundError:
        raise NotFound from None


def _sign(media_id: str, until: int) -> str:
    return runtime.current().sealer.sign(f"media:{media_id}:{until}")


# --- for adapters -----------------------------------------------------------------------------------------------------


async def for_adapter(attachments: Sequence[Attachment], rule: MediaRule) -> tuple[Media, ...]:
    """The attached files as an adapter takes them; those that were deleted meanwhile are left out."""
    files = [(await MediaFile.get(attachment.media_id), attachment.alt) for attachment in attachments]
    return tuple(_adapted(file, alt, rule) for file, alt in files if file is not None)


def _adapted(file: MediaFile, alt: str, rule: MediaRule) -> Media:
    """Still pictures will be made to fit when they are read, so they are announced with the size they will have at most."""
    shrinks = file.mime != "image/gif"
    scale = min(1.0, sqrt(rule.max_pixels / (file.width * file.height))) if shrinks and rule.max_pixels else 1.0
    return Media(
        id=str(file.id),
        mime=file.mime,
        size=min(file.size, rule.max_bytes) if shrinks else file.size,
        width=max(1, int(file.width * scale)),
        height=max(1, int(file.height * scale)),
        alt=alt,
        read=partial(_read_fitted, file, rule),
    )


async def _read_fitted(file: MediaFile, rule: MediaRule) -> bytes:
    data = await runtime.current().storage.get(file.path)
    return await _in_workshop(fit, data, file.mime, rule)


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
