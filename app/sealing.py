"""Secrets at rest, and signatures on links: two keys derived from ``CARILLON_SECRET_KEY``."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


class SealBroken(Exception):
    """The sealed text was made with another secret key, or was changed."""


class Sealer:
    """Seals small mappings of strings (authenticated encryption) and signs texts."""

    def __init__(self, secret: str) -> None:
        self._fernet = Fernet(base64.urlsafe_b64encode(_derive(secret, b"seal")))
        self._signing = _derive(secret, b"sign")

    def seal(self, values: Mapping[str, str]) -> str:
        """Encrypt ``values`` for storage."""
        return self._fernet.encrypt(json.dumps(dict(values)).encode()).decode()

    def open(self, sealed: str) -> dict[str, str]:
        """Decrypt what ``seal`` made. Raises ``SealBroken``."""
        try:
            opened: dict[str, str] = json.loads(self._fernet.decrypt(sealed.encode()))
        except InvalidToken:
            raise SealBroken("sealed with another CARILLON_SECRET_KEY") from None
        return opened

    def sign(self, text: str) -> str:
        """A URL-safe signature of ``text``."""
        digest = hmac.new(self._signing, text.encode(), hashlib.sha256).digest()
        return base64.urlsafe_b64encode(digest[:24]).decode()

    def signed(self, text: str, signature: str) -> bool:
        """Whether ``signature`` is ours for ``text``; takes the same time for every wrong one."""
        return hmac.compare_digest(self.sign(text).encode(), signature.encode())


def _derive(secret: str, purpose: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=b"carillon:" + purpose).derive(secret.encode())
