"""Signed addresses of our own server, for a folder: what a bucket's presigned addresses are, with the same refusals.

The signature covers the method, the key, the part of an upload, the type and the size of what may be put there, and the end.
Type and size are not in the address: the request's own headers are checked against the signature, as a bucket does it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from app.sealing import Sealer

PREFIX = "/files/"
"""Where :mod:`app.routes.files` serves them."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What an address allows. ``part`` of ``upload``, or the whole file; ``name`` is what a download is called."""

    method: str
    key: str
    mime: str = ""
    size: int = -1
    upload: str = ""
    part: int = 0
    name: str = ""

    def _text(self, until: int) -> str:
        """One text for one grant: a line break in a field cannot pass for the end of it."""
        fields = ("storage", self.method, self.key, self.upload, self.part, self.mime, self.size, until, self.name)
        return "\n".join(str(field).replace("\\", "\\\\").replace("\n", "\\n") for field in fields)

    def address(self, sealer: Sealer, until: datetime) -> str:
        """A path with its query, good until ``until`` (whole seconds)."""
        end = int(until.timestamp())
        query: Mapping[str, str | int] = {
            **({"upload": self.upload, "part": self.part} if self.upload else {}),
            **({"name": self.name} if self.name else {}),
            "until": end,
            "sig": sealer.sign(self._text(end)),
        }
        return f"{PREFIX}{self.key}?{urlencode(query)}"

    def allowed(self, sealer: Sealer, *, until: int, signature: str, at: datetime) -> bool:
        """Whether ``signature`` was made for exactly this, and has not ended. Takes the same time for every wrong one."""
        genuine = sealer.signed(self._text(until), signature)
        return genuine and at.timestamp() < until
