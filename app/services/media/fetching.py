"""A file at an address on some server that nobody vouches for: asked for, followed a few steps, and taken piece by piece.

Every step goes through the guarded client, which follows nothing by itself: each host is looked up and checked anew. Whatever a
server does wrong ends in one sentence for the person (``Invalid``, field ``media``), and in none of them stands the address.
"""

import asyncio
import math
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import PurePosixPath
from urllib.parse import unquote

import httpx

from app import pictures, runtime
from app.errors import Invalid
from app.services.media.offers import Offer, refusal
from platforms.http import LONGEST, HostRefused, is_local

MAX_ADDRESS = 4_000
"""Characters. Signed addresses of buckets have up to 2,000."""

REDIRECTS = 5

_WHOLE = "Give the whole address of the file; it begins with https://."
_REDIRECTED = frozenset({301, 302, 303, 307, 308})
_PAGES = ("text/html", "application/xhtml")
_PAGE = "This is a web page, not a file. Use the address of the file itself."
_EMPTY = "There is nothing in the file at this address: it is empty."
_SLOW = "The server sent the file too slowly. Try again later, or download it and add it from your device."


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a fetch may take: ``total`` at most; until its first answer ``first``, with all that it leads on to; and then, but
    for the ``first`` time, no fewer than ``slowest`` bytes a second.
    """

    total: timedelta = timedelta(minutes=15)
    first: timedelta = timedelta(minutes=1)
    slowest: int = 10_000

    def lost(self, seconds: float, count: int) -> bool:
        """Whether ``count`` bytes in so many ``seconds`` are too few."""
        return seconds > self.first.total_seconds() + count / self.slowest


@dataclass(frozen=True, slots=True)
class Found:
    """What lies at an address, by its first bytes: its type, its ``size`` if the server tells (else 0), and all its bytes."""

    mime: str
    size: int
    pieces: AsyncIterator[bytes]


def address(text: str) -> httpx.URL:
    """The address that a person means. Raises ``Invalid`` (field ``address``)."""
    try:
        url = httpx.URL(text.strip()).copy_with(fragment=None)
    except (httpx.InvalidURL, ValueError):  # UnicodeError is a ValueError
        raise Invalid({"address": _WHOLE}) from None
    if why := _unfit(url):
        raise Invalid({"address": why})
    return url


def name_of(url: httpx.URL) -> str:
    """What the file is called, as far as the address tells."""
    return PurePosixPath(unquote(url.path)).name or url.host


@asynccontextmanager
async def found(url: httpx.URL, patience: Patience) -> AsyncIterator[Found]:
    """What lies there, for as long as the block lasts. Raises ``Invalid``, also while its pieces are read."""
    with _in_words():
        async with AsyncExitStack() as stack:
            response = await _in_time(stack.enter_async_context(_opened(url)), patience)
            yield await _recognised(response, _timed(response, patience))


async def _in_time(opening: Awaitable[httpx.Response], patience: Patience) -> httpx.Response:
    """A head that drips in is no silence, and ends all the same."""
    try:
        async with asyncio.timeout(patience.first.total_seconds()):
            return await opening
    except TimeoutError:
        raise slow() from None


# --- the way there ----------------------------------------------------------------------------------------------------


@asynccontextmanager
async def _opened(url: httpx.URL) -> AsyncIterator[httpx.Response]:
    client = runtime.current().connecting
    for _ in range(REDIRECTS + 1):
        async with client.stream("GET", url, extensions={LONGEST: math.inf}) as response:  # :func:`_timed` counts
            if response.status_code in _REDIRECTED and "Location" in response.headers:
                url = _onward(url, response.headers["Location"])
                continue
            _judge(response)
            yield response
            return
    raise _invalid("This address leads from one to the next without an end. Use the address of the file itself.")


def _onward(url: httpx.URL, location: str) -> httpx.URL:
    try:
        following = url.join(location).copy_with(fragment=None)
    except (httpx.InvalidURL, ValueError):
        following = httpx.URL("")
    downgraded = url.scheme == "https" and following.scheme != "https"
    if downgraded or _unfit(following):
        raise _invalid("This address leads on to one from which nothing is fetched. Use the address of the file itself.")
    return following


def _unfit(url: httpx.URL) -> str | None:
    """Why nothing is fetched from there. Whether its host may be spoken to is the guard's matter."""
    if len(str(url)) > MAX_ADDRESS:
        return "This address is too long."
    if url.scheme not in ("http", "https") or not url.host:
        return _WHOLE
    if url.userinfo:
        return "Leave name and password out of the address."
    if url.scheme == "http" and not is_local(url.host):
        return "This address begins with http://, where anybody on the way could exchange the file. Use one with https://."
    return None


