"""Name servers that hang, and who is not to notice."""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from platforms.errors import Unavailable
from platforms.http import open_client, reading, sending
from platforms.resolving import Resolver


class NameServer:
    """Knows every name, but a ``tarpit`` is silent until ``woken``. ``asked`` counts the questions about each name."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.daemons: set[bool] = set()
        self.woken = threading.Event()

    def lookup(self, host: str) -> list[str]:
        self.asked[host] += 1
        self.daemons.add(threading.current_thread().daemon)
        if "tarpit" in host:
            self.woken.wait(20)
        if "nowhere" in host:
            raise OSError("no such name")
        return ["93.184.216.34"]


@pytest.fixture
def names() -> Iterator[NameServer]:
    server = NameServer()
    yield server
    server.woken.set()


async def outcome(resolver: Resolver, host: str) -> object:
    try:
        return await resolver.addresses(host)
    except OSError as error:
        return type(error)


async def test_a_name_is_found_or_not(names: NameServer) -> None:
    resolver = Resolver(names.lookup)
    assert await resolver.addresses("social.example") == ["93.184.216.34"]
    assert await outcome(resolver, "nowhere.example") is OSError


async def test_a_hanging_name_is_given_up(names: NameServer) -> None:
    assert await outcome(Resolver(names.lookup, patience=0.05), "tarpit.example") is TimeoutError


async def test_hanging_names_hold_nobody_else_up(names: NameServer) -> None:
    resolver = Resolver(names.lookup, patience=5, threads=20)
    made_up = [*(f"{number}.tarpit.example" for number in range(1000)), *(f"tarpit{number}.test" for number in range(16))]
    hanging = [asyncio.create_task(outcome(resolver, host)) for host in made_up]
    await asyncio.sleep(0.05)
    async with asyncio.timeout(2):
        assert await resolver.addresses("social.test") == ["93.184.216.34"]
    assert names.asked.total() == 2 + 16 + 1
    for task in hanging:
        task.cancel()


async def test_a_name_is_asked_for_once_at_a_time(names: NameServer) -> None:
    resolver = Resolver(names.lookup, patience=5)
    asking = [asyncio.create_task(outcome(resolver, host)) for host in ["tarpit.example", "TARPIT.example."] * 50]
    await asyncio.sleep(0.05)
    asking.pop().cancel()  # who gives up takes nothing from the others
    names.woken.set()
    assert await asyncio.gather(*asking) == [["93.184.216.34"]] * 99
    assert names.asked.total() == 1


async def test_a_hanging_name_is_remembered_for_a_while(names: NameServer) -> None:
    clock = [0.0]
    resolver = Resolver(names.lookup, patience=0.2, memory=30, clock=lambda: clock[0])
    await outcome(resolver, "tarpit.example")
    started = time.monotonic()
    assert await outcome(resolver, "tarpit.example") is TimeoutError
    assert time.monotonic() - started < 0.1
    clock[0] = 31
    asking = asyncio.create_task(outcome(resolver, "tarpit.example"))
    await asyncio.sleep(0)
    names.woken.set()
    assert await asking == ["93.184.216.34"]


async def test_a_name_that_answers_late_is_forgiven(names: NameServer) -> None:
    resolver = Resolver(names.lookup, patience=0.05)
    await outcome(resolver, "tarpit.example")
    names.woken.set()
    await asyncio.sleep(0.1)
    assert await outcome(resolver, "tarpit.example") == ["93.184.216.34"]


async def test_waiting_for_a_turn_ends_too(names: NameServer) -> None:
    resolver = Resolver(names.lookup, patience=0.05, threads=1)
    assert await asyncio.gather(*(outcome(resolver, f"{number}.tarpit.example") for number in range(9))) == [TimeoutError] * 9
    await asyncio.sleep(0.1)
    assert names.asked.total() == 1


async def test_the_loops_own_threads_are_left_alone_and_no_name_holds_up_the_processs_end(names: NameServer) -> None:
    busy = [asyncio.create_task(asyncio.to_thread(names.woken.wait, 20)) for _ in range(64)]
    await asyncio.sleep(0.05)
    async with asyncio.timeout(2):
        await Resolver(names.lookup).addresses("social.example")
    assert names.daemons == {True}
    names.woken.set()
    await asyncio.gather(*busy)


@pytest.mark.parametrize("guarded", [True, False])
async def test_a_hanging_name_is_a_server_that_was_not_reached(names: NameServer, guarded: bool) -> None:
    async with open_client(allow_private=not guarded, resolver=Resolver(names.lookup, patience=0.05)) as client:
        for around in (reading, sending):
            with pytest.raises(Unavailable, match="did not answer in time"), around("belfry"):
                await client.post("http://tarpit.example/")
