"""Uploaded files as our pages show them, by signed link."""

from http import HTTPStatus

from litestar import Request, Router, get
from litestar.params import FromPath, FromQuery
from litestar.response import Response, Stream

from app import runtime
from app.routes import ranges
from app.services.media import files


@get("/media/{media_id:str}/{what:str}")
async def show(
    request: Request,  # type: ignore[type-arg]
    media_id: FromPath[str],
    what: FromPath[str],
    until: FromQuery[int] = 0,
    sig: FromQuery[str] = "",
) -> Response[str] | Stream:
    """The bytes, or a range of them: a film is played from where somebody clicks. A wrong or old signature is a 404.

    The link is the same all day, so a browser may keep what it got.
    """
    stored = await files.signed(what, media_id, until, sig)
    headers = {
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, max-age=86400, immutable",
        "Content-Security-Policy": "sandbox",
        "X-Content-Type-Options": "nosniff",
    }
    wanted = ranges.parse(request.headers.get("Range", ""), stored.size)
    if wanted is None:
        headers["Content-Range"] = f"bytes */{stored.size}"
        return Response("", status_code=HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, headers=headers)
    headers |= {"Content-Length": str(wanted.length)} | ({} if wanted.whole else {"Content-Range": wanted.content_range})
    pieces = runtime.current().storage.read(stored.key, start=wanted.start, end=wanted.end)
    status = HTTPStatus.OK if wanted.whole else HTTPStatus.PARTIAL_CONTENT
    return Stream(pieces, status_code=status, media_type=stored.mime, headers=headers)


router = Router("/", route_handlers=[show])
