"""The sandbox's own pages: templates inside the package, always escaped, and no script at all.

A template is named by its path below this folder, so that a network can keep one in its own.
"""

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from litestar import Response

from platforms.sandbox.context import Sandbox

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; img-src 'self'; media-src 'self'; style-src 'self'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
_environment = Environment(
    loader=PackageLoader(__package__, "."),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def page(sandbox: Sandbox, template: str, *, status: int = 200, **values: Any) -> Response[str]:
    """``template`` as an HTML page; ``base`` in it is the prefix of all links."""
    html = _environment.get_template(template).render(base=sandbox.base_path, **values)
    return Response(html, status_code=status, media_type="text/html", headers=_HEADERS)


def static(data: bytes, mime: str) -> Response[bytes]:
    """A file for a page; it is never executed, whatever was uploaded."""
    headers = {**_HEADERS, "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox"}
    return Response(data, media_type=mime, headers=headers)
