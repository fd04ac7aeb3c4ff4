"""Pictures: checked and cleaned when they come, made to fit when they go; encoded anew once at most, from the original."""

from functools import partial
from io import BytesIO
from pathlib import Path

from PIL import Image, ImageFile

from app.darkroom import colours, stripping
from app.darkroom.protocol import Facts, Recipe, Refused, Step
from app.darkroom.search import Encoder, fitted

MAX_PIXELS = 100_000_000
"""Pictures that unpack to more than this are refused unread (decompression bombs)."""

_READERS = {
    "image/jpeg": "JPEG",
    "image/png": "PNG",
    "image/webp": "WEBP",
    "image/gif": "GIF",
    "image/heic": "HEIF",
    "image/avif": "AVIF",
}
"""For each type the one reader of Pillow's that sees it. What is MPO, JPEG's finds out."""
_SHOWN_EVERYWHERE = frozenset({"image/jpeg", "image/png", "image/webp", "image/gif"})
_ORIENTATION = 0x0112
_SIDEWAYS = 5
"""Exif's orientations from here on swap width and height."""
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_DEVELOPED = 95
"""Quality of the one encoding of what no browser shows (HEIC), or shows lying on its side."""
_OPTIMIZED = 40_000_000
"""Pixels: libjpeg holds all of a larger one twice over to find better tables, and there is no memory for that."""
THUMB = 480
"""Pixels of a small picture's longer side: twice what a grid shows."""
_THUMB_QUALITY = 78
_LIGHT = 40_000
"""Bytes that a grid may load as they are."""
_NOT_SCALED = {"1", "P", "PA", "F"}
"""Modes whose pixels have no mean, or one that is no shade."""
_ROOM_PER_PIXEL, _LEAST_ROOM, _MOST_ROOM = 4, 65_536, 400_000_000
"""Bytes set aside while a picture is encoded."""

Image.MAX_IMAGE_PIXELS = None  # our own limit is checked before anything is unpacked


def opened(data: bytes, mime: str) -> Image.Image:
    """The picture, its first one not yet unpacked. Raises :class:`Refused`."""
    if mime == "image/heic":
        import pillow_heif  # noqa: PLC0415 - few pictures need it

        pillow_heif.register_heif_opener(thumbnails=False)
    try:
        image = Image.open(BytesIO(data), formats=[_READERS[mime]])
    except Exception:  # noqa: BLE001 - a broken file can make Pillow raise almost anything, even a TypeError
        raise _unreadable() from None
    if image.width * image.height > MAX_PIXELS:
        raise Refused(f"This picture has more than {MAX_PIXELS // 1_000_000} megapixels. Make it smaller.")
    return image


def unpacked(image: Image.Image) -> Image.Image:
    """``image``, with all its pixels there. Raises :class:`Refused`."""
    try:
        image.load()
    except MemoryError:
        raise Refused("This picture takes too much memory to open. Make it smaller.") from None
    except Exception:  # noqa: BLE001 - see above
        raise _unreadable() from None
    return image


def orientation_of(image: Image.Image, mime: str) -> int:
    """Exif's number, 1 to 8. The reader of HEIC has turned it already, and what Exif says does not count."""
    try:
        found = 1 if mime == "image/heic" else image.getexif().get(_ORIENTATION, 1)
    except Exception:  # noqa: BLE001 - see above
        return 1
    return found if found in _TURNS else 1


def turned(image: Image.Image, orientation: int) -> Image.Image:
    """Upright."""
    return image.transpose(_TURNS[orientation]) if orientation in _TURNS else image


def _unreadable() -> Refused:
    return Refused("This picture cannot be read, or a part of it is missing. Use JPEG, PNG, WebP or GIF.")


# --- coming in --------------------------------------------------------------------------------------------------------


def probe(source: Path, mime: str) -> Facts:
    """What the file is. Raises :class:`Refused`."""
    data = source.read_bytes()
    image = opened(data, mime)
    orientation = orientation_of(image, mime)
    return _facts(unpacked(image), mime, _motion(data, mime), orientation, size=len(data))


def clean(source: Path, target: Path, mime: str, thumb: Path | None = None) -> Facts:
    """The same picture without what it tells about its maker: bit for bit where browsers show it so. Raises :class:`Refused`.

    ``thumb`` gets a small one, unless the picture itself is one.
    """
    data = source.read_bytes()
    orientation = orientation_of(image := opened(data, mime), mime)
    if mime not in _SHOWN_EVERYWHERE or (mime != "image/jpeg" and orientation != 1):
        data, mime = _developed(unpacked(image), mime, orientation)
        orientation = 1
    left = _stripped(data, mime, orientation)
    facts = _facts(shown := unpacked(opened(left.data, mime)), mime, left, orientation, size=len(left.data))
    target.write_bytes(left.data)
    if thumb and (max(shown.size) > THUMB or len(left.data) > _LIGHT):
        thumb.write_bytes(thumbnail(shown, orientation))
    return facts


def thumbnail(image: Image.Image, orientation: int = 1) -> bytes:
    """``image`` upright, as a WebP of at most :data:`THUMB` pixels a side; of one that moves the first picture."""
    picture = colours.for_screens(image) if image.mode in _NOT_SCALED or "transparency" in image.info else image
    share = min(1.0, THUMB / max(picture.size))
    width, height = (max(1, round(side * share)) for side in picture.size)
    small = picture.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=2.0)
    small.info = dict(picture.info)
    small = turned(colours.for_screens(small), orientation)
    return _encoder("image/webp", small)(small, _THUMB_QUALITY)


