"""Files in a folder, by signed addresses: what a bucket does for browsers and networks, with its refusals.

No session and no form token is asked for: an address allows one thing, to whoever has it, for a while. Where there is a bucket,
there is nothing here.
"""

from datetime import datetime
from email.utils import format_datetime
from http import HTTPStatus
from urllib.parse import quote

from litestar import HttpMethod, Request, Router, put, route
from litestar.params import FromPath, FromQuery
from litestar.response import Response, Stream
from litestar.types import ExceptionHandlersMap

from app import runtime
from app.errors import NotFound
from app.models import now
from app.routes import ranges
from app.storage import Folder, Mismatch, Missing, StorageError, Stored, TooLarge, Unavailable
from app.storage.signing import PREFIX, Grant
from app.storage.values import MAX_PUT

_SHOWN = ("image/", "video/", "audio/")
"""What a browser may show by itself; it saves everything else."""

_STATUS: dict[type[StorageError], HTTPStatus] = {
    Missing: HTTPStatus.NOT_FOUND,
    Mismatch: HTTPStatus.BAD_REQUEST,
    TooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
}


def _folder() -> Folder:
    storage = runtime.current().storage
    if not isinstance(storage, Folder):
        raise NotFound
    return storage


def _refused(status: HTTPStatus, **headers: str) -> Response[str]:
    """Programs read the number; the words are for who looks at them."""
    return Response(status.phrase, status_code=status, media_type="text/plain", headers=headers)


@put("/{key:path}", request_max_body_size=None)
async def take(
    request: Request,  # type: ignore[type-arg]
    key: FromPath[str],
    until: FromQuery[int] = 0,
    sig: FromQuery[str] = "",
    upload: FromQuery[str] = "",
    part: FromQuery[int] = 0,
) -> Response[str]:
    """Keep a file or a part. It goes to the disk as it comes, and is there when all of it has come."""
    folder, size = _folder(), _announced(request.headers.get("Content-Length"))
    if size is None:
        return _refused(HTTPStatus.LENGTH_REQUIRED)
    if size > MAX_PUT:
        return _refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    mime = "" if upload else request.headers.get("Content-Type", "")
    grant = Grant("PUT", key.lstrip("/"), mime=mime, size=size, upload=upload, part=part)
    if not folder.allows(grant, until=until, signature=sig):
        return _refused(HTTPStatus.FORBIDDEN)
    if upload:
        etag = (await folder.receive_part(grant.key, upload, part, request.stream(), size=size)).etag
    else:
        etag = (await folder.write(grant.key, request.stream(), mime=mime, size=size)).etag
    return Response("", status_code=HTTPStatus.OK, media_type="text/plain", headers={"ETag": f'"{etag}"'})


@route("/{key:path}", http_method=[HttpMethod.GET, HttpMethod.HEAD])
async def show(
    request: Request,  # type: ignore[type-arg]
    key: FromPath[str],
    until: FromQuery[int] = 0,
    sig: FromQuery[str] = "",
    name: FromQuery[str] = "",
) -> Response[str] | Stream:
    """The file or a range of it. Who may read it may ask about it too (HEAD)."""
    folder, grant = _folder(), Grant("GET", key.lstrip("/"), name=name)
    if not folder.allows(grant, until=until, signature=sig):
        return _refused(HTTPStatus.FORBIDDEN)
    stored = await folder.head(grant.key)
    headers = _headers(stored, name, until)
    if headers["ETag"] in request.headers.get("If-None-Match", ""):
        return Response("", status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    wanted = ranges.parse(_range(request, headers), stored.size)
    if wanted is None:
        return _refused(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, **{"Content-Range": f"bytes */{stored.size}"})
    status = HTTPStatus.OK if wanted.whole else HTTPStatus.PARTIAL_CONTENT
    headers |= {"Content-Length": str(wanted.length)} | ({} if wanted.whole else {"Content-Range": wanted.content_range})
    if request.method == HttpMethod.HEAD:
        return Response("", status_code=status, headers=headers)
    pieces = folder.read(stored.key, start=wanted.start, end=wanted.end)
    return Stream(pieces, status_code=status, media_type=stored.mime, headers=headers)


def _announced(length: str | None) -> int | None:
    """The body's size, if it was told beforehand."""
    return int(length) if length and length.isascii() and length.isdecimal() and len(length) < 20 else None  # noqa: PLR2004


def _range(request: Request, headers: dict[str, str]) -> str:  # type: ignore[type-arg]
    """What is asked for: everything, if the range was meant for another file than is there now."""
    meant = request.headers.get("If-Range", headers["ETag"])
    return request.headers.get("Range", "") if meant in (headers["ETag"], headers["Last-Modified"]) else ""


def _headers(stored: Stored, name: str, until: int) -> dict[str, str]:
    """Strangers' files under our own address: nothing in them is to run, whatever they are."""
    shown = "attachment" if name or not stored.mime.startswith(_SHOWN) else "inline"
    return {
        "Accept-Ranges": "bytes",
        "Cache-Control": f"private, max-age={max(0, until - int(now().timestamp()))}",
        "Content-Disposition": shown + (f"; filename*=UTF-8''{quote(name, safe='')}" if name else ""),
        "Content-Security-Policy": "sandbox",
        "Content-Type": stored.mime,
        "ETag": f'"{stored.etag}"',
        "Last-Modified": _http_date(stored.modified_at),
        "X-Content-Type-Options": "nosniff",
    }


def _http_date(at: datetime) -> str:
    return format_datetime(at, usegmt=True)


def on_storage(_: Request, error: StorageError) -> Response[str]:  # type: ignore[type-arg]
    """What the folder says, as a bucket would."""
    return _refused(_STATUS.get(type(error), HTTPStatus.INTERNAL_SERVER_ERROR))


_HANDLERS: ExceptionHandlersMap = {StorageError: on_storage}

router = Router(PREFIX, route_handlers=[take, show], exception_handlers=_HANDLERS)
