"""The rules of the emulated PDS for a post record, with the words of the real one (observed on PDS 0.5.35)."""

import hashlib
import json
import re
import secrets
import time
from collections.abc import Iterator, Mapping
from typing import Any

import regex

from platforms.sandbox.bluesky import embeds
from platforms.sandbox.values import RECORD, cid

NAME = "bluesky"
COLLECTION = "app.bsky.feed.post"
TEXT_LIMIT = 300
"""Grapheme clusters (lexicon app.bsky.feed.post)."""
_RKEY = re.compile(r"(?!\.\.?$)[A-Za-z0-9._:~-]{1,512}")
_TID = re.compile(r"[234567abcdefghij][2-7a-z]{12}")
_DATETIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,20})?(Z|[+-]\d\d:\d\d)")
_BASE32_SORTABLE = "234567abcdefghijklmnopqrstuvwxyz"


class XrpcError(Exception):
    """An answer of the form ``{"error": ..., "message": ...}``."""

    def __init__(self, error: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.error = error
        self.message = message
        self.status = status


def did(handle: str) -> str:
    """The account's permanent id: always the same for one handle, so that it survives a new database."""
    return "did:plc:" + cid(hashlib.sha256(handle.encode()).digest())[8:32]


def tid() -> str:
    """A fresh timestamp id: 53 bits of microseconds and 10 random bits (specification, TID)."""
    number = (time.time_ns() // 1000 << 10) | secrets.randbelow(1024)
    return "".join(_BASE32_SORTABLE[number >> shift & 31] for shift in range(60, -1, -5))


def record_cid(record: Mapping[str, Any]) -> str:
    """The record's content id. Taken over sorted JSON instead of DAG-CBOR: as stable as a real one, but not equal to it."""
    return cid(json.dumps(record, sort_keys=True).encode(), RECORD)


def check_rkey(rkey: Any) -> str:
    """``rkey`` if it is a TID. Raises ``XrpcError``."""
    if not isinstance(rkey, str) or not _RKEY.fullmatch(rkey):
        raise XrpcError("InvalidRequest", f'Invalid record key (got "{rkey}") at $.rkey')
    if not _TID.fullmatch(rkey):
        raise XrpcError("InvalidRequest", f'Invalid record key for {COLLECTION}: Invalid TID string (got "{rkey}") at $')
    return rkey


def check_record(record: Mapping[str, Any]) -> None:
    """Raises ``XrpcError`` with the first thing the lexicon forbids."""
    for problem in _problems(record):
        raise XrpcError("InvalidRequest", f"Invalid {COLLECTION} record: {problem}")


def _problems(record: Mapping[str, Any]) -> Iterator[str]:
    for key in ("text", "createdAt"):
        if not isinstance(record.get(key), str):
            yield f'Missing required key "{key}" at $.record'
    yield from embeds.too_big("string", 3000, len(record["text"].encode()), "text")
    yield from embeds.too_big("grapheme", TEXT_LIMIT, _graphemes(record["text"]), "text")
    if not _DATETIME.fullmatch(record["createdAt"]):
        yield f'Invalid datetime (got "{record["createdAt"]}") at $.record.createdAt'
    yield from embeds.too_big("array", 3, len(record.get("langs") or ()), "langs")
    for index, facet in enumerate(record.get("facets") or ()):
        if not {"byteStart", "byteEnd"} <= facet.get("index", {}).keys():
            yield f'Missing required key "byteStart" at $.record.facets[{index}].index'
    yield from embeds.problems(record)


def _graphemes(text: str) -> int:
    """How many there are; only a text that could have too many is counted, the others have at most as many as characters."""
    return len(text) if len(text) <= TEXT_LIMIT else len(regex.findall(r"\X", text))
