"""What a browser sends: a form's fields, read once, strictly and within limits, before anybody looks at them."""

from collections.abc import AsyncGenerator, Mapping
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from litestar import Request
from litestar.datastructures import FormMultiDict, UploadFile
from litestar.enums import RequestEncodingType
from litestar.exceptions import ClientException, InternalServerException, PermissionDeniedException
from litestar.status_codes import HTTP_413_REQUEST_ENTITY_TOO_LARGE
from litestar.types import Empty
from multipart import MultipartError, MultipartSegment, PushMultipartParser

from app.errors import Invalid

TEXT_BYTES = 1024 * 1024
"""Of all text fields of a form together, however large its files may be."""

MAX_FIELDS = 6_000
"""Of one form. The composer has a dozen per connected account, and eight per file for all of them and for each with its own."""

FILES = frozenset({"images", "captions"})
"""Fields that hold files; a file anywhere else is no browser's doing. Form-encoded, they hold the file's name instead."""

_Fields = dict[str, Any]
"""Every field has a list of texts and files, in the order they came in."""
_User = TypeVar("_User")
_Auth = TypeVar("_Auth")


class Left(Exception):
    """The browser gave up before it had sent everything: nobody waits for an answer, and nothing is wrong here."""


class Visit(Request[_User, _Auth, Any]):
    """A request whose form is read by this module.

    Litestar's own reading remembers the last thousand forms (passwords, and a gigabyte, if strangers like), decodes what it is
    told to decode by whatever rule it is told, and takes any number of fields.
    """

    async def stream(self) -> AsyncGenerator[bytes, None]:
        """The body in pieces. Raises :class:`Left`, and what Litestar raises for one that is too large."""
        try:
            async for piece in super().stream():
                yield piece
        except InternalServerException as error:
            if "disconnected" not in error.detail:
                raise
            raise Left from error

    async def form(self) -> FormMultiDict:
        """The fields, of UTF-8 text without NUL, or files. No form at all has no fields.

        Raises ``ClientException`` (400, 413), ``Invalid`` (a file where text belongs), :class:`Left`.
        """
        if self._connection_state.form is Empty:
            fields = await self._read()
            self._connection_state.form = dict(fields)  # where Litestar looks for files to close
            _check(fields)
        return FormMultiDict.from_form_data(self._connection_state.form)

    async def _read(self) -> _Fields:
        kind, options = self.content_type
        if kind == RequestEncodingType.MULTI_PART:
            return await _of_parts(self.stream(), options.get("boundary", ""))
        if kind == RequestEncodingType.URL_ENCODED:
            return await _of_pairs(self.stream())
        return {}


async def _of_pairs(pieces: AsyncGenerator[bytes, None]) -> _Fields:
    body = bytearray()
    async for piece in pieces:
        body += piece
        _limit(len(body))
    try:
        pairs = parse_qsl(body.decode(errors="replace"), keep_blank_values=True, max_num_fields=MAX_FIELDS)
    except ValueError:
        raise ClientException(detail="too many fields") from None
    fields: _Fields = {}
    for name, value in pairs:
        fields.setdefault(_clean(name), []).append(_clean(value))
    return fields


async def _of_parts(pieces: AsyncGenerator[bytes, None], boundary: str) -> _Fields:
    parts = _Parts()
    try:
        with PushMultipartParser(boundary, max_segment_count=MAX_FIELDS) as parser:
            async for piece in pieces:
                for event in parser.parse(piece) if piece and not parser.closed else ():
                    await parts.take(event)
    except (MultipartError, UnicodeError) as error:
        await parts.close()
        raise ClientException(detail="not a form") from error
    except BaseException:
        await parts.close()
        raise
    return parts.fields


class _Parts:
    """Collects what the parser finds: a head, pieces of content, and ``None`` at the end of each part."""

    def __init__(self) -> None:
        self.fields: _Fields = {}
        self._name = ""
        self._content: bytearray | UploadFile = bytearray()
        self._text_bytes = 0

    async def take(self, event: MultipartSegment | bytes | bytearray | None) -> None:
        if isinstance(event, MultipartSegment):
            self._begin(event)
        elif event is None:
            await self._end()
        elif isinstance(self._content, UploadFile):
            await self._content.write(bytes(event))
        else:
            self._text_bytes += len(event)
            _limit(self._text_bytes)
            self._content += event

    def _begin(self, head: MultipartSegment) -> None:
        """Whatever charset a part claims, browsers send UTF-8."""
        self._name, self._content = _clean(head.name), bytearray()
        if head.filename:
            self._content = UploadFile(head.content_type or "", _clean(head.filename))

    async def _end(self) -> None:
        if isinstance(self._content, UploadFile):
            await self._content.seek(0)
            content: str | UploadFile = self._content
        else:
            content = _clean(self._content.decode())
        self.fields.setdefault(self._name, []).append(content)
        self._content = bytearray()

    async def close(self) -> None:
        """Let the files go."""
        kept = [value for values in self.fields.values() for value in values]
        for value in [*kept, self._content]:
            if isinstance(value, UploadFile):
                await value.close()


def _limit(text_bytes: int) -> None:
    if text_bytes > TEXT_BYTES:
        raise ClientException(status_code=HTTP_413_REQUEST_ENTITY_TOO_LARGE)


def _clean(text: str) -> str:
    """Without NUL, which nobody types and databases and networks choke on. Raises ``UnicodeError`` for half a character."""
    text.encode()
    return text.replace("\0", "")


def _check(fields: Mapping[str, Any]) -> None:
    for name, values in fields.items():
        if name not in FILES and any(isinstance(value, UploadFile) for value in values):
            raise Invalid({name: "There is a file where a text belongs. Reload the page and send the form again."})
    if not all(isinstance(token, str) and token.isascii() for token in fields.get("_csrf_token", [])):
        raise PermissionDeniedException(detail="no token of ours")
