"""Films are opened with named readers only, and from one file: nothing they say makes us open another, or an address."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.video.stream import VideoStream

from app.darkroom.protocol import Refused

_READERS = {
    "video/mp4": "mov",
    "video/quicktime": "mov",
    "video/webm": "matroska",
    "video/x-matroska": "matroska",
}
"""For each type the one reader of FFmpeg's that sees it. Playlists, lists of files and scripts have readers too: not here."""
_VIDEO = frozenset({"h264", "hevc", "vp8", "vp9", "av1", "mpeg4", "prores", "mjpeg", "h263"})
_AUDIO = frozenset({"aac", "mp3", "ac3", "eac3", "opus", "vorbis", "flac", "alac", "amr_nb", "amr_wb"})
"""What phones, cameras and editors write; uncompressed sound too. The rest of FFmpeg's decoders never run."""
_DECODERS = "h264,hevc,vp8,vp9,libdav1d,av1,mpeg4,prores,mjpeg,h263,aac,mp3,mp3float,ac3,eac3,opus,libopus,vorbis,flac,alac"
_OPTIONS = {"enable_drefs": "0", "use_absolute_path": "0", "codec_whitelist": _DECODERS, "protocol_whitelist": ""}
_MAX_PIXELS = 8192 * 4352
"""Of one frame: 8K."""
_THREADS = 4
"""Each holds frames of its own; on a machine with many cores they would be too many."""

Film = tuple[InputContainer, VideoStream, AudioStream | None]


def refuse(what: str) -> Refused:
    """What a person is told about a film that is not opened."""
    return Refused(f"{what} Export it again as MP4 (H.264, AAC).")


@contextmanager
def opened(source: Path, mime: str) -> Iterator[Film]:
    """The film, its picture, and its sound if it has any. Raises :class:`Refused`, also for what goes wrong while it is read."""
    with source.open("rb") as file:
        try:
            with _container(file, mime) as container:
                yield container, _picture(container), _sound(container)
        except (Refused, MemoryError):
            raise
        except (av.FFmpegError, ValueError, EOFError, OverflowError, ZeroDivisionError):
            raise refuse("This video cannot be read, or a part of it is missing.") from None


def _container(file: BinaryIO, mime: str) -> InputContainer:
    return av.open(file, "r", format=_READERS[mime], container_options=_OPTIONS, io_open=_opens_nothing)


def _opens_nothing(*_: Any) -> NoReturn:
    raise refuse("This video points at other files.")


def _picture(container: InputContainer) -> VideoStream:
    streams = [each for each in container.streams.video if not each.disposition & av.stream.Disposition.attached_pic]
    if not streams:
        raise refuse("There is no video in this file.")
    stream = streams[0]
    if stream.codec_context is None or stream.codec_context.codec.canonical_name not in _VIDEO:
        raise refuse("This video is in a format that is not read here.")
    if not 0 < stream.codec_context.width * stream.codec_context.height <= _MAX_PIXELS:
        raise refuse("This video has more pixels than 8K, or none.")
    stream.codec_context.thread_count = _THREADS
    stream.thread_type = "AUTO"
    return stream


def _sound(container: InputContainer) -> AudioStream | None:
    return next((each for each in container.streams.audio if _known_sound(each)), None)


def _known_sound(stream: AudioStream) -> bool:
    name = stream.codec_context.codec.canonical_name if stream.codec_context else ""
    return name in _AUDIO or name.startswith("pcm_")


_TOP_BOXES = 200


def starts_fast(source: Path, mime: str) -> bool:
    """Whether an MP4's index comes before its pictures; other containers always begin with what is needed."""
    if _READERS[mime] != "mov":
        return True
    with source.open("rb") as file:
        at, end = 0, source.stat().st_size
        for _ in range(_TOP_BOXES):
            file.seek(at)
            head = file.read(16)
            if head[4:8] in {b"moov", b"mdat", b"moof"} or len(head) < 8:  # noqa: PLR2004
                return head[4:8] != b"mdat"
            size = int.from_bytes(head[:4], "big")
            size = int.from_bytes(head[8:16], "big") if size == 1 else size
            if size < 8 or at + size > end:  # noqa: PLR2004
                return False
            at += size
    return False
