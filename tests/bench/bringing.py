"""A file on its way into an installation as a browser brings it: announced, put into the storage part by part, and confirmed."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from tests.integration.processes.visitor import Visitor

PIECE = 256 * 1024
AT_ONCE = 3
"""Parts on their way, as many as the page sends."""


async def bring(visitor: Visitor, film: Path) -> str:
    """The id of the file, which is looked at and ready. Raises ``RuntimeError`` with what a person would be told."""
    page = (await visitor.http.get("/compose")).text
    token = re.search(r'name="_csrf_token" value="([^"]+)"', page)
    visitor.http.headers["X-CSRFToken"] = token.group(1) if token else ""
    size = film.stat().st_size
    begun = await _asked(visitor, "/media/uploads", {"name": film.name, "size": size, "type": "video/mp4"})
    if "put" in begun:
        await _put(visitor, begun["put"], film, 0, size)
    else:
        await _parts(visitor, begun, film, size)
    told = await _asked(visitor, f"/media/uploads/{begun['id']}/confirm", None)
    if told["state"] != "ready":
        raise RuntimeError(f"the file is {told['state']}: {told.get('reason')}")
    return str(begun["id"])


async def _parts(visitor: Visitor, begun: dict[str, Any], film: Path, size: int) -> None:
    step, room = begun["parts"]["size"], asyncio.Semaphore(AT_ONCE)

    async def bring_part(number: int) -> None:
        async with room:
            told = await _asked(visitor, f"/media/uploads/{begun['id']}/parts", {"numbers": [number]})
            start = (number - 1) * step
            await _put(visitor, told["parts"][str(number)], film, start, min(size, start + step))

    await asyncio.gather(*(bring_part(number) for number in range(1, begun["parts"]["count"] + 1)))


async def _put(visitor: Visitor, where: dict[str, Any], film: Path, start: int, end: int) -> None:
    headers = {**where["headers"], "Content-Length": str(end - start)}
    answer = await visitor.http.put(where["url"], content=_pieces(film, start, end), headers=headers)
    answer.raise_for_status()


async def _pieces(film: Path, start: int, end: int) -> AsyncIterator[bytes]:
    with await asyncio.to_thread(film.open, "rb") as file:
        file.seek(start)
        while start < end and (piece := await asyncio.to_thread(file.read, min(PIECE, end - start))):
            start += len(piece)
            yield piece


async def _asked(visitor: Visitor, path: str, sent: Any) -> dict[str, Any]:
    answer = await visitor.http.post(path, json=sent, timeout=None)
    answer.raise_for_status()
    found: dict[str, Any] = answer.json()
    return found
