"""Connecting to servers that take their time."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from app import runtime
from app.errors import Invalid
from app.models import PendingConnection
from app.services.accounts import connecting
from platforms.base import Authorization, Connected
from tests.integration.services.belfry import NAME, Belfry
from tests.integration.services.world import World


@dataclass
class Tarpit:
    """A connector whose server never ends its answers, unless it is ``quick``; ``clients`` are those it was asked with."""

    clients: list[httpx.AsyncClient] = field(default_factory=list)
    quick: bool = False

    def server(self, answers: Mapping[str, str]) -> str:
        return "https://tarpit.example"

    def authorize(self, server: str, app: Mapping[str, str], *, redirect_uri: str, state: str) -> Authorization:
        return Authorization("https://tarpit.example/", {"state": state})

    async def connect(self, http: httpx.AsyncClient, *_: Any) -> Connected:
        return await self._drip(http)

    async def register(self, http: httpx.AsyncClient, *_: Any, **__: Any) -> tuple[str, dict[str, str]]:
        return ("https://tarpit.example", {}) if self.quick else await self._drip(http)

    async def exchange(self, http: httpx.AsyncClient, *_: Any, **__: Any) -> Connected:
        return await self._drip(http)

    async def _drip(self, http: httpx.AsyncClient) -> Any:
        self.clients.append(http)
        await asyncio.sleep(3600)


@pytest.fixture
def tarpit(belfry: Belfry, monkeypatch: pytest.MonkeyPatch) -> Tarpit:
    monkeypatch.setattr(connecting, "PATIENCE", 0.05)
    belfry.connector = Tarpit()
    return belfry.connector


async def test_a_server_that_drips_its_answers_is_given_up_and_never_holds_the_publishing_pool(
    world: World, tarpit: Tarpit
) -> None:
    with pytest.raises(Invalid, match="took too long"):
        await connecting.connect(world.workspace, NAME, {})
    with pytest.raises(Invalid, match="took too long"):
        await connecting.begin(world.workspace, world.alice, NAME, {}, redirect_uri="https://carillon.example/back")
    assert tarpit.clients == [runtime.current().connecting] * 2
    assert runtime.current().connecting is not runtime.current().http


async def test_a_consent_that_cannot_be_completed_is_given_up(world: World, tarpit: Tarpit) -> None:
    tarpit.quick = True
    await connecting.begin(world.workspace, world.alice, NAME, {}, redirect_uri="https://carillon.example/back")
    [pending] = await PendingConnection.find({}).to_list()
    mark, state = pending.redirect_uri.rpartition("/")[2], runtime.current().sealer.open(pending.sealed)["state"]
    with pytest.raises(Invalid, match="took too long"):
        await connecting.finish(world.workspace, world.alice, mark=mark, state=state, code="x")
    assert tarpit.clients == [runtime.current().connecting]