def _stripped(data: bytes, mime: str, orientation: int) -> stripping.Stripped:
    try:
        return stripping.jpeg(data, orientation) if mime == "image/jpeg" else stripping.STRIPPERS[mime](data)
    except stripping.Broken:
        raise _unreadable() from None


def _motion(data: bytes, mime: str) -> stripping.Stripped:
    return _stripped(data, mime, 1) if mime in stripping.STRIPPERS else stripping.Stripped(b"")


def _developed(image: Image.Image, mime: str, orientation: int) -> tuple[bytes, str]:
    picture = turned(image, orientation)
    if mime == "image/png" or colours.see_through(picture):
        return _encoder("image/png", picture)(picture, _DEVELOPED), "image/png"
    kind = "image/webp" if mime == "image/webp" else "image/jpeg"
    picture = colours.for_screens(picture)
    return _encoder(kind, picture)(picture, _DEVELOPED), kind


def _facts(image: Image.Image, mime: str, motion: stripping.Stripped, orientation: int, *, size: int) -> Facts:
    width, height = image.size if orientation < _SIDEWAYS else image.size[::-1]
    return {
        "mime": mime,
        "size": size,
        "width": width,
        "height": height,
        "orientation": orientation,
        "pixels": image.mode,
        "alpha": colours.see_through(image),
        "frames": motion.frames,
        "duration": motion.milliseconds / 1000 if motion.frames > 1 else None,
        "colour": colours.dominant(image),
    }


# --- going out --------------------------------------------------------------------------------------------------------


def render(source: Path, target: Path, mime: str, recipe: Recipe) -> Facts:
    """Take the steps of ``recipe``, the last of which encodes. Raises :class:`Refused`."""
    picture = unpacked(opened(source.read_bytes(), mime))
    *steps, last = recipe
    kind, sampling = str(last["mime"]), _sampling(picture)
    picture = prepared(picture, [step for step in steps if step["step"] != "still"], kind)
    search = {name: last[name] for name in ("max_bytes", "best", "worst", "least")}
    data, picture = fitted(picture, _encoder(kind, picture, sampling), **search)
    target.write_bytes(data)
    return _facts(picture, kind, stripping.Stripped(b""), 1, size=len(data))


def prepared(image: Image.Image, steps: Recipe, kind: str) -> Image.Image:
    """The picture after ``steps``, in colours that ``kind`` can keep. What is only turned stays in the colours it has."""
    asis = kind == "image/png" and all(step["step"] == "turn" for step in steps)
    picture = image if asis else colours.for_screens(image)
    del image  # a step may need its memory
    for step in steps:
        picture = taken(picture, step)
    return picture.convert("RGB") if kind == "image/jpeg" and picture.mode not in {"L", "RGB"} else picture


def taken(picture: Image.Image, step: Step) -> Image.Image:
    """One step further."""
    match step:
        case {"step": "turn", "orientation": int(orientation)}:
            return turned(picture, orientation)
        case {"step": "crop", "left": int(left), "top": int(top), "width": int(width), "height": int(height)}:
            return picture.crop((left, top, left + width, top + height))
        case {"step": "scale", "width": int(width), "height": int(height)}:
            return picture.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=3.0)
        case {"step": "pad", "width": int(width), "height": int(height), "colour": str(colour)}:
            return colours.padded(picture, (width, height), colour)
        case {"step": "flatten", "colour": str(colour)}:
            return colours.flattened(picture, colour)
    raise ValueError(step)


def _encoder(kind: str, picture: Image.Image, sampling: int = 2) -> Encoder:
    """Fast settings: the best ones take three times as long for a twentieth of the bytes."""
    profile, small = colours.profile_of(picture), picture.width * picture.height <= _OPTIMIZED
    if kind == "image/jpeg":
        return partial(_saved, "JPEG", {"subsampling": sampling, "optimize": small, "icc_profile": profile})
    if kind == "image/webp":
        return partial(_saved, "WEBP", {"method": 2, "icc_profile": profile, "exif": b"", "xmp": b""})
    return partial(_saved, "PNG", {"icc_profile": profile, "exif": None})


def _saved(form: str, options: dict[str, object], picture: Image.Image, quality: int) -> bytes:
    out = BytesIO()
    # libjpeg's own search for better tables needs room for the whole file, and Pillow gives it less than noise takes.
    ImageFile.MAXBLOCK = min(_MOST_ROOM, _ROOM_PER_PIXEL * picture.width * picture.height + _LEAST_ROOM)
    more = {} if form == "PNG" else {"quality": quality}
    picture.save(out, form, **options, **more)
    return out.getvalue()


def _sampling(image: Image.Image) -> int:
    """How coarse colours are compared to brightness (Pillow's number): as in the original; what has no loss loses none here."""
    if image.format in {"JPEG", "MPO"}:
        from PIL.JpegImagePlugin import get_sampling  # noqa: PLC0415

        return get_sampling(image) if get_sampling(image) in {0, 1, 2} else 2
    return 0 if image.format in {"PNG", "GIF"} else 2
