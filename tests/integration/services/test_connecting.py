"""Connecting: servers that take their time, consents for several profiles, and apps that the operator has to bring."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from app import runtime
from app.engine import access
from app.errors import Invalid
from app.models import Account, PendingChoice, PendingConnection, now
from app.services.accounts import connecting, profiles
from platforms.base import Authorization, Candidate, Consent, Field, Tokens
from platforms.errors import ContentRejected
from tests.integration.services.belfry import NAME, Belfry
from tests.integration.services.world import World, documents, grant_of, put, token


@dataclass
class Tarpit:
    """A connector whose server never ends its answers, unless it is ``quick``; ``clients`` are those it was asked with."""

    clients: list[httpx.AsyncClient] = field(default_factory=list)
    quick: bool = False
    app_fields: tuple[()] = ()

    def server(self, answers: Mapping[str, str]) -> str:
        return "https://tarpit.example"

    async def begin(self, http: object, server: str, app: object, *, state: str, **_: object) -> Authorization:
        return Authorization("https://tarpit.example/", {"state": state})

    async def connect(self, http: httpx.AsyncClient, *_: Any) -> Consent:
        return await self._drip(http)

    async def register(self, http: httpx.AsyncClient, *_: Any, **__: Any) -> tuple[str, dict[str, str]]:
        return ("https://tarpit.example", {}) if self.quick else await self._drip(http)

    async def exchange(self, http: httpx.AsyncClient, *_: Any, **__: Any) -> Consent:
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
        await connecting.finish(world.workspace, world.alice, mark=mark, query={"state": state, "code": "x"})
    assert tarpit.clients == [runtime.current().connecting]


# --- several profiles under one consent -------------------------------------------------------------------------------

SECRET = "page-token-of-the-consent"
BACK = "https://carillon.example/back"


@dataclass
class Guild:
    """A connector whose consent covers several towers; it needs the operator's app, and keeps what it was given."""

    fields: tuple[Field, ...] = ()
    app_fields: tuple[Field, ...] = (Field("client_id", "Client id"), Field("client_secret", "Client secret", secret=True))
    towers: tuple[str, ...] = ("north", "south", "west")
    given: dict[str, Any] = field(default_factory=dict)

    def server(self, answers: Mapping[str, str]) -> str:
        return "https://belfry.example"

    async def begin(
        self, http: object, server: str, app: Mapping[str, str], *, answers: object, redirect_uri: str, state: str
    ) -> Authorization:
        self.given = {"answers": answers, "app": dict(app), "mark": redirect_uri.rpartition("/")[2], "state": state}
        return Authorization(f"{server}/consent", {"request": "token"})

    async def exchange(
        self, http: object, server: str, app: object, *, query: Mapping[str, str], secret: object, **_: object
    ) -> Consent:
        self.given |= {"query": dict(query), "secret": secret}
        if "denied" in query:
            raise ContentRejected(NAME, "denied", "You said no.")
        towers = tuple(Candidate(name, name, f"The {name} <tower>", None, {"bells": 9}) for name in self.towers)
        return Consent(server, "guild-1", Tokens({"access": SECRET}, refresh_at=now() + timedelta(days=50)), towers)


@pytest.fixture
def guild(belfry: Belfry, monkeypatch: pytest.MonkeyPatch) -> Guild:
    monkeypatch.setenv("CARILLON_BELFRY_CLIENT_ID", "id-1")
    monkeypatch.setenv("CARILLON_BELFRY_CLIENT_SECRET", "secret-1")
    belfry.connector = Guild()
    return belfry.connector


async def back(world: World, guild: Guild, **query: str) -> Account | PendingChoice:
    await connecting.begin(world.workspace, world.alice, NAME, {"handle": "alice"}, redirect_uri=BACK)
    query = {"state": guild.given["state"], **(query or {"code": "c"})}
    return await connecting.finish(world.workspace, world.alice, mark=guild.given["mark"], query=query)


async def test_everything_the_network_says_reaches_the_connector_and_its_refusal_the_person(world: World, guild: Guild) -> None:
    with pytest.raises(Invalid, match="You said no"):
        await back(world, guild, denied="1", error_reason="user_denied")
    assert guild.given["query"] == {"state": guild.given["state"], "denied": "1", "error_reason": "user_denied"}
    assert guild.given["secret"] == {"request": "token"}
    assert guild.given["answers"] == {"handle": "alice"}


async def test_the_only_candidate_is_connected_at_once(world: World, guild: Guild) -> None:
    guild.towers = ("north",)
    account = await back(world, guild)
    assert isinstance(account, Account)
    assert (account.remote_id, account.limits) == ("north", {"bells": 9})


