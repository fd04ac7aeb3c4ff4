"""Alice's account on a fake personal data server, and what she wants to publish."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from platforms.base import Content, Media, MediaFacts, Session
from tests.contract.harness import Pieces
from tests.unit.platforms.bluesky.fake_pds import DID, DUE, HANDLE, SERVER, FakePds, SavedCheckpoint


@pytest.fixture
def pds() -> FakePds:
    return FakePds()


@pytest.fixture
async def session(pds: FakePds) -> AsyncIterator[Session]:
    async with pds.client() as http:
        yield Session(SERVER, DID, HANDLE, {"access": pds.access, "refresh": pds.refresh}, {}, http)


@pytest.fixture
def checkpoint(pds: FakePds) -> SavedCheckpoint:
    return SavedCheckpoint(pds.journal)


@pytest.fixture
def picture() -> Callable[..., Media]:
    def make(name: str = "a", **facts: Any) -> Media:
        data, alt = f"bytes of {name}".encode(), facts.pop("alt", f"Picture {name}")
        known = {"mime": "image/png", "size": len(data), "width": 640, "height": 480}
        return Media(name, MediaFacts(**known | facts), alt, Pieces(lambda at: data[at:], len(data)))

    return make


@pytest.fixture
def content() -> Callable[..., Content]:
    def make(text: str = "Hello", *media: Media, **facts: Any) -> Content:
        return Content(text, **{"created_at": DUE, "media": media} | facts)

    return make
