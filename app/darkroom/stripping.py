"""Pictures without what they tell about their makers, and every pixel as it was.

The pieces of the file that show nothing are left out. No library does this without encoding anew.

Kept is what is needed to show the picture: colours, transparency, animation. Left out are Exif, XMP, IPTC, comments, thumbnails,
other pieces unknown to us, and whatever lies behind the end: second pictures, films, other files.
"""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass


class Broken(Exception):
    """The file does not have the pieces that one of its type has."""


@dataclass(frozen=True, slots=True)
class Stripped:
    """What is left, and what its pieces tell of its motion: ``frames``, and ``milliseconds`` for one run of all of them."""

    data: bytes
    frames: int = 1
    milliseconds: int = 0


_INSTANT, _USUAL = 10, 100
"""Milliseconds: who says less than the first is shown the second by every browser."""


def shown(milliseconds: int) -> int:
    """How long browsers show a picture that says so."""
    return milliseconds if milliseconds > _INSTANT else _USUAL


# --- JPEG -------------------------------------------------------------------------------------------------------------

_END, _SCAN, _APP0, _APP2, _APP14, _APP15, _COMMENT = 0xD9, 0xDA, 0xE0, 0xE2, 0xEE, 0xEF, 0xFE
_KEPT = {_APP0: b"JFIF\0", _APP2: b"ICC_PROFILE\0", _APP14: b"Adobe"}
_NEXT_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
"""Within a scan: not a stuffed byte, a restart, or fill."""


def jpeg(data: bytes, orientation: int = 1) -> Stripped:
    """Without all that is no picture; ``orientation`` stays, alone, because no pixel can be turned without encoding anew."""
    pieces = list(_segments(data))
    first = [b"\xff\xd8", *pieces[:1]] if pieces and pieces[0][1] == _APP0 else [b"\xff\xd8"]
    return Stripped(b"".join([*first, *([_turned(orientation)] if orientation != 1 else []), *pieces[len(first) - 1 :]]))


def _segments(data: bytes) -> Iterator[bytes]:
    at = 2
    while True:
        while data[at : at + 2] == b"\xff\xff":
            at += 1
        if at == len(data):  # cut off behind a scan: whether all of it is there, the decoder will tell
            return
        if len(data) < at + 2 or data[at] != 0xFF:  # noqa: PLR2004
            raise Broken
        marker = data[at + 1]
        if marker == _END:
            yield b"\xff\xd9"
            return
        end = at + 2 + _length(data, at + 2)
        if marker == _SCAN:
            end = _scan_end(data, end)
        if not _APP0 <= marker <= _APP15 and marker != _COMMENT:
            yield data[at:end]
        elif marker in _KEPT and data.startswith(_KEPT[marker], at + 4):
            yield _plain_jfif(data[at:end]) if marker == _APP0 else data[at:end]
        at = end


def _length(data: bytes, at: int) -> int:
    length = int.from_bytes(data[at : at + 2], "big")
    if length < 2 or at + length > len(data):  # noqa: PLR2004
        raise Broken
    return length


def _scan_end(data: bytes, at: int) -> int:
    found = _NEXT_MARKER.search(data, at)
    return found.start() if found else len(data)


def _plain_jfif(segment: bytes) -> bytes:
    """Its first fields, without the thumbnail that may follow."""
    return b"\xff\xe0\x00\x10" + segment[4:16].ljust(12, b"\0") + b"\0\0"


def _turned(orientation: int) -> bytes:
    """Exif with nothing but the orientation."""
    tiff = b"MM\0\x2a" + struct.pack(">IHHHIHHI", 8, 1, 0x0112, 3, 1, orientation, 0, 0)
    body = b"Exif\0\0" + tiff
    return b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body


# --- PNG --------------------------------------------------------------------------------------------------------------

_PNG_PIECES = frozenset(
    {b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"cHRM", b"gAMA", b"iCCP", b"sBIT", b"sRGB", b"cICP", b"bKGD", b"pHYs"}
    | {b"acTL", b"fcTL", b"fdAT"}
)


