"""Accounts: tokens that nobody can read, connections that belong to who began them, and one thing at a time."""

import asyncio
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from app import runtime
from app.engine import access
from app.errors import Invalid, NotFound
from app.models import (
    Account,
    AccountState,
    Grant,
    GrantState,
    PendingConnection,
    Registration,
    State,
    User,
    Workspace,
    now,
)
from app.sealing import Sealer
from app.services.accounts import connecting, profiles
from app.services.writing import remedies, views
from platforms.errors import TokenRevoked
from tests.integration.services.world import World, current, documents, fresh, grant_of, put, settings

BACK = "https://carillon.example/accounts/back"


async def consented(world: World, *, workspace: Workspace | None = None, user: User | None = None) -> dict[str, Any]:
    """Begin a connection and press *Allow*: what the browser brings back."""
    answers = {"server": f"{settings().sandbox_url}/mastodon"}
    url = await connecting.begin(workspace or world.workspace, user or world.alice, "mastodon", answers, redirect_uri=BACK)
    page = httpx.URL(url)
    async with httpx.AsyncClient(verify=False, trust_env=False) as browser:
        allowed = await browser.post(page.copy_with(query=None), data={**page.params, "username": "ringer"})
    back = urlsplit(allowed.headers["location"])
    query = parse_qs(back.query)
    return {"mark": back.path.rpartition("/")[2], "query": {name: values[0] for name, values in query.items()}}


# --- secrets ----------------------------------------------------------------------------------------------------------


async def test_no_token_can_be_read_in_the_database(world: World) -> None:
    back = await consented(world)
    pending = str(await documents())
    await connecting.finish(world.workspace, world.alice, **back)
    stored = str(await documents())
    everyone = await Grant.find({}).to_list()
    secrets = [token for grant in everyone for token in runtime.current().sealer.open(grant.sealed).values()]
    [registration] = await Registration.find({}).to_list()
    secrets += runtime.current().sealer.open(registration.sealed).values()
    assert len(secrets) >= 5
    for secret in [*secrets, back["query"]["code"]]:
        assert secret not in stored
    assert back["query"]["state"] not in pending


async def test_a_token_is_not_shown_by_accident(world: World) -> None:
    account = world.accounts["bluesky"]
    session, grant = await access.open_session(account), await grant_of(account)
    shown = f"{account!r} {grant!r} {session!r} {settings()!r} {settings()}"
    assert grant.sealed not in shown
    assert not any(token in shown for token in session.tokens.values())
    assert settings().secret_key.get_secret_value() not in shown


async def test_another_secret_key_asks_for_a_new_connection(world: World) -> None:
    account = world.accounts["bluesky"]
    await put(await grant_of(account), sealed=Sealer("another secret key of 32 characters").seal({"access": "token"}))
    with pytest.raises(TokenRevoked) as refusal:
        await access.open_session(account)
    assert "secret key" in refusal.value.message


# --- connecting -------------------------------------------------------------------------------------------------------


async def test_an_account_connected_again_is_the_same_account_with_new_tokens(world: World) -> None:
    before = world.accounts["bluesky"]
    await access.mark_reconnect(before)
    old = await grant_of(before)
    again = {account.platform: account for account in await connecting.connect_sandbox(world.workspace)}["bluesky"]
    assert (again.id, again.state) == (before.id, AccountState.CONNECTED)
    new = await grant_of(again)
    assert (old.state, new.state) == (GrantState.RECONNECT_NEEDED, GrantState.CONNECTED)
    assert (new.id, new.version) == (old.id, old.version + 1)
    assert new.sealed != old.sealed
    assert len(await profiles.listed(world.workspace)) == 2


async def test_an_account_connected_many_times_at_once_is_one_account(world: World) -> None:
    await Account.find({}).delete()
    await asyncio.gather(*(connecting.connect_sandbox(world.workspace) for _ in range(4)))
    assert sorted(account.platform for account in await profiles.listed(world.workspace)) == ["bluesky", "mastodon"]


async def test_the_same_profile_in_two_workspaces_is_two_accounts(world: World) -> None:
    theirs = await connecting.connect_sandbox(world.elsewhere)
    assert not {account.id for account in theirs} & {account.id for account in world.accounts.values()}
    await profiles.disconnect(world.elsewhere, theirs[0].id)
    assert len(await profiles.listed(world.workspace)) == 2


async def test_a_wrong_password_is_refused_with_the_networks_reason(world: World) -> None:
    answers = {"server": f"{settings().sandbox_url}/bluesky", "handle": "you.sandbox.test", "password": "wrong"}
    with pytest.raises(Invalid):
        await connecting.connect(world.workspace, "bluesky", answers)
    assert len(await profiles.listed(world.workspace)) == 2


async def test_a_way_to_connect_that_a_platform_does_not_have_does_not_exist(world: World) -> None:
    for action in (
        connecting.connect(world.workspace, "mastodon", {}),
        connecting.connect(world.workspace, "nowhere", {}),
        connecting.begin(world.workspace, world.alice, "bluesky", {}, redirect_uri=BACK),
        connecting.begin(world.workspace, world.alice, "nowhere", {}, redirect_uri=BACK),
    ):
        with pytest.raises(NotFound):
            await action


