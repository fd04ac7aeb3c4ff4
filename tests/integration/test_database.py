"""Connecting to the database, above all when it is away."""

import asyncio

import pytest

from app import database


async def test_a_connection_that_is_given_up_leaves_nothing_behind(unused_tcp_port: int) -> None:
    before = asyncio.all_tasks()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await database.connect(f"mongodb://127.0.0.1:{unused_tcp_port}/carillon_test")
    assert asyncio.all_tasks() == before
