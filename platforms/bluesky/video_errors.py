"""What the video service's refusals and failures mean.

It names some of them in one word (lexicons app.bsky.video), others in a sentence, and puts that where the name belongs. These are
the words that Bluesky's own app knows. A refusal by it says nothing about the session at the account's own server.
"""

import re
from dataclasses import dataclass

import httpx

from platforms.bluesky.errors import PLATFORM, refusal
from platforms.errors import MediaRejected, PlatformError, QuotaExhausted, Unavailable

_CONVERT = "Export it again as MP4 (H.264, AAC)."
_TOO_LARGE = "The video is larger than Bluesky allows. Make it smaller."
_TOO_LONG = "The video is longer than Bluesky allows. Cut it."
_SHAPE = "The video is too wide or too tall for Bluesky. Crop it."
_ENOUGH = "This account has uploaded as many videos as Bluesky allows in one day."
_CONFIRM = "Confirm this account's e-mail address in Bluesky. Until then it may not upload videos."
_BUSY = "Bluesky's video service has too much to do at the moment."
_NOT_ALLOWED = "Bluesky does not let this account upload videos."
_REFUSED = "Bluesky's video service refused this video."
_TOKEN = frozenset({401, 403})
_REFUSES = frozenset({400, 404, 409, 413, 415, 422})
"""The statuses with which it refuses a film, if it names a reason; all others are as everywhere."""
_QUOTED = re.compile(r"[\w ,.;:'!?()%-]{1,200}")
"""A sentence that people may be shown: no address, no markup, no token, which would be longer or one word."""
_LONGEST_WORD = 30
_LONGEST_CODE = 60


@dataclass(frozen=True, slots=True)
class Row:
    """What a refusal means that has ``says`` in its name or its sentence, in capitals or not."""

    says: str
    leaf: type[PlatformError]
    message: str


TABLE = (
    Row("unconfirmed_email", MediaRejected, _CONFIRM),
    Row("confirm your email", MediaRejected, _CONFIRM),
    Row("exceeded daily upload", QuotaExhausted, _ENOUGH),
    Row("dailylimitexceeded", QuotaExhausted, _ENOUGH),
    Row("not allowed to upload", MediaRejected, _NOT_ALLOWED),
    Row("uploadforbidden", MediaRejected, _NOT_ALLOWED),
    Row("not old enough", MediaRejected, "This account is too young to upload videos to Bluesky."),
    Row("uploading is disabled", Unavailable, "Bluesky takes no videos at the moment."),
    Row("failed to get user's upload stats", Unavailable, _BUSY),
    Row("serviceoverloaded", Unavailable, _BUSY),
    Row("toomanyopenuploads", Unavailable, _BUSY),
    Row("larger than the maximum allowed size", MediaRejected, _TOO_LARGE),
    Row("videotoolarge", MediaRejected, _TOO_LARGE),
    Row("encoded_video_too_large", MediaRejected, _TOO_LARGE),
    Row("videotoolong", MediaRejected, _TOO_LONG),
    Row("video_too_long", MediaRejected, _TOO_LONG),
    Row("badaspectratio", MediaRejected, _SHAPE),
    Row("bad_aspect_ratio", MediaRejected, _SHAPE),
    Row("unsupportedcontenttype", MediaRejected, f"Bluesky cannot use this video. {_CONVERT}"),
    Row("unsupported_codec", MediaRejected, f"Bluesky cannot use this video. {_CONVERT}"),
)
"""The first row that matches decides."""

_FAILURES: dict[str, tuple[type[PlatformError], str]] = {
    "validation_failure": (MediaRejected, f"Bluesky cannot use this video. {_CONVERT}"),
    "encoding_failure": (MediaRejected, f"Bluesky could not convert this video. {_CONVERT}"),
    "pds_upload_unsupported_blob_size": (MediaRejected, "The video is larger than this account's server takes. Make it smaller."),
    "pds_upload_failure": (Unavailable, "Bluesky could not store the video on this account's server."),
}
"""By the lexicon's code. All others, and none at all, may be different another time."""


def refused(answer: httpx.Response, *, mutation: bool = False) -> PlatformError:
    """See :func:`platforms.bluesky.errors.refusal`; nothing that this service does is visible."""
    name, sentence = _words(answer)
    if row := _row(name, sentence):
        return row.leaf(PLATFORM, _code(name), row.message, status=answer.status_code)
    if answer.status_code in _TOKEN:
        message = "Bluesky's video service does not accept this account at the moment."
        return Unavailable(PLATFORM, _code(name), message, status=answer.status_code)
    if answer.status_code in _REFUSES and name:
        return MediaRejected(PLATFORM, _code(name), _quoting(sentence or name), status=answer.status_code)
    return refusal(answer, mutation=mutation)


def refused_because(name: str, sentence: str) -> PlatformError:
    """The error for a film that was refused in these words, in an answer that is one of success."""
    row = _row(name, sentence) or Row("", MediaRejected, _quoting(sentence or name))
    return row.leaf(PLATFORM, _code(name), row.message)


def failed(code: str, error: str) -> PlatformError:
    """The error for a job that has failed; ``error`` may tell more of a ``code``."""
    leaf, message = _FAILURES.get(code, (Unavailable, "Bluesky could not prepare the video."))
    row = _row(error, "") if leaf is MediaRejected else None
    return leaf(PLATFORM, _code(code), row.message if row else message)


def _words(answer: httpx.Response) -> tuple[str, str]:
    try:
        body = answer.json()
    except (ValueError, RecursionError):
        return "", ""
    told = (body.get("error"), body.get("message")) if isinstance(body, dict) else ()
    name, sentence = (text if isinstance(text, str) else "" for text in told) if told else ("", "")
    return name, sentence


def _row(name: str, sentence: str) -> Row | None:
    said = f"{name}\n{sentence}".lower()
    return next((row for row in TABLE if row.says in said), None)


def _quoting(sentence: str) -> str:
    """What the service says, if it is a plain sentence."""
    plain = _QUOTED.fullmatch(sentence) and " " in sentence and max(map(len, sentence.split())) <= _LONGEST_WORD
    return f"{_REFUSED[:-1]}: {sentence.strip().rstrip('.')}." if plain else _REFUSED


def _code(name: str) -> str:
    """``name`` if it is one word; a sentence is none."""
    return name if name and len(name) <= _LONGEST_CODE and name.isascii() and name.isidentifier() else "video_refused"
