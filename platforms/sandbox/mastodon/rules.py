"""The rules of the emulated Mastodon for a status and its files, with the words of the real one (documentation, server 4.5)."""

import re
from collections.abc import Mapping
from typing import Any

import regex

IMAGE_LIMIT = 16 * 1024 * 1024
"""Bytes (server source, MediaAttachment)."""
ALT_LIMIT = 1500
MAX_FILES = 4
URL_LENGTH = 23
IMAGE_MIMES = ("image/jpeg", "image/png", "image/gif", "image/webp", "image/avif")
FILM_LIMIT = 99 * 1024 * 1024
FILM_MIMES = ("video/mp4", "video/quicktime", "video/webm")
"""The films' limit and types (server source, MediaAttachment)."""
FILM_PROCESSING = 1.0
"""Seconds. The real one takes longer, and always answers 202 first."""
OPEN = ("public", "unlisted")
"""Visibilities of statuses that everybody may see."""
VISIBILITIES = (*OPEN, "private", "direct")
_URL = re.compile(r"https?://\S+")
_REMOTE = re.compile(r"(?<![\w/])(@\w[\w.-]*)@[\w.-]+\w")


class ApiError(Exception):
    """An answer of the form ``{"error": ...}``, with an ``error_description`` where OAuth wants one."""

    def __init__(self, status: int, error: str, description: str | None = None) -> None:
        super().__init__(error)
        self.status = status
        self.body = {"error": error} | ({"error_description": description} if description else {})


def check_upload(mime: str, size: int, description: str) -> None:
    """Raises ``ApiError`` for a file of an unknown type, too large a file or too long a description."""
    if mime not in (*IMAGE_MIMES, *FILM_MIMES):
        raise ApiError(422, "Validation failed: File content type is invalid, File is invalid")
    limit = FILM_LIMIT if mime in FILM_MIMES else IMAGE_LIMIT
    if size > limit:
        raise ApiError(422, f"Validation failed: File file size must be less than {limit // 1024 // 1024} MB")
    if len(description) > ALT_LIMIT:
        raise ApiError(422, f"Validation failed: Description is too long (maximum is {ALT_LIMIT} characters)")


def check_status(sent: Mapping[str, Any], *, max_characters: int, has_media: bool) -> dict[str, Any]:
    """What of ``sent`` a status keeps. Raises ``ApiError``."""
    text, spoiler = str(sent.get("status") or ""), str(sent.get("spoiler_text") or "")
    visibility = sent.get("visibility") or "public"
    if not text.strip() and not has_media:
        raise ApiError(422, "Validation failed: Text can't be blank")
    if _too_long(spoiler + text, max_characters):
        raise ApiError(422, f"Validation failed: Text character limit of {max_characters} exceeded")
    if visibility not in VISIBILITIES:
        raise ApiError(422, "Validation failed: Visibility is not included in the list")
    return {
        "text": text,
        "spoiler_text": spoiler,
        "visibility": visibility,
        "sensitive": bool(spoiler) or sent.get("sensitive") in {True, "true", "1"},
        "language": sent.get("language") or "en",
        "in_reply_to_id": sent.get("in_reply_to_id"),
    }


def _too_long(text: str, limit: int) -> bool:
    """Only a text that could be is counted: none is longer than its characters and what its addresses may add."""
    longest = len(text) + URL_LENGTH * text.count("http")
    return longest > limit and length(text) > limit


def length(text: str) -> int:
    """Grapheme clusters, with every address counted as 23 and remote mentions without their host."""
    shortened = _REMOTE.sub(r"\1", _URL.sub("x" * URL_LENGTH, text))
    return len(regex.findall(r"\X", shortened))