async def test_a_consent_to_nothing_says_so(world: World, guild: Guild) -> None:
    guild.towers = ()
    with pytest.raises(Invalid, match="nothing there"):
        await back(world, guild)


async def test_of_several_those_are_connected_that_the_person_chooses_and_share_the_tokens(world: World, guild: Guild) -> None:
    choice = await back(world, guild)
    assert isinstance(choice, PendingChoice)
    assert SECRET not in str(await documents())
    with pytest.raises(Invalid, match="at least one"):
        await connecting.choose(world.workspace, world.alice, choice.id, ["somebody else's"])
    chosen = await connecting.choose(world.workspace, world.alice, choice.id, ["north", "west"])
    assert [account.remote_id for account in chosen] == ["north", "west"]
    assert len({account.grant_id for account in chosen}) == 1
    assert [await token(account) for account in chosen] == [SECRET] * 2
    assert (await grant_of(chosen[0])).refresh_at is not None
    with pytest.raises(Invalid, match="already"):
        await connecting.choose(world.workspace, world.alice, choice.id, ["south"])

    again = await back(world, guild)
    assert isinstance(again, PendingChoice)
    await connecting.choose(world.workspace, world.alice, again.id, ["south"])
    towers = [account for account in await profiles.listed(world.workspace) if account.limits == {"bells": 9}]
    assert {(account.remote_id, account.grant_version) for account in towers} == {("north", 2), ("west", 2), ("south", 2)}


async def test_a_choice_is_only_for_who_began_and_grows_old(world: World, guild: Guild) -> None:
    choice = await back(world, guild)
    for workspace, user in ((world.elsewhere, world.alice), (world.workspace, world.charlie), (world.elsewhere, world.charlie)):
        with pytest.raises(Invalid, match="another browser"):
            await connecting.choose(workspace, user, choice.id, ["north"])
    await put(choice, expires_at=now() - timedelta(seconds=2))
    with pytest.raises(Invalid, match="too long ago"):
        await connecting.choose(world.workspace, world.alice, choice.id, ["north"])
    assert not [account for account in await profiles.listed(world.workspace) if account.limits == {"bells": 9}]


async def test_the_page_to_choose_on_needs_no_script(world: World, guild: Guild, alice: httpx.AsyncClient) -> None:
    await connecting.begin(world.workspace, world.alice, NAME, {}, redirect_uri=BACK)
    came = await alice.get(f"/accounts/callback/{guild.given['mark']}", params={"state": guild.given["state"], "code": "c"})
    path = came.headers["location"]
    page = (await alice.get(path)).text
    assert page.count('name="candidate"') == 3
    assert "The north &lt;tower&gt;" in page
    assert "checked" not in page
    csrf = next(value for name, value in alice.cookies.items() if name.startswith("carillon_csrf"))
    none = await alice.post(path, data={"_csrf_token": csrf})
    assert (none.status_code, "Choose at least one" in none.text) == (422, True)
    done = await alice.post(path, data={"_csrf_token": csrf, "candidate": ["north", "south"]})
    assert (done.status_code, done.headers["location"]) == (303, "/accounts?done=connected")
    assert (await alice.get(path)).status_code == 422


async def test_a_network_that_knows_us_without_a_registration_gets_none(world: World, guild: Guild) -> None:
    guild.app_fields, guild.towers = (), ("north",)
    assert isinstance(await back(world, guild), Account)
    assert guild.given["app"] == {}


async def test_the_operators_app_is_used_and_asked_for_where_it_is_missing(
    world: World, guild: Guild, alice: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    guild.towers = ("north",)
    account = await back(world, guild)
    assert isinstance(account, Account)
    app = {"client_id": "id-1", "client_secret": "secret-1"}
    assert guild.given["app"] == (await access.open_session(account)).app == app
    assert "secret-1" not in repr(await access.open_session(account))

    monkeypatch.delenv("CARILLON_BELFRY_CLIENT_SECRET")
    with pytest.raises(Invalid, match="CARILLON_BELFRY_CLIENT_SECRET"):
        await connecting.begin(world.workspace, world.alice, NAME, {}, redirect_uri=BACK)
    page = (await alice.get(f"/accounts/connect/{NAME}")).text
    assert "<code>CARILLON_BELFRY_CLIENT_SECRET</code>" in page
    assert f"http://carillon.example/accounts/callback/{guild.given['mark']}" in page
    assert "CLIENT_ID" not in page

    (tmp_path / "secret").write_text("from-a-file\n")
    monkeypatch.setenv("CARILLON_BELFRY_CLIENT_SECRET_FILE", str(tmp_path / "secret"))
    assert access.operator_app(NAME)["client_secret"] == "from-a-file"
