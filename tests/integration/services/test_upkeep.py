"""An account's limits are asked for once a day, and tokens are renewed that nobody uses."""

from datetime import timedelta

import httpx

from app.models import Account, now
from app.services.accounts import profiles
from app.services.operations import upkeep
from platforms.errors import Unavailable
from tests.contract.harness import Judge
from tests.integration.services.belfry import NAME, Belfry
from tests.integration.services.world import World, grant_of, put, token


async def test_limits_a_day_old_are_renewed_and_fresh_ones_are_not(world: World) -> None:
    for account in world.accounts.values():
        await put(account, limits={}, limits_at=now() - timedelta(hours=25))
    while await upkeep.look_after_one(now()):
        pass
    renewed = await Account.find({"workspace_id": {"$eq": world.workspace.id}}).to_list()
    assert all(account.limits for account in renewed)
    assert not await upkeep.look_after_one(now())


async def test_the_account_that_waited_longest_comes_first(world: World) -> None:
    waited = {account.id: 25 + number for number, account in enumerate(world.accounts.values())}
    for account in world.accounts.values():
        await put(account, limits={}, limits_at=now() - timedelta(hours=waited[account.id]))
    assert await upkeep.look_after_one(now())
    [renewed] = [account.id for account in await Account.find_all().to_list() if account.id in waited and account.limits]
    assert waited[renewed] == max(waited.values())


async def test_a_server_that_does_not_answer_is_asked_again_tomorrow(world: World, judge: Judge) -> None:
    account = world.accounts["bluesky"]
    await judge.fault("bluesky", "error_500", on="any")
    await put(account, limits={"web": "https://example.org"}, limits_at=now() - timedelta(hours=25))
    assert await upkeep.look_after_one(now())
    kept = await Account.get(account.id)
    assert kept is not None
    assert kept.limits == {"web": "https://example.org"}
    assert not await upkeep.look_after_one(now())


# --- tokens -----------------------------------------------------------------------------------------------------------

DUE = upkeep.EVERY + timedelta(minutes=1)


async def test_tokens_that_nobody_used_since_yesterday_are_renewed_before_they_end(world: World, belfry: Belfry) -> None:
    account = world.accounts[NAME]
    belfry.refresh_at = now() + timedelta(days=50)
    await put(await grant_of(account), refresh_at=now() - DUE)
    assert await upkeep.renew_one(now())
    assert not await upkeep.renew_one(now())
    assert (belfry.refreshed, await token(account)) == (1, "token-1")
    assert (await grant_of(account)).refresh_at == belfry.refresh_at


async def test_tokens_that_are_used_are_not_renewed_as_well_and_those_that_never_end_neither(
    world: World, belfry: Belfry
) -> None:
    await put(await grant_of(world.accounts[NAME]), refresh_at=now() - timedelta(hours=23))
    assert not await upkeep.renew_one(now())
    await put(await grant_of(world.accounts[NAME]), refresh_at=None)
    assert not await upkeep.renew_one(now())
    assert belfry.refreshed == 0


async def test_what_cannot_be_renewed_today_is_tried_tomorrow(world: World, belfry: Belfry) -> None:
    grant = await grant_of(world.accounts[NAME])
    await put(grant, refresh_at=now() - DUE)
    belfry.refreshing.append(Unavailable(NAME, "away", "The server is away."))
    assert await upkeep.renew_one(now())
    assert not await upkeep.renew_one(now())
    assert await upkeep.renew_one(now() + DUE)
    assert await token(world.accounts[NAME]) == "token-2"


async def test_a_person_is_told_before_access_ends_that_nothing_renews(
    world: World, belfry: Belfry, alice: httpx.AsyncClient
) -> None:
    account = world.accounts[NAME]
    ends = now() + profiles.ENDING - timedelta(hours=1)
    await put(await grant_of(account), expires_at=ends)
    assert await profiles.ending(world.workspace, now()) == {account.id: ends}
    page = (await alice.get("/accounts")).text
    assert f"/accounts/connect/{NAME}?account={account.id}" in page
    await put(await grant_of(account), expires_at=ends, refresh_at=now() + timedelta(days=1))
    assert await profiles.ending(world.workspace, now()) == {}
    assert await profiles.ending(world.elsewhere, now()) == {}
