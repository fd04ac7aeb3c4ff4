"""Uploaded pictures, by signed link."""

from litestar import Router, get
from litestar.params import FromPath, FromQuery
from litestar.response import Stream

from app.services.media import files


@get("/media/{media_id:str}")
async def show(media_id: FromPath[str], until: FromQuery[int] = 0, sig: FromQuery[str] = "") -> Stream:
    """The picture's bytes; a wrong or old signature is a 404. The link is the same all day, so a browser may keep it."""
    file, stored, pieces = await files.read_signed(media_id, until, sig)
    headers = {"Cache-Control": "private, max-age=86400, immutable", "Content-Length": str(stored.size)}
    return Stream(pieces, media_type=file.mime, headers=headers)


router = Router("/", route_handlers=[show])
