"""XRPC over the guarded HTTP client: ``GET`` asks, ``POST`` acts, and one method stands for the one visible mutation."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import httpx

from platforms.base import Checkpoint, Media
from platforms.bluesky.errors import PLATFORM, refusal, unclear
from platforms.errors import PlatformError
from platforms.http import reading, sending
from platforms.uploading import chunks

T = TypeVar("T")
Reader = Callable[[Any], T]
"""Turns decoded JSON into a value; raises ``ValueError`` if it is not what the lexicon says."""


class Refused(Protocol):
    """Turns an answer that is no success into an error; see :func:`platforms.bluesky.errors.refusal`."""

    def __call__(self, answer: httpx.Response, *, mutation: bool) -> PlatformError: ...


@dataclass(frozen=True, slots=True)
class Xrpc:
    """One server, and the token to use there; ``None`` asks as a stranger. ``refused`` knows what its refusals mean."""

    http: httpx.AsyncClient
    server: str
    token: str | None = field(default=None, repr=False)
    refused: Refused = refusal

    async def query(self, nsid: str, read: Reader[T], **params: str | list[str]) -> T:
        """Ask for something. Raises ``Unavailable`` if no clear answer came."""
        with reading(PLATFORM):
            answer = await self.http.get(self._url(nsid), params=params, headers=self._headers())
        return self._understood(answer, read)

    async def procedure(self, nsid: str, read: Reader[T], body: bytes = b"", mime: str | None = None) -> T:
        """Do something that nobody sees and that may be repeated (a sign-in). Raises like :meth:`query`."""
        with reading(PLATFORM):
            answer = await self.http.post(self._url(nsid), content=body, headers=self._headers(mime))
        return self._understood(answer, read)

    async def upload(
        self,
        nsid: str,
        read: Reader[T],
        media: Media,
        checkpoint: Checkpoint,
        *,
        also: frozenset[int] = frozenset(),
        **params: str,
    ) -> T:
        """Send a file, chunk by chunk. Raises like :meth:`query`, and what its source and the checkpoint raise.

        ``also`` are statuses besides those of success with an answer to be read.
        """
        headers = {**self._headers(media.mime), "Content-Length": str(media.size)}
        with reading(PLATFORM):
            content = chunks(media, checkpoint)
            answer = await self.http.post(self._url(nsid), params=params, content=content, headers=headers)
        return self._understood(answer, read, also=also)

    async def mutate(self, nsid: str, read: Reader[T], body: bytes) -> T:
        """Send the visible mutation. Without a clear answer it raises ``Unconfirmed``."""
        with sending(PLATFORM):
            answer = await self.http.post(self._url(nsid), content=body, headers=self._headers("application/json"))
        return self._understood(answer, read, mutation=True)

    def _url(self, nsid: str) -> str:
        return f"{self.server}/xrpc/{nsid}"

    def _headers(self, mime: str | None = None) -> dict[str, str]:
        headers = {"Accept": "application/json"}
        if mime:
            headers["Content-Type"] = mime
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        return headers

    def _understood(
        self, answer: httpx.Response, read: Reader[T], *, mutation: bool = False, also: frozenset[int] = frozenset()
    ) -> T:
        if not answer.is_success and answer.status_code not in also:
            raise self.refused(answer, mutation=mutation)
        try:
            return read(answer.json())
        except (ValueError, RecursionError):
            # Without its cause: a validation error quotes what it got, and that may be a token.
            raise unclear(answer, mutation=mutation) from None
