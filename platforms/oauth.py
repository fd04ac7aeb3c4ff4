"""What the OAuth flows of several networks share."""

import secrets
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from hashlib import sha256

from platforms.errors import ContentRejected

NO_CONSENT = "The network did not give its consent. You can try again at any time."


def granted(platform: str, query: Mapping[str, str], name: str = "code") -> str:
    """The code (or ``name``) that the person came back with. Raises ``ContentRejected`` if they brought a refusal."""
    if query.get("error") or not query.get(name):
        raise ContentRejected(platform, "no_consent", NO_CONSENT)
    return query[name]


def verifier() -> str:
    """A fresh verifier of PKCE."""
    return secrets.token_urlsafe(64)


def challenge(kept: str) -> str:
    """The S256 code challenge of the verifier that is ``kept`` (RFC 7636)."""
    return urlsafe_b64encode(sha256(kept.encode()).digest()).rstrip(b"=").decode()
