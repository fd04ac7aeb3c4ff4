"""Which server a person means: a name, an address or a full handle, brought to one form."""

import re
from urllib.parse import SplitResult, urlsplit

import httpx

from platforms.errors import ContentRejected
from platforms.http import is_local
from platforms.mastodon.errors import NAME

DEFAULT_PORTS = {"https": 443, "http": 80}
HOST = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*")
"""A host name as it goes over the wire; other scripts have become ASCII by then."""


def origin(typed: str) -> str:
    """``scheme://host[:port][/prefix]`` without a trailing slash; a profile's path is dropped. Raises ``Rejected``.

    Plain ``http`` would show the token to everybody on the way, so it is kept for this machine and private networks.
    """
    try:
        return _origin(_split(typed.strip()))
    except (ValueError, httpx.InvalidURL) as error:
        raise ContentRejected(
            NAME, "bad_server", "Type the name of your server, like mastodon.social, or your full handle."
        ) from error


def _split(typed: str) -> SplitResult:
    address = typed.split("/@", maxsplit=1)[0]
    if "://" in address:
        return urlsplit(address)
    host = address.rsplit("@", maxsplit=1)[-1]
    if "." not in host:
        raise ValueError("a bare word is no server name")
    return urlsplit(f"https://{host}")


def _origin(parts: SplitResult) -> str:
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname or "@" in parts.netloc:
        raise ValueError("no address of a server")
    host = httpx.URL(f"https://{parts.hostname}").raw_host.decode()
    if not HOST.fullmatch(host):
        raise ValueError("no host name")
    if parts.scheme == "http" and not is_local(host):
        raise ContentRejected(NAME, "not_encrypted", "Use https:// for this server, so that nobody can read our access.")
    port = "" if parts.port in (None, DEFAULT_PORTS[parts.scheme]) else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}{parts.path.rstrip('/')}"
