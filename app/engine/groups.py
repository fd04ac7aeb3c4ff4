"""Group commit: writes that are asked for while one is under way go together as the next; each caller waits for its own."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

MOST = 200
"""Of one write: enough that the command itself costs nothing, few enough that the first does not wait long for the last."""

T = TypeVar("T")
R = TypeVar("R")


class Group(Generic[T, R]):
    """``write`` takes at most ``most`` items and returns a result for each, or fails for all of them.

    ``gather`` says how many seconds to wait for others before a write. An item that was handed in is written, whatever becomes
    of its caller.
    """

    def __init__(self, write: Callable[[Sequence[T]], Awaitable[Sequence[R]]], *, most: int, gather: Callable[[], float]) -> None:
        self._write, self._most, self._gather = write, most, gather
        self._waiting: list[tuple[T, asyncio.Future[R]]] = []
        self._writer: asyncio.Task[None] | None = None

    async def add(self, item: T) -> R:
        """The result for ``item``; raises what its group's write raised."""
        result: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, result))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._run(), name="group")
        return await asyncio.shield(result)

    async def _run(self) -> None:
        while self._waiting:
            await asyncio.sleep(self._gather())
            some, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
            await self._commit([item for item, _ in some], [result for _, result in some])

    async def _commit(self, items: Sequence[T], results: Sequence[asyncio.Future[R]]) -> None:
        try:
            written = await self._write(items)
        except Exception as error:  # noqa: BLE001 - it is the callers' to deal with
            for result in results:
                result.set_exception(error)
            return
        for result, outcome in zip(results, written, strict=True):
            result.set_result(outcome)
