"""Group commit: what is asked for while a write is under way goes together, and everybody gets their own answer."""

import asyncio
from collections.abc import Sequence

import pytest

from app.engine.groups import Group


class Disk:
    """Writes slowly, and remembers what it wrote together. A negative number breaks the whole write."""

    def __init__(self) -> None:
        self.written: list[list[int]] = []

    async def write(self, some: Sequence[int]) -> list[int]:
        self.written.append(list(some))
        await asyncio.sleep(0.01)
        if min(some) < 0:
            raise OSError("the disk is full")
        return [10 * one for one in some]


def group(disk: Disk, *, most: int = 100, pause: float = 0) -> Group[int, int]:
    return Group(disk.write, most=most, gather=lambda: pause)


async def test_who_comes_during_a_write_is_written_together_afterwards() -> None:
    disk = Disk()
    together = group(disk)
    first = asyncio.create_task(together.add(1))
    await asyncio.sleep(0.005)
    results = await asyncio.gather(first, *(together.add(number) for number in (2, 3, 4)))
    assert results == [10, 20, 30, 40]
    assert disk.written == [[1], [2, 3, 4]]


async def test_a_group_has_its_limit() -> None:
    disk = Disk()
    together = group(disk, most=2, pause=0.001)
    assert await asyncio.gather(*(together.add(number) for number in range(5))) == [0, 10, 20, 30, 40]
    assert disk.written == [[0, 1], [2, 3], [4]]


async def test_a_write_that_breaks_is_told_to_its_own_callers_only() -> None:
    together = group(Disk(), most=2, pause=0.001)
    results = await asyncio.gather(*(together.add(number) for number in (1, -2, 3)), return_exceptions=True)
    assert [type(result) for result in results] == [OSError, OSError, int]
    assert await together.add(5) == 50


async def test_what_was_handed_in_is_written_though_its_caller_is_gone() -> None:
    disk = Disk()
    together = group(disk, pause=0.01)
    gone, stays = asyncio.create_task(together.add(1)), asyncio.create_task(together.add(2))
    await asyncio.sleep(0)
    gone.cancel()
    assert await stays == 20
    with pytest.raises(asyncio.CancelledError):
        await gone
    assert disk.written == [[1, 2]]
