"""Uploaded pictures, by signed link."""

from litestar import Router, get
from litestar.params import FromPath, FromQuery
from litestar.response import Response

from app.services.media import files


@get("/media/{media_id:str}")
async def show(media_id: FromPath[str], until: FromQuery[int] = 0, sig: FromQuery[str] = "") -> Response[bytes]:
    """The picture's bytes; a wrong or old signature is a 404. The link is the same all day, so a browser may keep it."""
    file, data = await files.read_signed(media_id, until, sig)
    return Response(data, media_type=file.mime, headers={"Cache-Control": "private, max-age=86400, immutable"})


router = Router("/", route_handlers=[show])
