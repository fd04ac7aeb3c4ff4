"""Grants: the tokens of one consent are renewed once, never lost, shared by all its accounts, and forgotten with the last."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as effort
from hypothesis import strategies as st

from actors import engine
from app import runtime
from app.engine import access, grants
from app.models import EPOCH, Account, AccountState, Grant, GrantState, State, now
from app.services.accounts import connecting, profiles
from app.settings import Settings
from platforms import REGISTRY
from platforms.base import Tokens
from platforms.errors import ReconnectNeeded, TokenRevoked, Unavailable
from tests.integration.services.belfry import NAME, Belfry, Turnstile, connected, joined
from tests.integration.services.world import World, current, fresh, grant_of, put, token, until
from tests.integration.spoken import LISTENER
from tests.servers.process import Server


@pytest.fixture
async def twin(world: World, belfry: Belfry) -> Account:
    """A second account of the consent that gave Alice's on Belfry."""
    return await joined(await grant_of(world.accounts[NAME]), "ringer-2")


@pytest.fixture(autouse=True)
async def _nothing_left_behind() -> AsyncIterator[None]:
    yield
    LISTENER.witness = int
    await access.settle()


async def stopped(task: "asyncio.Task[Any]") -> None:
    """Wait for a task that may have been canceled."""
    with suppress(asyncio.CancelledError):
        await task


# --- a stop in the middle ---------------------------------------------------------------------------------------------


async def test_a_stop_while_the_networks_answer_is_under_way_keeps_the_account(world: World, turnstile: Turnstile) -> None:
    account = world.accounts[NAME]
    turnstile.doors.clear()
    renewal = asyncio.create_task(access.refresh(account))
    await until(lambda: turnstile.refreshed == 1)
    renewal.cancel()
    await stopped(renewal)
    turnstile.doors.set()
    await access.settle()
    assert await token(account) in turnstile.good
    assert (await grant_of(account)).refreshing_until == EPOCH


async def test_a_stop_at_any_moment_of_a_renewal_keeps_the_account(world: World, turnstile: Turnstile) -> None:
    """The moments: each command to the database as it is sent and as it is answered, and the network's own answer."""
    account, moment, cancellations, struck = world.accounts[NAME], 0, 0, True
    while struck:
        moment += 1
        renewal = asyncio.create_task(access.refresh(await current(account)))
        LISTENER.witness = turnstile.answered = countdown = Countdown(moment, renewal)
        await stopped(renewal)
        LISTENER.witness = turnstile.answered = int
        await access.settle()
        struck = countdown.left <= 0
        cancellations += renewal.cancelled()
        assert await token(account) in turnstile.good, f"lost at moment {moment}"
        assert (await grant_of(account)).refreshing_until == EPOCH
    assert cancellations > 10


class Countdown:
    """Stops ``task`` at the ``left``-th call, and insists: the driver may swallow one that comes while it sends."""

    def __init__(self, left: int, task: "asyncio.Task[Any]") -> None:
        self.left = left
        self.task = task

    def __call__(self) -> None:
        self.left -= 1
        if self.left == 0:
            asyncio.get_running_loop().call_soon(self.strike)

    def strike(self) -> None:
        if self.task.cancel():
            asyncio.get_running_loop().call_soon(self.strike)