async def test_another_workspaces_account_does_not_exist(world: World) -> None:
    account, before = world.accounts["bluesky"], await documents()
    for action in (profiles.get(world.elsewhere, account.id), profiles.disconnect(world.elsewhere, account.id)):
        with pytest.raises(NotFound):
            await action
    assert await profiles.listed(world.elsewhere) == []
    assert await documents() == before


# --- the way over the network's own page ------------------------------------------------------------------------------


async def test_a_person_comes_back_from_the_consent_page_with_an_account(world: World) -> None:
    account = await connecting.finish(world.workspace, world.alice, **await consented(world))
    assert (account.platform, account.state, account.workspace_id) == ("mastodon", AccountState.CONNECTED, world.workspace.id)
    assert account.handle.startswith("ringer")
    assert await PendingConnection.find({}).to_list() == []


async def test_a_state_is_good_once(world: World) -> None:
    back = await consented(world)
    finished = await asyncio.gather(
        *(connecting.finish(world.workspace, world.alice, **back) for _ in range(5)), return_exceptions=True
    )
    assert [type(one) for one in finished if not isinstance(one, Invalid)] == [Account]
    with pytest.raises(Invalid):
        await connecting.finish(world.workspace, world.alice, **back)


async def test_a_state_is_good_only_for_who_began(world: World) -> None:
    for workspace, user in ((world.elsewhere, world.charlie), (world.workspace, world.charlie), (world.elsewhere, world.alice)):
        back = await consented(world)
        with pytest.raises(Invalid):
            await connecting.finish(workspace, user, **back)
    assert len(await Account.find({}).to_list()) == 2


async def test_a_code_from_another_server_than_the_one_asked_is_refused(world: World) -> None:
    """A server that lies about its consent page sends people to another one's; they come back to that one's address."""
    back = await consented(world)
    with pytest.raises(Invalid, match="Another server"):
        await connecting.finish(world.workspace, world.alice, **{**back, "mark": "0123456789abcdef"})
    assert len(await Account.find({}).to_list()) == 2


async def test_a_state_nobody_began_with_is_refused(world: World) -> None:
    with pytest.raises(Invalid):
        await connecting.finish(world.workspace, world.alice, mark="made-up", query={"state": "made-up", "code": "made-up"})


async def test_a_state_grows_old(world: World) -> None:
    back = await consented(world)
    [pending] = await PendingConnection.find({}).to_list()
    await put(pending, expires_at=now() - timedelta(seconds=2))
    with pytest.raises(Invalid):
        await connecting.finish(world.workspace, world.alice, **back)


async def test_a_code_that_the_network_refuses_connects_nothing(world: World) -> None:
    back = await consented(world)
    with pytest.raises(Invalid):
        await connecting.finish(world.workspace, world.alice, mark=back["mark"], query={**back["query"], "code": "another"})
    assert len(await Account.find({}).to_list()) == 2


async def test_one_registration_serves_all_who_connect_to_a_server(world: World) -> None:
    await asyncio.gather(*(consented(world) for _ in range(3)))
    await consented(world, workspace=world.elsewhere, user=world.charlie)
    assert len(await Registration.find({}).to_list()) == 1


async def test_a_registration_sealed_with_another_key_is_made_anew(world: World) -> None:
    await connecting.finish(world.workspace, world.alice, **await consented(world))
    [registration] = await Registration.find({}).to_list()
    await put(registration, sealed=Sealer("another secret key of 32 characters").seal({"client_id": "lost"}))
    connected = await connecting.finish(world.workspace, world.alice, **await consented(world))
    assert connected.state == AccountState.CONNECTED
    [anew] = await Registration.find({}).to_list()
    assert runtime.current().sealer.open(anew.sealed)["client_id"]


# --- disconnecting ----------------------------------------------------------------------------------------------------


async def test_a_disconnected_account_keeps_no_tokens_and_what_waits_for_it_is_canceled_at_once(world: World) -> None:
    delivery = await world.queued("bluesky")
    assert await profiles.disconnect(world.workspace, delivery.account_id) == 1
    account = await current(world.accounts["bluesky"])
    grant = await grant_of(account)
    assert (account.state, grant.state, grant.sealed) == (AccountState.DISCONNECTED, GrantState.FORGOTTEN, "")
    assert [one.platform for one in await profiles.listed(world.workspace)] == ["mastodon"]
    canceled = await fresh(delivery)
    assert (canceled.state, canceled.trouble.code) == (State.CANCELED, "disconnected")
    [row] = (await views.view(world.workspace, delivery.post_id)).deliveries
    assert (row.label, row.detail) == ("Canceled", canceled.trouble.message)
    assert row.actions == {"reconnect"}
    await world.outbox.deliver()
    assert await world.texts() == []
    assert (await Account.get(delivery.account_id)).state == AccountState.DISCONNECTED


async def test_what_a_disconnection_canceled_goes_out_when_a_person_says_so(world: World) -> None:
    delivery = await world.queued("bluesky")
    await profiles.disconnect(world.workspace, delivery.account_id)
    await connecting.connect_sandbox(world.workspace)
    await world.dispatch()
    assert (await fresh(delivery)).state == State.CANCELED
    await remedies.send_again(world.workspace, delivery.id, sure=True)
    await world.dispatch()
    assert (await fresh(delivery)).state == State.PUBLISHED
