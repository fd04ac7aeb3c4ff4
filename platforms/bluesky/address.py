"""A post's two addresses: ``at://`` for the network, which is its id, and one for people, who may paste either back.

The DID decides whose post it is: handles are written in any case, change, and may pass on to somebody else.
"""

import re
from collections.abc import Mapping
from typing import Any, NoReturn
from urllib.parse import SplitResult, unquote, urlsplit

from platforms.base import Profile
from platforms.bluesky import lexicon

_WEB = "https://bsky.app"
_NAMES = ("bsky.app", "www.bsky.app")
_NO_HANDLE = ("", "handle.invalid")
"""What stands for the handle of an account that has none (AT Protocol specification, Handle)."""
_TID = r"(?P<rkey>[2-7a-j][2-7a-z]{12})"
_ID = re.compile(rf"/{re.escape(lexicon.POST)}/{_TID}/?")
_PAGE = re.compile(rf"/profile/@?(?P<who>[^/]+)/post/{_TID}(/[a-z-]*)?")
"""A post's page, or one about it (``/liked-by``)."""


def post_id(did: str, rkey: str) -> str:
    """The ``at://`` address of ``did``'s post with the record key ``rkey``."""
    return f"at://{did}/{lexicon.POST}/{rkey}"


def web_url(did: str, rkey: str, limits: Mapping[str, Any]) -> str:
    """Where people see it; ``limits`` are the account's, whose ``web`` is where a sandbox shows its posts."""
    return f"{limits.get('web', _WEB)}/profile/{did}/post/{rkey}"


def pasted_id(url: str, profile: Profile) -> str | None:
    """The ``at://`` address of the post that ``url``, in either form, names; ``None`` if it is no post of ``profile``."""
    typed = url.strip().strip("<>")
    try:
        parts = urlsplit(typed if "://" in typed else f"https://{typed}")
        who, rkey = _named(parts, profile.limits.get("web"))
    except ValueError:
        return None
    handle = profile.handle.lower()
    ours = who == profile.remote_id or (who.lower() == handle and handle not in _NO_HANDLE)
    return post_id(profile.remote_id, rkey) if ours else None


def _named(parts: SplitResult, sandbox: object) -> tuple[str, str]:
    """Who posted, by handle or DID, and the record key. Raises ``ValueError`` if it is not the address of a post."""
    if parts.scheme == "at":
        found = _ID.fullmatch(parts.path)
        return (parts.netloc, found["rkey"]) if found else _nobody()
    found = _PAGE.fullmatch(parts.path.removeprefix(_base_path(parts, sandbox)))
    return (unquote(found["who"]), found["rkey"]) if found else _nobody()


def _base_path(parts: SplitResult, sandbox: object) -> str:
    """What comes before ``/profile``. A sandbox is reached by any host name, but below its own path."""
    if isinstance(sandbox, str):
        base = urlsplit(sandbox).path.rstrip("/")
        return base if parts.path.startswith(base) and parts.scheme in ("http", "https") else _nobody()
    usual = parts.port in (None, 443 if parts.scheme == "https" else 80)
    return "" if parts.scheme in ("http", "https") and parts.hostname in _NAMES and usual else _nobody()


def _nobody() -> NoReturn:
    raise ValueError("not the address of a post")