def _judge(response: httpx.Response) -> None:
    """By its number. Raises ``Invalid`` for everything but a file."""
    match response.status_code:
        case 200:
            return
        case 204:
            raise _invalid(_EMPTY)
        case 401 | 403 | 407:
            raise _invalid("The server gives this file only to those who sign in there. Download it and add it from your device.")
        case 404 | 410:
            raise _invalid("There is nothing at this address. Look whether it is right.")
        case 429:
            raise _invalid("The server is asked too often just now. Try again later.")
        case status if status >= 500:  # noqa: PLR2004
            raise _invalid(f"The server of this address has trouble of its own ({status}). Try again later.")
        case status:
            raise _invalid(f"The server does not give this file out ({status}). Download it and add it from your device.")


# --- what lies there --------------------------------------------------------------------------------------------------


async def _recognised(response: httpx.Response, pieces: AsyncGenerator[bytes, None]) -> Found:
    head = b""
    while len(head) < pictures.HEAD and (piece := await anext(pieces, b"")):
        head += piece
    size = _announced(response.headers.get("Content-Length", ""))
    try:
        mime = pictures.recognise(head)
    except Invalid as refused:
        raise (_why_not(response, head) or refused) from None
    _keep_to_size(mime, size or len(head))
    return Found(mime, size, _counted(mime, head, pieces))


def _why_not(response: httpx.Response, head: bytes) -> Invalid | None:
    """What can be said that the bytes alone do not tell."""
    if not head:
        return _invalid(_EMPTY)
    return _invalid(_PAGE) if _is_page(response, head) else None


def _is_page(response: httpx.Response, head: bytes) -> bool:
    said = response.headers.get("Content-Type", "").strip().lower()
    return said.startswith(_PAGES) or head.lstrip(b"\xef\xbb\xbf \t\r\n")[:9].lower().startswith((b"<!doctype", b"<html"))


def _announced(length: str) -> int:
    """Bytes; 0 if the server does not tell. A number that no disk holds counts as one that is too large."""
    return int(length[:18]) if length.isascii() and length.isdecimal() else 0


def _keep_to_size(mime: str, count: int) -> None:
    """By the rules of uploads. Raises ``Invalid``."""
    if why := refusal(Offer("", mime, count), []):
        raise _invalid(why)


async def _counted(mime: str, head: bytes, pieces: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    """What a server announces is no promise."""
    count = len(head)
    yield head
    del head
    with _in_words():
        async for piece in pieces:
            count += len(piece)
            _keep_to_size(mime, count)
            yield piece


async def _timed(response: httpx.Response, patience: Patience) -> AsyncGenerator[bytes, None]:
    """As it comes over the wire: nothing is unpacked. Time in which nobody asks for the next piece is not the server's."""
    count, waited = 0, 0.0
    pieces = response.aiter_raw()
    while True:
        began = time.monotonic()
        piece = await anext(pieces, None)
        waited += time.monotonic() - began
        if piece is None:
            return
        count += len(piece)
        if patience.lost(waited, count):
            raise _invalid(_SLOW)
        yield piece


# --- in words ---------------------------------------------------------------------------------------------------------


def slow() -> Invalid:
    """It took too long as a whole."""
    return _invalid(_SLOW)


def _invalid(sentence: str) -> Invalid:
    return Invalid({"media": sentence})


@contextmanager
def _in_words() -> Iterator[None]:
    """Turn httpx's errors into sentences. Their own texts may hold the address, and so go no further."""
    try:
        yield
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
        raise _invalid(_words(error)) from None


def _words(error: Exception) -> str:
    match error:
        case HostRefused():
            return (
                "This address lies on this machine or in its private network, from where nothing is fetched. "
                "Download the file and add it from your device."
            )
        case httpx.ConnectError() | httpx.ConnectTimeout():
            return "The server of this address cannot be reached, or does not prove who it is. Look whether the address is right."
        case httpx.PoolTimeout():
            return "Too many files are fetched just now. Try again in a minute."
        case httpx.TimeoutException():
            return "The server fell silent before the whole file had come. Try again later."
        case httpx.UnsupportedProtocol() | httpx.InvalidURL():
            return _WHOLE
    return "The connection broke before the whole file had come. Try again."