def png(data: bytes) -> Stripped:
    """Pixels, colours and animation."""
    kept, frames, milliseconds, at, kind = [data[:8]], 0, 0, 8, b""
    while kind != b"IEND":
        length, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        end = at + 12 + length
        if end > len(data):
            raise Broken
        if kind in _PNG_PIECES:
            kept.append(data[at:end])
        if kind == b"fcTL":
            frames, milliseconds = frames + 1, milliseconds + shown(_delay(data[at + 28 : at + 32]))
        at = end
    return Stripped(b"".join(kept), max(1, frames), milliseconds)


def _delay(fraction: bytes) -> int:
    number, by = struct.unpack(">HH", fraction.ljust(4, b"\0"))
    return int(1000 * number / (by or 100))


# --- WebP -------------------------------------------------------------------------------------------------------------

_WEBP_PIECES = frozenset({b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF", b"ICCP"})
_EXIF_AND_XMP = 0b1100


def webp(data: bytes) -> Stripped:
    """Pixels, colours and animation; its header no longer announces the rest."""
    kept, frames, milliseconds, at = [], 0, 0, 12
    size = min(len(data), 8 + int.from_bytes(data[4:8], "little"))
    while at + 8 <= size:
        kind, length = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        end = at + 8 + length + length % 2
        if at + 8 + length > len(data):
            raise Broken
        piece = data[at:end].ljust(8 + length + length % 2, b"\0")
        if kind == b"VP8X" and length >= 1:
            piece = piece[:8] + bytes([piece[8] & ~_EXIF_AND_XMP]) + piece[9:]
        if kind == b"ANMF":
            frames, milliseconds = frames + 1, milliseconds + shown(int.from_bytes(data[at + 20 : at + 23], "little"))
        if kind in _WEBP_PIECES:
            kept.append(piece)
        at = end
    body = b"WEBP" + b"".join(kept)
    return Stripped(b"RIFF" + struct.pack("<I", len(body)) + body, max(1, frames), milliseconds)


# --- GIF --------------------------------------------------------------------------------------------------------------

_TRAILER, _EXTENSION, _IMAGE = 0x3B, 0x21, 0x2C
_CONTROL, _APPLICATION = 0xF9, 0xFF
_LOOPS = (b"\x0bNETSCAPE2.0", b"\x0bANIMEXTS1.0", b"\x0bICCRGBG1012")


def gif(data: bytes) -> Stripped:
    """Pictures, their times and how often they repeat."""
    at = 13 + _table(data[10:11])
    kept, frames, milliseconds, delay = [data[:at]], 0, 0, 0
    while (kind := data[at : at + 1]) != bytes([_TRAILER]) and (kind or not frames):  # many forget the trailer
        if kind == bytes([_EXTENSION]):
            end, label = _blocks_end(data, at + 2), data[at + 1 : at + 2]
            if label == bytes([_CONTROL]):
                delay = 10 * int.from_bytes(data[at + 4 : at + 6], "little")
            if label == bytes([_CONTROL]) or (label == bytes([_APPLICATION]) and data.startswith(_LOOPS, at + 2)):
                kept.append(data[at:end])
        elif kind == bytes([_IMAGE]):
            end = _blocks_end(data, at + 11 + _table(data[at + 9 : at + 10]))
            frames, milliseconds = frames + 1, milliseconds + shown(delay)
            kept.append(data[at:end])
        else:
            raise Broken
        at = end
    return Stripped(b"".join([*kept, bytes([_TRAILER])]), max(1, frames), milliseconds)


def _table(flags: bytes) -> int:
    """Bytes of the colour table that ``flags`` announce."""
    if not flags:
        raise Broken
    return 3 * 2 ** (1 + (flags[0] & 7)) if flags[0] & 0x80 else 0


def _blocks_end(data: bytes, at: int) -> int:
    """Behind a chain of blocks, each with its length before it, closed by one of no length."""
    while length := data[at] if at < len(data) else None:
        at += 1 + length
    if length is None:
        raise Broken
    return at + 1


STRIPPERS = {"image/png": png, "image/webp": webp, "image/gif": gif}
"""By type; :func:`jpeg` has its own say about orientation."""
