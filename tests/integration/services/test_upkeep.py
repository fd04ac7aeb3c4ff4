"""An account's limits are asked for once a day."""

from datetime import timedelta

from app.models import Account, now
from app.services.operations import upkeep
from tests.contract.harness import Judge
from tests.integration.services.world import World, put


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
