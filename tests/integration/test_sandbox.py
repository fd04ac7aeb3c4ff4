"""The sandbox as a process of its own: what it has accepted is not lost when it is killed."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from platforms import REGISTRY
from platforms.base import Published
from platforms.http import open_client
from platforms.sandbox.connect import connect
from tests.contract.harness import Diary, picture, session_of, words
from tests.servers import sandbox
from tests.servers.process import Server
from tests.twin.adapter import Foundry

ADAPTERS = {**REGISTRY, "foundry": Foundry()}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """One that keeps what it holds."""
    started = sandbox.start(tmp_path, store=tmp_path / "sandbox.db")
    yield started
    started.kill()


@pytest.mark.parametrize("name", ADAPTERS)
async def test_a_killed_sandbox_has_every_post_it_answered_for_and_knows_who_is_signed_in(server: Server, name: str) -> None:
    adapter = ADAPTERS[name]
    async with open_client(allow=[server.url]) as http:
        session = session_of(await connect(http, server.url, adapter), http)
        published = [await adapter.publish(session, words(), key=f"key-{n}", checkpoint=Diary()) for n in range(5)]
        server.kill()
        server.start()
        posts = httpx.get(f"{server.url}/api/posts", trust_env=False).json()
        assert [post["id"] for post in posts] == [each.remote_id for each in published if isinstance(each, Published)]
        diary = Diary()
        with_picture = words(media=(picture(),))
        again = await adapter.publish(session, with_picture, key="key-6", checkpoint=diary)
        server.kill()
        server.start()
        assert await adapter.publish(session, with_picture, key="key-6", checkpoint=diary) == again
        assert len(httpx.get(f"{server.url}/api/posts", trust_env=False).json()) == len(published) + 1
