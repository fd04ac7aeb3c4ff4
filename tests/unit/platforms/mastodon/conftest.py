from collections.abc import AsyncIterator

import pytest

from platforms.base import Session
from platforms.mastodon.adapter import Mastodon
from tests.unit.platforms.mastodon.instance import ACCOUNT, ORIGIN, TOKEN, Instance, Notebook, Scene


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    server = Instance()
    mastodon = Mastodon(now=server.clock)
    async with server.client() as http:
        session = Session(ORIGIN, ACCOUNT, "alice@bell.example", {"access": TOKEN}, {"version": "4.5.0"}, http)
        yield Scene(server, mastodon, session, Notebook(server.log))
