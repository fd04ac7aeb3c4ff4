"""Files that mean harm, or are broken: a clear answer for each."""

import struct
import zlib
from contextlib import suppress
from pathlib import Path

import pytest
from PIL import Image

from app.darkroom.protocol import Refused
from tests.photos import encoded, film
from tests.unit.darkroom.room import Room, seen


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"", "empty"),
        (b"hello", "no picture"),
        (b"MZ\x90\0 a program called bell.jpg", "program"),
        (b"\x7fELF", "program"),
        (b"#!/bin/sh\nrm -r /", "program"),
        (b"%PDF-1.7", "no picture"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>", "can carry programs"),
        (b"\xef\xbb\xbf  <?xml version='1.0'?><svg/>", "can carry programs"),
        (b"<!DOCTYPE html><script>", "can carry programs"),
        (b"#EXTM3U\n#EXT-X-TARGETDURATION:9\nhttp://169.254.169.254/latest/meta-data/\n", "list of addresses"),
        (b"ffconcat version 1.0\nfile '/etc/passwd'\n", "list of addresses"),
        (b"[playlist]\nFile1=http://127.0.0.1/", "list of addresses"),
        (b"<?xml version='1.0'?><MPD><BaseURL>http://127.0.0.1/</BaseURL></MPD>", "list of addresses"),
        (b"\xff\xd8\xff", "cannot be read"),
        (b"\x89PNG\r\n\x1a\n", "cannot be read"),
        (b"GIF89a", "cannot be read"),
        (b"RIFF\x04\0\0\0WEBP", "cannot be read"),
        (b"\0\0\0\x18ftypheic\0\0\0\0heic", "cannot be read"),
        (b"\0\0\0\x18ftypisom\0\0\0\0isom", "cannot be read"),
        (b"\x1a\x45\xdf\xa3\x01\0\0\0", "cannot be read"),
    ],
)
def test_what_is_no_picture_and_no_film_is_refused_in_words(data: bytes, word: str, room: Room) -> None:
    with pytest.raises(Refused) as refusal:
        room.clean(data)
    assert word in str(refusal.value)


@pytest.mark.parametrize("form", ["TIFF", "BMP", "ICO", "PPM"])
def test_other_formats_are_refused_with_those_that_are_taken(form: str, room: Room) -> None:
    with pytest.raises(Refused) as refusal:
        room.clean(encoded(Image.new("RGB", (32, 32)), form))
    assert "JPEG, PNG, WebP, GIF, MP4" in str(refusal.value)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "GIF"])
@pytest.mark.parametrize("share", [0.3, 0.7])
def test_a_picture_of_which_a_part_is_missing_is_refused(form: str, share: float, room: Room) -> None:
    data = encoded(Image.effect_noise((64, 64), 90).convert("RGB"), form)
    with pytest.raises(Refused):
        room.clean(data[: int(len(data) * share)])


@pytest.mark.parametrize("side", [10_001, 20_000])
def test_a_small_file_that_unpacks_to_a_huge_picture_is_refused_unread(side: int, room: Room) -> None:
    bomb = encoded(Image.new("1", (side, side)), "PNG")
    assert len(bomb) < 100_000
    with pytest.raises(Refused) as refusal:
        room.clean(bomb)
    assert "megapixels" in str(refusal.value)


@pytest.mark.parametrize("kind", [b"zTXt", b"iCCP", b"iTXt"])
def test_a_piece_that_unpacks_to_gigabytes_is_refused_or_left_out(kind: bytes, room: Room) -> None:
    body = b"bomb\0\0" + zlib.compress(bytes(200_000_000), 9)
    piece = struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    data = encoded(Image.new("RGB", (8, 8)), "PNG")
    try:
        clean, _ = room.clean(data[:33] + piece + data[33:])
    except Refused:
        return
    assert seen(clean).size == (8, 8)
    assert len(clean) < len(data) + 300_000


def test_a_film_that_points_at_another_file_opens_only_itself(room: Room, tmp_path: Path) -> None:
    """A QuickTime may say that its pictures lie elsewhere (``dref``)."""
    data = film(tmp_path / "a.mov", container="mov", flags="+faststart").read_bytes()
    secret = tmp_path / "secret"
    secret.write_bytes(bytes(100_000))
    alias = b"url \0\0\0\0" + f"file://{secret}".encode() + b"\0"
    assert b"url \0\0\0\1" in data or b"alis\0\0\0\1" in data
    for flag in (b"url \0\0\0\1", b"alis\0\0\0\1"):
        data = data.replace(flag, alias[:4] + b"\0\0\0\0")
    before = secret.stat().st_atime_ns
    with suppress(Refused):
        room.clean(data)
    assert secret.stat().st_atime_ns == before