async def test_a_network_that_keeps_silent_sends_its_callers_away_and_leaves_nothing_locked(
    world: World, belfry: Belfry, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = world.accounts[NAME]
    belfry.doors.clear()
    with monkeypatch.context() as impatient:
        impatient.setattr(runtime, "_current", with_times(step_limit=0.75))
        with pytest.raises(Unavailable):
            await access.refresh(account)
        await access.settle()
    belfry.doors.set()
    await access.refresh(account)
    assert (belfry.refreshed, await token(account)) == (2, "token-2")


def with_times(**times: float) -> runtime.Runtime:
    """The running installation with other times."""
    parts = runtime.current()
    return replace(parts, settings=parts.settings.model_copy(update=times))


async def test_a_process_that_stops_waits_for_the_save(world: World, turnstile: Turnstile) -> None:
    account = world.accounts[NAME]
    turnstile.doors.clear()
    renewal = asyncio.create_task(access.refresh(account))
    await until(lambda: turnstile.refreshed == 1)
    renewal.cancel()
    ending = asyncio.create_task(access.settle())
    await asyncio.sleep(0.05)
    assert not ending.done()
    turnstile.doors.set()
    await ending
    assert await token(account) == "token-1"


async def test_a_worker_that_stops_saves_what_it_is_renewing_before_it_closes_its_connections(
    world: World, turnstile: Turnstile, settings: Settings
) -> None:
    turnstile.doors.clear()
    renewal = asyncio.create_task(access.refresh(world.accounts[NAME]))
    await until(lambda: turnstile.refreshed == 1)
    renewal.cancel()
    ending = asyncio.create_task(engine.stop())
    await asyncio.sleep(0.05)
    turnstile.doors.set()
    await ending
    assert not runtime.started()
    await runtime.start(settings, world.outbox)
    assert await token(world.accounts[NAME]) == "token-1"
    await runtime.stop()


async def test_new_tokens_are_saved_although_the_database_is_away_and_the_worker_is_stopped(
    private: tuple[World, Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    world, database = private
    network = Turnstile()
    monkeypatch.setitem(REGISTRY, NAME, network)
    account = await connected(world.workspace, runtime.current().sealer.seal({"access": "token-0"}))
    renewal = asyncio.create_task(access.refresh(account))

    def strike() -> None:
        database.stop()
        Countdown(1, renewal)()

    network.answered = strike
    await stopped(renewal)
    await asyncio.sleep(0.5)
    database.start()
    await access.settle()
    assert await token(account) == "token-1"


async def test_the_lease_outlasts_the_question_and_an_outage_as_long_as_a_workers_lease(world: World, settings: Settings) -> None:
    assert access.lease_time() == timedelta(seconds=settings.step_limit) + settings.lease_time
    assert settings.http_timeout < settings.step_limit < access.lease_time().total_seconds()


# --- renewing once ----------------------------------------------------------------------------------------------------


async def test_of_many_renewals_at_once_the_network_is_asked_for_one(world: World, belfry: Belfry, twin: Account) -> None:
    accounts = [await current(one) for one in (world.accounts[NAME], twin) for _ in range(4)]
    before = await grant_of(twin)
    belfry.doors.clear()
    renewals = [asyncio.create_task(access.refresh(account)) for account in accounts]
    await until(lambda: belfry.refreshed == 1)
    await asyncio.sleep(0.3)
    belfry.doors.set()
    renewed = await asyncio.gather(*renewals)
    assert belfry.refreshed == 1
    assert {(await access.open_session(one)).tokens["access"] for one in renewed} == {"token-1"}
    stored = await grant_of(twin)
    assert (stored.version, stored.refreshing_until) == (before.version + 1, EPOCH)


async def test_an_account_that_held_the_old_tokens_takes_the_new_ones_without_asking(
    world: World, turnstile: Turnstile, twin: Account
) -> None:
    await access.open_session(twin)
    await access.refresh(world.accounts[NAME])
    renewed = await access.refresh(twin)
    assert (await access.open_session(renewed)).tokens["access"] == "token-1"
    assert turnstile.refreshed == 1


async def test_a_renewal_that_failed_for_a_moment_can_be_tried_again_at_once(world: World, belfry: Belfry) -> None:
    account = world.accounts[NAME]
    belfry.refreshing.append(Unavailable(NAME, "away", "The server is away."))
    with pytest.raises(Unavailable):
        await access.refresh(account)
    assert (await current(account)).state == AccountState.CONNECTED
    await access.refresh(account)
    assert (await grant_of(account)).version == 2


async def test_a_renewal_whose_process_died_is_made_by_the_next(world: World, belfry: Belfry) -> None:
    account = world.accounts[NAME]
    await put(await grant_of(account), refreshing_until=now() + access.lease_time())
    waiting = asyncio.create_task(access.refresh(account))
    await asyncio.sleep(0.1)
    assert belfry.refreshed == 0
    await world.pass_time(access.lease_time() + timedelta(seconds=2))
    await waiting
    assert (await grant_of(account)).version == 2


async def test_tokens_that_come_after_the_lease_ran_out_are_kept_if_nobody_has_newer_ones(
    world: World, turnstile: Turnstile, twin: Account
) -> None:
    """The other process asked with tokens that were used up, and the network refused it."""
    account = world.accounts[NAME]
    leased = await grants.lease(await grant_of(account), access.lease_time())
    assert leased is not None
    tokens = await turnstile.refresh(await access.open_session(account))
    await world.pass_time(access.lease_time() + timedelta(seconds=2))
    with pytest.raises(ReconnectNeeded):
        await access.refresh(twin)
    assert (await current(account)).state == (await current(twin)).state == AccountState.RECONNECT_NEEDED
    await grants.save(leased, access.seal(tokens))
    assert await token(account) == await token(twin) == "token-1"


async def test_a_renewal_does_not_overwrite_a_consent_given_meanwhile(world: World, belfry: Belfry) -> None:
    account = world.accounts[NAME]
    belfry.doors.clear()
    renewals = [asyncio.create_task(access.refresh(account))]
    await until(lambda: belfry.refreshed == 1)
    await consent_anew(account, "by-hand")
    renewals.append(asyncio.create_task(access.refresh(account)))
    belfry.refreshing.append(TokenRevoked(NAME, "revoked", "The old token is gone."))
    belfry.doors.set()
    refused, superseded = await asyncio.gather(*renewals, return_exceptions=True)
    assert isinstance(refused, TokenRevoked)
    assert isinstance(superseded, Account)
    assert belfry.refreshed == 1
    assert await token(account) == "by-hand"


async def consent_anew(account: Account, access_token: str) -> None:
    """What connecting again does to the grant."""
    sealed = access.seal(Tokens({"access": access_token}))
    await grants.follow(await grants.consent(consent_key(account), sealed))


def consent_key(account: Account) -> dict[str, Any]:
    """What tells the consent that gave Alice's account on Belfry from others."""
    return {"workspace_id": account.workspace_id, "platform": NAME, "server": account.server, "subject": "alice"}


async def test_a_delivery_survives_a_renewal_that_is_just_not_possible(world: World, belfry: Belfry) -> None:
    delivery = await world.queued(NAME)
    belfry.valid = "another"
    belfry.refreshing.append(Unavailable(NAME, "away", "The server is away."))
    await world.outbox.deliver()
    waiting = await fresh(delivery)
    assert (waiting.state, waiting.trouble.remedy) == (State.QUEUED, "retry")
    await world.pass_time(timedelta(seconds=10))
    await world.outbox.deliver()
    assert (await fresh(delivery)).state == State.PUBLISHED


# --- refused ----------------------------------------------------------------------------------------------------------


async def test_a_refused_grant_asks_a_person_for_all_its_accounts_and_is_not_asked_again(
    world: World, belfry: Belfry, twin: Account
) -> None:
    account = world.accounts[NAME]
    belfry.refreshing.append(TokenRevoked(NAME, "revoked", "Connect it again."))
    with pytest.raises(ReconnectNeeded):
        await access.refresh(account)
    for one in (await current(account), await current(twin)):
        assert one.state == AccountState.RECONNECT_NEEDED
        with pytest.raises(ReconnectNeeded):
            await access.refresh(one)
    grant = await grant_of(account)
    assert (grant.state, grant.refreshing_until) == (GrantState.RECONNECT_NEEDED, EPOCH)
    assert belfry.refreshed == 1


async def test_a_post_that_the_network_refuses_for_its_tokens_marks_every_account_of_the_grant(
    world: World, belfry: Belfry, twin: Account
) -> None:
    belfry.publishing.append(TokenRevoked(NAME, "revoked", "Connect it again."))
    delivery = await world.queued(NAME)
    await world.outbox.deliver()
    assert (await fresh(delivery)).trouble.remedy == "reconnect"
    assert (await current(twin)).state == AccountState.RECONNECT_NEEDED


async def test_a_consent_given_again_repairs_every_account_but_the_disconnected(
    world: World, belfry: Belfry, twin: Account
) -> None:
    account, gone = world.accounts[NAME], await joined(await grant_of(twin), "ringer-3")
    await profiles.disconnect(world.workspace, gone.id)
    await access.mark_reconnect(account)
    await consent_anew(account, "by-hand")
    assert await token(account) == await token(twin) == "by-hand"
    assert (await current(gone)).state == AccountState.DISCONNECTED


async def test_a_refusal_of_older_tokens_is_no_news(world: World, belfry: Belfry, twin: Account) -> None:
    account = world.accounts[NAME]
    await access.open_session(account)
    await access.refresh(twin)
    await access.mark_reconnect(account)
    assert await token(account) == await token(twin) == "token-1"


async def test_a_refusal_that_is_written_late_does_not_mark_accounts_that_newer_tokens_serve(
    world: World, belfry: Belfry, twin: Account
) -> None:
    """Between its two writes, to the grant and to the accounts, a new consent has come as far as the first of two accounts."""
    served, old = world.accounts[NAME], await grant_of(twin)
    await put(served, grant_version=old.version + 1)
    await grants.refuse(old)
    assert (await current(served)).state == AccountState.CONNECTED
    assert (await current(twin)).state == AccountState.RECONNECT_NEEDED


async def test_tokens_that_are_just_being_renewed_are_not_marked_for_an_old_ones_refusal(
    world: World, turnstile: Turnstile, twin: Account
) -> None:
    turnstile.doors.clear()
    renewal = asyncio.create_task(access.refresh(world.accounts[NAME]))
    await until(lambda: turnstile.refreshed == 1)
    await access.mark_reconnect(twin)
    assert (await current(twin)).state == AccountState.CONNECTED
    turnstile.doors.set()
    await renewal
    assert await token(twin) == "token-1"


async def test_a_disconnected_account_says_nothing_about_the_tokens_of_the_others(
    world: World, belfry: Belfry, twin: Account
) -> None:
    delivery = await world.queued(NAME)
    used = world.accounts[NAME]
    await access.open_session(used)
    await profiles.disconnect(world.workspace, used.id)
    await world.outbox.deliver()
    assert (await fresh(delivery)).trouble.code == "disconnected"
    await access.mark_reconnect(used)
    assert (await current(twin)).state == AccountState.CONNECTED
    assert await token(twin) == "token-0"


# --- forgotten --------------------------------------------------------------------------------------------------------


async def test_tokens_are_forgotten_with_the_last_account_that_needs_them(world: World, belfry: Belfry, twin: Account) -> None:
    account = world.accounts[NAME]
    await profiles.disconnect(world.workspace, account.id)
    assert await token(twin) == "token-0"
    await profiles.disconnect(world.workspace, twin.id)
    grant = await grant_of(twin)
    assert (grant.state, grant.sealed) == (GrantState.FORGOTTEN, "")


async def test_a_renewal_that_ends_after_a_consent_was_given_keeps_the_consents_tokens(world: World, belfry: Belfry) -> None:
    account = world.accounts[NAME]
    belfry.doors.clear()
    renewal = asyncio.create_task(access.refresh(account))
    await until(lambda: belfry.refreshed == 1)
    await consent_anew(account, "by-hand")
    belfry.doors.set()
    assert (await access.open_session(await renewal)).tokens["access"] == "by-hand"


async def test_a_renewal_that_ends_after_its_tokens_were_forgotten_does_not_bring_them_back(world: World, belfry: Belfry) -> None:
    account = world.accounts[NAME]
    belfry.doors.clear()
    renewal = asyncio.create_task(access.refresh(account))
    await until(lambda: belfry.refreshed == 1)
    await profiles.disconnect(world.workspace, account.id)
    belfry.doors.set()
    with pytest.raises(TokenRevoked):
        await access.open_session(await renewal)
    assert (await grant_of(account)).sealed == ""


async def test_an_account_that_moves_to_another_consent_leaves_no_tokens_behind(world: World, turnstile: Turnstile) -> None:
    """Belfry's account came with Alice's consent; now the account's own is given."""
    account = world.accounts[NAME]
    again = await connecting.connect(world.workspace, NAME, {"id": account.remote_id})
    assert again.id == account.id
    assert (await grant_of(account)).sealed == ""
    assert await token(account) == "token-1"


async def test_tokens_released_before_their_account_was_saved_are_given_once_more(world: World, belfry: Belfry) -> None:
    """A disconnection looks for accounts between the two writes of a connection: to the grant, and to the account."""
    account = world.accounts[NAME]
    await profiles.disconnect(world.workspace, account.id)
    grant = await grants.consent(consent_key(account), access.seal(Tokens({"access": "by-hand"})))
    await grants.release(grant.id)
    await put(account, state=AccountState.CONNECTED)
    await grants.hold(grant)
    assert await token(account) == "by-hand"
    await grants.hold(grant)
    assert (await grant_of(account)).version == grant.version + 2


# --- all at once ------------------------------------------------------------------------------------------------------

WHO = ("ringer-1", "ringer-2")
Act = tuple[str, str, float]
WHAT = ("refresh", "stop", "refused", "disconnect", "connect")
ACTS = st.tuples(st.sampled_from(WHAT), st.sampled_from(WHO), st.floats(0, 0.02))


@effort(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(acts=st.lists(ACTS, min_size=2, max_size=6))
async def test_whatever_happens_at_once_no_connected_account_loses_its_tokens_and_no_others_are_kept(
    world: World, turnstile: Turnstile, acts: list[Act]
) -> None:
    await Account.find({"platform": NAME}).delete()
    await Grant.find({"platform": NAME}).delete()
    turnstile.good = {"token-0"}
    sealed = runtime.current().sealer.seal({"access": "token-0"})
    key = {"workspace_id": world.workspace.id, "platform": NAME, "server": "https://belfry.example"}
    shared = await Grant(**key, subject="ringer-1", sealed=sealed).insert()
    accounts = {who: await joined(shared, who) for who in WHO}
    await asyncio.gather(*(act(world, accounts[who], what, after) for what, who, after in acts))
    await access.settle()
    for account in [await current(one) for one in accounts.values()]:
        if account.state == AccountState.CONNECTED:
            assert await token(account) in turnstile.good
    for grant in await Grant.find({"platform": NAME}).to_list():
        needed = [one for one in await Account.find({"grant_id": grant.id}).to_list() if one.state != AccountState.DISCONNECTED]
        assert bool(grant.sealed) == bool(needed)
        assert grant.refreshing_until == EPOCH
        refused = {one.state for one in needed} == {AccountState.RECONNECT_NEEDED}
        assert not needed or refused == (grant.state == GrantState.RECONNECT_NEEDED)


async def act(world: World, account: Account, what: str, after: float) -> None:
    """One of the things that can happen to an account, a little later."""
    seen = await current(account)
    with suppress(ReconnectNeeded):
        await access.open_session(seen)
    await asyncio.sleep(after)
    todo: dict[str, Callable[[], Coroutine[Any, Any, object]]] = {
        "refresh": lambda: access.refresh(seen),
        "stop": lambda: asyncio.wait_for(access.refresh(seen), 0.005),
        "refused": lambda: access.mark_reconnect(seen),
        "disconnect": lambda: profiles.disconnect(world.workspace, account.id),
        "connect": lambda: connecting.connect(world.workspace, NAME, {"id": account.remote_id}),
    }
    with suppress(ReconnectNeeded, TimeoutError):
        await todo[what]()


# --- before they end --------------------------------------------------------------------------------------------------


async def test_tokens_whose_time_has_come_are_renewed_before_they_are_used(world: World, belfry: Belfry) -> None:
    account = world.accounts[NAME]
    belfry.refresh_at = now() + timedelta(hours=1)
    await put(await grant_of(account), refresh_at=now() - timedelta(seconds=2))
    session = await access.open_session(account)
    assert (session.tokens["access"], belfry.refreshed) == ("token-1", 1)
    await access.open_session(account)
    await access.open_session(await current(account))
    assert belfry.refreshed == 1
    await access.mark_reconnect(account)  # of the tokens that this copy was used with last, which are the new ones
    assert (await grant_of(account)).state == GrantState.RECONNECT_NEEDED


async def test_tokens_that_cannot_be_renewed_yet_are_used_as_they_are(world: World, belfry: Belfry) -> None:
    account = world.accounts[NAME]
    await put(await grant_of(account), refresh_at=now() - timedelta(seconds=2))
    belfry.refreshing.append(Unavailable(NAME, "away", "The server is away."))
    assert (await access.open_session(account)).tokens["access"] == "token-0"


async def test_a_consent_that_is_withdrawn_is_found_out_before_anything_is_sent(world: World, belfry: Belfry) -> None:
    account = world.accounts[NAME]
    await put(await grant_of(account), refresh_at=now() - timedelta(seconds=2))
    belfry.refreshing.append(TokenRevoked(NAME, "revoked", "Access was withdrawn."))
    with pytest.raises(TokenRevoked):
        await access.open_session(account)
    assert (await current(account)).state == AccountState.RECONNECT_NEEDED


async def test_the_instants_come_with_the_tokens_and_go_with_them(world: World) -> None:
    grant = await grant_of(world.accounts["bluesky"])
    assert grant.refresh_at is not None
    assert grant.expires_at is not None
    assert now() < grant.refresh_at < grant.expires_at
    again = await grants.consent(consent_key(world.accounts["bluesky"]), access.seal(Tokens({"access": "forever"})))
    assert (again.refresh_at, again.expires_at) == (None, None)
