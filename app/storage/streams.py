"""Bytes on their way: in pieces, and in threads of our own for what blocks."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import ParamSpec, TypeVar

from app.storage.values import MEBIBYTE

PIECE = 256 * 1024
"""Bytes read at once."""

THREADS = 16
"""A storage that hangs holds these, and nothing else waits for them."""

_threads = ThreadPoolExecutor(max_workers=THREADS, thread_name_prefix="storage")
_Params = ParamSpec("_Params")
_Result = TypeVar("_Result")


async def in_thread(call: Callable[_Params, _Result], *args: _Params.args, **kwargs: _Params.kwargs) -> _Result:
    """What ``call`` returns. Who is canceled meanwhile leaves it running to its end."""
    return await asyncio.get_running_loop().run_in_executor(_threads, partial(call, *args, **kwargs))


async def pieces(data: bytes) -> AsyncGenerator[bytes, None]:
    """A small file that is in memory anyway."""
    for start in range(0, len(data), MEBIBYTE):
        yield data[start : start + MEBIBYTE]


async def to_disk(source: AsyncIterable[bytes], path: Path) -> None:
    """Write what comes to ``path``, for a program that opens files by their names. Raises what ``source`` raises."""
    with await in_thread(path.open, "wb") as file:
        async for piece in source:
            await in_thread(file.write, piece)


async def from_disk(path: Path) -> AsyncGenerator[bytes, None]:
    """What lies at ``path``."""
    with await in_thread(path.open, "rb") as file:
        while piece := await in_thread(file.read, PIECE):
            yield piece


async def regrouped(source: AsyncIterable[bytes], size: int) -> AsyncGenerator[bytes, None]:
    """The same bytes in pieces of ``size``, the last of which may be smaller. Nothing comes of nothing."""
    held: list[bytes] = []
    count = 0
    async for piece in source:
        held.append(piece)
        count += len(piece)
        while count >= size:
            joined, held = b"".join(held), []
            yield joined if len(joined) == size else joined[:size]
            if joined[size:]:
                held.append(joined[size:])
            count -= size
            del joined  # it would be kept while the next one is collected
    if count:
        yield b"".join(held)
