"""What a file is, by its first bytes. Names and types that somebody claims are never looked at."""

from app.darkroom.protocol import Refused

HEAD = 4096
"""Bytes that are looked at."""

_STARTS = {
    b"\xff\xd8\xff": "image/jpeg",
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"GIF87a": "image/gif",
    b"GIF89a": "image/gif",
}
_BRANDS = {
    "image/heic": frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}),
    "image/avif": frozenset({b"avif", b"avis"}),
    "video/quicktime": frozenset({b"qt  "}),
}
"""The rest of what begins with ``ftyp`` is taken for an MP4, which has dozens of brands."""
_OLD_QUICKTIME = frozenset({b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"})
_PROGRAMS = (b"MZ", b"\x7fELF", b"#!", b"\xca\xfe\xba\xbe", b"\xcf\xfa\xed\xfe")
_KINDS = "Use JPEG, PNG, WebP, GIF, MP4, MOV or WebM."


def sniff(head: bytes) -> str:
    """The type of the file that begins with ``head``. Raises :class:`Refused` for all that is not opened here."""
    if not head:
        raise Refused("This file is empty. Choose another one.")
    if mime := next((mime for start, mime in _STARTS.items() if head.startswith(start)), None):
        return mime
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    if head[4:8] == b"ftyp":
        return next((mime for mime, brands in _BRANDS.items() if head[8:12] in brands), "video/mp4")
    if head[4:8] in _OLD_QUICKTIME:
        return "video/quicktime"
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return "video/webm" if b"webm" in head[:64] else "video/x-matroska"
    raise Refused(_why(head))


def _why(head: bytes) -> str:
    text = head[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"#ext", b"[playlist]", b"ffconcat")) or b"<mpd" in text:
        return "This file is a list of addresses, not a video. Attach the video itself."
    if text.startswith((b"<svg", b"<?xml", b"<!doctype", b"<html")):
        return f"This file is a page or a drawing that can carry programs. Export it as a picture. {_KINDS}"
    if head.startswith(_PROGRAMS):
        return f"This file is a program, whatever it is called. {_KINDS}"
    return f"This file is no picture or video we can read. {_KINDS}"
