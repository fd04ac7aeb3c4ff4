"""Style sheets, scripts and the icon: read, hashed and packed once, and kept in memory (30 kB) from then on."""

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import js_lib_htmx
from litestar import HttpMethod, Request, Router, route
from litestar.params import FromPath, FromQuery
from litestar.response import Response

from app.errors import NotFound
from app.routes.compression import accepts_gzip

_FOLDER = Path(__file__).parent.parent / "static"
_FILES: Mapping[str, Path] = {
    **{path.relative_to(_FOLDER).as_posix(): path for path in _FOLDER.rglob("*") if path.is_file()},
    # htmx comes as a package; its one file is served from where it was installed
    "vendor/htmx.min.js": Path(js_lib_htmx.__file__).parent / "static" / "htmx" / "htmx.min.js",
}
_MIMES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml", ".png": "image/png", ".ico": "image/x-icon"}

_FOR_EVER = "public, max-age=31536000, immutable"
_FOR_A_MOMENT = "public, max-age=60"
"""Under another hash, or none: the file will be another one after the next upgrade."""


@dataclass(frozen=True, slots=True)
class Asset:
    """A static file; ``packed`` is the same with gzip."""

    mime: str
    plain: bytes
    packed: bytes
    digest: str


@lru_cache
def _load(name: str) -> Asset:
    path = _FILES[name]
    plain = path.read_bytes()
    digest = hashlib.sha256(plain).hexdigest()[:12]
    return Asset(_MIMES.get(path.suffix, "application/octet-stream"), plain, gzip.compress(plain, 9, mtime=0), digest)


def address(name: str) -> str:
    """Where a browser gets the file, with a hash of its content: it may keep it for ever."""
    return f"/static/{name}?v={_load(name).digest}"


@route("/static/{name:path}", http_method=[HttpMethod.GET, HttpMethod.HEAD])
async def show(request: Request, name: FromPath[str], v: FromQuery[str] = "") -> Response[bytes]:  # type: ignore[type-arg]
    """The file; 304 if the browser has it. Raises ``NotFound``."""
    if name.lstrip("/") not in _FILES:
        raise NotFound
    asset = _load(name.lstrip("/"))
    packs = accepts_gzip(request.scope) and len(asset.packed) < len(asset.plain)
    tag = f'"{asset.digest}-gzip"' if packs else f'"{asset.digest}"'
    headers = {
        "Cache-Control": _FOR_EVER if v == asset.digest else _FOR_A_MOMENT,
        "ETag": tag,
        "Vary": "Accept-Encoding",
        **({"Content-Encoding": "gzip"} if packs else {}),
    }
    if tag in request.headers.get("If-None-Match", ""):
        headers.pop("Content-Encoding", None)
        return Response(b"", status_code=304, media_type=asset.mime, headers=headers)
    return Response(asset.packed if packs else asset.plain, status_code=200, media_type=asset.mime, headers=headers)


router = Router("/", route_handlers=[show])
